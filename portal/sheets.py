"""The style sheets of every page: each a file of its own where one works on them, one file where they are gathered.

A browser on a slow line pays a round trip for each file before it draws anything; together they are smaller too.
"""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

TOGETHER: Final = "weighbridge/together.css"
FACES: Final = (
    "vendor/source-serif-4/wght.css",
    "vendor/source-serif-4/wght-italic.css",
    "vendor/ibm-plex-sans/400.css",
    "vendor/ibm-plex-sans/500.css",
    "vendor/ibm-plex-sans/600.css",
    "vendor/ibm-plex-mono/400.css",
    "vendor/ibm-plex-mono/600.css",
)
"""From the fontsource packages, where set-up brought them; the fallbacks of tokens.css hold the layout where it could not."""
OURS: Final = tuple(f"weighbridge/{name}.css" for name in ("tokens", "base", "components", "forms", "pages", "print"))
_URL: Final = re.compile(r"url\((?!data:|/|#)([^)'\"]+)\)")


class Gathered(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise is untyped
    """Files under names that carry their digest, compressed; among them the sheets in one."""

    def post_process(self, paths: dict[str, Any], **options: Any) -> Iterator[tuple[str, str, bool]]:
        """Write the one sheet before the files are named and compressed."""
        if not options.get("dry_run"):
            self.delete(TOGETHER)
            self.save(TOGETHER, ContentFile("\n".join(self._sheet(name) for name in (*FACES, *OURS) if name in paths)))
            paths[TOGETHER] = (self, TOGETHER)
        yield from super().post_process(paths, **options)

    def _sheet(self, name: str) -> str:
        """One sheet's text, its addresses as they are from the one's place."""
        with self.open(name) as file:
            text = file.read().decode()
        there, here = PurePosixPath(name).parent, PurePosixPath(TOGETHER).parent
        return _URL.sub(lambda found: f"url({posixpath.relpath(there / found[1], here)})", text)


@functools.cache
def addresses() -> tuple[str, ...]:
    """Where a page finds its sheets, in their order."""
    if isinstance(staticfiles_storage, Gathered):
        return (staticfiles_storage.url(TOGETHER),)
    present = [name for name in FACES if finders.find(name)]
    return tuple(staticfiles_storage.url(name) for name in (*present, *OURS))
