"""What mail tells the layers above, inside the transaction of the change."""

from django.dispatch import Signal

reach_changed = Signal()
"""Sent by Unreachable with `address` (lower case), `why` (empty: it is reached again) and `at`."""
