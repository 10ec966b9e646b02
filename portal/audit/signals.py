"""What the audit trail announces to the apps above it, inside the action's transaction."""

from typing import Final

from django.dispatch import Signal

recorded: Final = Signal()
"""An entry was written: `entry`. A receiver only writes to the database; what leaves it goes through the outbox."""
