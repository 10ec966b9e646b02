"""What stands in the tree for a large file: its git-lfs pointer, a text of three lines."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from releases import git
from releases.blobs import span_of
from releases.models import File


def pointer(request: HttpRequest, file: File) -> HttpResponse:
    """The pointer, or the range of it that is asked for: the JavaScript client learns every file's size by asking for one byte."""
    content, etag = git.pointer(file.sha256, file.size), f'"{file.sha1}"'
    span = span_of({"range": request.headers.get("Range", "")}, len(content), etag)
    if span is None:
        answer = HttpResponse("The range lies outside the file.", status=416, content_type="text/plain; charset=utf-8")
        answer["Content-Range"] = f"bytes */{len(content)}"
        return answer
    answer = HttpResponse(content[span.start : span.end], content_type="text/plain; charset=utf-8")
    if span.partial:
        answer.status_code = 206
        answer["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{len(content)}"
    answer["Accept-Ranges"], answer["ETag"], answer["X-Repo-Commit"] = "bytes", etag, file.revision.commit
    return answer
