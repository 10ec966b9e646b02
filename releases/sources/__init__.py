"""Where a release may be taken in from: a folder, a bucket's prefix, another hub. Each lists its files and opens them."""

from __future__ import annotations

from pathlib import Path

from portal.errors import Invalid
from releases.sources.another_hub import AnotherHub
from releases.sources.bucket import Bucket
from releases.sources.files import Found, Source
from releases.sources.folder import Folder

__all__ = ["Found", "Source", "named"]


def named(text: str | Path) -> Source:
    """The source of this name: `s3://bucket/prefix`, `hub:https://host/namespace/name@revision`, else a folder.

    Raises Invalid for an address that cannot be one.
    """
    said = str(text)
    if said.startswith("s3://"):
        return Bucket(said)
    if said.startswith(("https://", "http://")):
        raise Invalid(f"{said} is an address, not a folder. Name the model as hub:{said}, as another hub has it.")
    return AnotherHub(said) if said.startswith("hub:") else Folder(Path(said))
