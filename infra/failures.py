"""Which tests failed, by what pytest's cache holds of its last run: one identifier a line, as pytest takes it back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path


def plain(identifiers: Iterable[str]) -> list[str]:
    """The tests' own identifiers, sorted, without the group's name that `xdist --dist loadgroup` appends after an @."""
    return sorted({one[: one.rfind("@")] if one.rfind("@") > one.rfind("]") else one for one in identifiers})


def main(cache: str) -> None:
    """Print them. Raises FileNotFoundError where no run has written its failures."""
    for one in plain(json.loads(Path(cache).read_text(encoding="utf-8"))):
        print(one)


if __name__ == "__main__":
    main(sys.argv[1])
