"""What people tell the layers above, inside the transaction of the change."""

from django.dispatch import Signal

leaving = Signal()
"""Sent by User with `user`, who is erased in this transaction: whoever keeps what waits for them, or rests on them, closes it."""

turning = Signal()
"""Sent by User with `user`, whose account is suspended or opened again in this transaction: whoever's rights rest on theirs is
told. Before the person is locked, as others lock a person last."""

lab_turned = Signal()
"""Sent by Lab with `lab`, which is closed or open again in this transaction: whoever has something of it is told."""
