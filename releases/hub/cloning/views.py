"""The two doors of a clone. Each file that is read is entered in the ledger."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, cast

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase

from portal.errors import (
    BadToken,
    Invalid,
    NotAllowed,
    NotFound,
    NotSignedIn,
    TooLarge,
    TooMany,
    Unavailable,
    WeighbridgeError,
)
from portal.http import say_when, status_of
from releases import downloads, lookup
from releases.hub.bodies import read_bytes
from releases.hub.cloning import asked as questions
from releases.hub.cloning import contents, history, pack, packets, terms
from releases.hub.doors import Asker, door, model_named
from releases.hub.limits import Bucket
from releases.models import File, Model

MESSAGE_MAX: Final = 1 << 20
"""Bytes of one message of a client: twenty thousand commits that it has."""
_IN_MEMORY: Final = 4 << 20
_GZIP: Final = 31
"""What zlib calls a gzip header with the largest window."""
_AGENT: Final = "agent=weighbridge"


def plain(error: WeighbridgeError, *, signed_in: bool, gate: bool) -> HttpResponse:
    """A refusal that git shows after the word `remote`; after a 401 it asks for a name and a password."""
    answer = HttpResponse(f"{error.message}\n", status=status_of(error), content_type="text/plain; charset=utf-8")
    if isinstance(error, BadToken | NotSignedIn):
        answer["WWW-Authenticate"] = 'Basic realm="any name; as password an access token"'
    say_when(answer, error)
    return answer


def spoken(error: WeighbridgeError, *, signed_in: bool, gate: bool) -> HttpResponse:
    """What passes by itself is said within the protocol: of another status git shows nothing but its number here."""
    if isinstance(error, TooMany | Unavailable):
        return _result(packets.packet(f"ERR {error.message}"))
    return plain(error, signed_in=signed_in, gate=gate)


@door("GET", bucket=Bucket.RESOLVERS, basic=True, refusal=plain)
def refs(request: HttpRequest, who: Asker, namespace: str, name: str) -> HttpResponse:
    """What may be cloned: `main`, branches and tags on published revisions, and where the history has gaps."""
    model = model_named(namespace, name, who)
    if request.GET.get("service") == "git-receive-pack":
        told = f"Nothing is pushed to this hub with git. Publish with hf upload: {settings.BASE_URL}/help/"
        raise NotAllowed(told, code="no_push")
    found = _history(model, who)
    first, *rest = (f"{to} {ref}" for ref, to in found.refs.items())
    lines = [
        f"{first}\0{questions.CAPABILITIES} {_AGENT}",
        *rest,
        *(f"shallow {name}" for name in sorted(found.beginnings)),
    ]
    body = (
        packets.packet("# service=git-upload-pack")
        + packets.FLUSH
        + b"".join(map(packets.packet, lines))
        + packets.FLUSH
    )
    answer = HttpResponse(body, content_type="application/x-git-upload-pack-advertisement")
    answer["Cache-Control"] = "no-cache"
    return answer


@door("POST", bucket=Bucket.RESOLVERS, basic=True, refusal=spoken)
def upload_pack(request: HttpRequest, who: Asker, namespace: str, name: str) -> HttpResponseBase:
    """The objects that a client lacks (git-upload-pack). What is wrong with its question is said within the protocol."""
    found = _history(model_named(namespace, name, who), who)
    try:
        asked = questions.parse(_message(request))
        answer = questions.answer(asked, found)
        said = answer.said(asked)
        if not asked.done:
            return _result(said)
        wanted = contents.of(found, answer.commits, answer.common)
        terms.count(request, who, len(wanted.files))
        return _packed(said, wanted, partial(_read, request, who))
    except WeighbridgeError as error:
        return _result(packets.packet(f"ERR {error.message}"))


def _history(model: Model, who: Asker) -> history.History:
    terms.allowed(model, who)
    return history.of(model)


def _read(request: HttpRequest, who: Asker, keys: list[int]) -> Iterator[bytes]:
    """The contents of these files, each once its row of the ledger is committed."""
    found = lookup.straight_of(File.objects.filter(pk__in=keys), person=who.person, now=who.now)
    by_key = {each.file.pk: each for each in found}
    for key in keys:
        if key not in by_key:
            raise NotFound("A file was taken away meanwhile. Clone again.", code="no_file")
        yield downloads.read(**terms.of(request, who, by_key[key]))


def _message(request: HttpRequest) -> bytes:
    """The body, which git compresses where it is long. Raises Invalid, TooLarge."""
    body = read_bytes(request, MESSAGE_MAX)
    if request.headers.get("Content-Encoding") != "gzip":
        return body
    try:
        body = zlib.decompressobj(wbits=_GZIP).decompress(body, MESSAGE_MAX + 1)
    except zlib.error as fault:
        raise Invalid("The message is not what its Content-Encoding says.") from fault
    if len(body) > MESSAGE_MAX:
        raise TooLarge("This clone has more commits than one message tells. Clone anew.")
    return body


def _result(content: bytes) -> HttpResponse:
    answer = HttpResponse(content, content_type="application/x-git-upload-pack-result")
    answer["Cache-Control"] = "no-cache"
    return answer


def _packed(said: bytes, found: contents.Contents, read: contents.Read) -> FileResponse:
    """The whole pack, put together before the first byte leaves: what cannot be read is said, and breaks nothing off."""
    held = cast("BinaryIO", SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 the response closes it
    try:
        held.write(said)
        pack.write(held, found.count, found.objects(read))
    except BaseException:
        held.close()
        raise
    size = held.tell()
    held.seek(0)
    answer = FileResponse(held, content_type="application/x-git-upload-pack-result")
    answer["Content-Length"] = str(size)
    answer["Cache-Control"] = "no-cache"
    return answer
