"""23. November 2026, 14:20 UTC."""

from __future__ import annotations

from typing import Final

DATETIME_FORMAT: Final = "j. F Y, H:i\u00a0T"
