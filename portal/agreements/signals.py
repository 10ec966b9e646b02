"""What agreements tell the layers above, inside the transaction of the change."""

from django.dispatch import Signal

version_published = Signal()
"""Sent by Agreement with `version` and `by`: earlier signatures may hold no longer."""
