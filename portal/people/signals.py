"""What people tell the layers above, inside the transaction of the change."""

from django.dispatch import Signal

leaving = Signal()
"""Sent by User with `user`, who is erased in this transaction: whoever keeps what waits for them, or rests on them, closes it."""
