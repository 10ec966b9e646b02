"""A body that is a file's bytes: it goes to the disk as it comes, so that no memory grows with it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from typing import IO, Any, Final

from rest_framework.parsers import BaseParser

FILE_TYPE: Final = "application/octet-stream"
_CHUNK: Final = 1 << 20


class Sent(dict[str, Any]):
    """What is known of a file that came, `sha256` and `size` (bytes), and the file itself, at its beginning.

    As a mapping it stands for the body wherever that is compared (portal.api.idempotency).
    """

    file: IO[bytes]


class FileBody(BaseParser):
    """Takes the bytes into a nameless file that goes with the request. Its size was looked at before (Operation.most)."""

    media_type = FILE_TYPE

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Sent:
        """The file, at its beginning."""
        digest, size = hashlib.sha256(), 0
        file = tempfile.TemporaryFile()  # noqa: SIM115 closed with the last word of it
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
        file.seek(0)
        sent = Sent(sha256=digest.hexdigest(), size=size)
        sent.file = file
        return sent
