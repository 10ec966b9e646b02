"""Translations: from the sources into catalogues, from catalogues into what Django reads, and what is wrong with them.

This file needs nothing but the standard library: set-up asks it before anything is installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
FOLDER: Final = ROOT / "locale"
LANGUAGES: Final = ("de",)
"""The translations that are kept, by locale; the sources are English."""
PSEUDO: Final = "en_XA"
"""The locale of tests: every message in accents, brackets and a third longer."""


def catalogue(locale: str) -> Path:
    """The file that translators edit."""
    return FOLDER / locale / "LC_MESSAGES" / "django.po"


def compiled(locale: str) -> Path:
    """The file that Django reads; made, never committed."""
    return catalogue(locale).with_suffix(".mo")


def stale() -> bool:
    """Whether any compiled file is missing or older than the catalogues or than this package."""
    sources = [catalogue(locale) for locale in LANGUAGES] + sorted(Path(__file__).parent.glob("*.py"))
    newest = max(path.stat().st_mtime_ns for path in sources)
    made = [compiled(locale) for locale in (*LANGUAGES, PSEUDO)]
    return any(not path.exists() or path.stat().st_mtime_ns < newest for path in made)
