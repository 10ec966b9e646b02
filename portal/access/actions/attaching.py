"""A PDF under a question: attached to a draft, replaced, taken back. What was sent once is kept."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from portal.access import form_spec
from portal.access.actions import moves
from portal.access.application_models import Application
from portal.access.attachment_models import LARGEST, AttachedBytes, Attachment
from portal.access.workflow import Verb
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Invalid
from portal.people.models import User

HEAD: Final = b"%PDF-"
TAIL: Final = b"%%EOF"


@transaction.atomic
def attach(*, by: User, application: Application, field: str, name: str, size: int, content: bytes) -> Application:
    """Keep a PDF under a question of one's draft; an earlier one that was never sent is forgotten.

    `size` is what the client sent, in bytes; of a file over the limit `content` may be less. Raises Invalid, with what
    to do, for anything but a PDF of at most 5 MiB.
    """
    locked = _open_question(application, by, field)
    _check(field, size, content)
    made = Attachment.objects.create(
        application=locked,
        field=field,
        name=_plain_name(name),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    AttachedBytes.objects.create(attachment=made, content=content)
    _answer(locked, field, {"id": str(made.pk), "name": made.name})
    trail.record(
        Event.FILE_ATTACHED, by=by, target=locked, lab=locked.gate.lab, field=field, sha256=made.sha256, size=made.size
    )
    return locked


@transaction.atomic
def detach(*, by: User, application: Application, field: str) -> Application:
    """Take the file under a question back."""
    locked = _open_question(application, by, field)
    _answer(locked, field, {})
    return locked


def _open_question(application: Application, by: User, field: str) -> Application:
    locked = moves.lock(application)
    moves.check(locked, Verb.SAVE_DRAFT, by)
    asked = {entry["name"] for entry in form_spec.fields(locked.gate.form_spec) if entry["type"] == "file"}
    if field not in asked:
        raise Invalid(_("The form asks for no such file."), fields={field: [_("The form asks for no such file.")]})
    return locked


def _answer(application: Application, field: str, value: dict[str, str]) -> None:
    """Write the answer, and forget files under this question that no submission and no answer names."""
    application.answers = {**application.answers, field: value}
    application.version += 1
    application.save(update_fields=["answers", "version", "updated_at"])
    named = [row.answers.get(field) or {} for row in application.submissions.all()] + [value]
    kept = [each["id"] for each in named if each]
    Attachment.objects.filter(application=application, field=field).exclude(pk__in=kept).delete()


def _check(field: str, size: int, content: bytes) -> None:
    if size > LARGEST:
        raise _refused(field, _("The file is larger than 5 MiB. Send a smaller PDF, for example without pictures."))
    if not content:
        raise _refused(field, _("The file is empty. Choose another."))
    if not content.startswith(HEAD) or TAIL not in content[-1024:]:
        raise _refused(field, _("This is not a whole PDF. Save the document as PDF and choose that file."))


def _refused(field: str, message: str) -> Invalid:
    return Invalid(message, fields={field: [message]})


def _plain_name(name: str) -> str:
    """The last part of a path, printable, and called what it is."""
    last = PurePosixPath(name.replace("\\", "/")).name
    stem = (
        "".join(char for char in last if char.isprintable() and char not in '"<>:|?*').removesuffix(".pdf").strip(". ")
    )
    return f"{stem[:100] or 'document'}.pdf"


@transaction.atomic
def record_reading(*, by: User, attachment: Attachment) -> None:
    """Put on the trail that staff read an applicant's file."""
    application = attachment.application
    trail.record(
        Event.FILE_READ,
        by=by,
        target=application,
        lab=application.gate.lab,
        field=attachment.field,
        sha256=attachment.sha256,
    )
