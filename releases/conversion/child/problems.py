"""What ends a conversion with a sentence for the publisher."""


class Refused(Exception):
    """These weights cannot be converted as asked; the message says why and what to do."""
