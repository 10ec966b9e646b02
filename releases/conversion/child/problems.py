"""What ends a conversion with a sentence for the publisher."""

from releases.sentences import Sentence


class Refused(Exception):
    """These weights cannot be converted as asked; the sentence says why and what to do."""

    def __init__(self, told: Sentence) -> None:
        super().__init__(str(told))
        self.told = told
