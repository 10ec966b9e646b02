"""Chat templates are Jinja, a programming language. One that reaches for Python's insides is remarked on.

Loaders run templates in a sandbox now; some did not (CVE-2024-34359), and a template that needs dunder names was
written to get out of one. Nothing is refused: templates are text, and their readers choose the loader.
"""

from __future__ import annotations

import re
from typing import Final

from releases.sentences import Sentence

_INSIDES: Final = re.compile(r"__\w+__|\|\s*attr\b|\battr\s*\(|\\x5f|\\u005f", re.IGNORECASE)


def remarks(name: str, text: str) -> list[Sentence]:
    """What to tell the publisher about a template: each completes the sentence "tokenizer_config.json: …"."""
    found = sorted({match.group() for match in _INSIDES.finditer(text)})[:5]
    if not found:
        return []
    return [
        Sentence(
            "its chat template (%(name)s) reaches for Python's insides: %(found)s. Read it before you publish",
            name=name,
            found=found,
        )
    ]
