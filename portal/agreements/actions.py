"""The writers of agreements, versions and signatures."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from portal import signing
from portal.agreements import receipts
from portal.agreements.models import Agreement, ChangeClass, Signature, Version, canonical, text_digest
from portal.agreements.signals import version_published
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.people.models import Lab, Role, User

TEXT_LIMIT: Final = 100_000
POINTS_LIMIT: Final = 12
POINT_LIMIT: Final = 300
LONGEST_GRACE: Final = timedelta(days=366)


def require_manager(user: User, lab: Lab) -> None:
    """Raise NotAllowed unless the person manages or administers the lab today."""
    if user.roles_in(lab).isdisjoint({Role.MANAGER, Role.ADMINISTRATOR}):
        raise NotAllowed(_("Only a release manager or administrator of %(name)s may do this.") % {"name": lab.name})


@transaction.atomic
def create_agreement(*, by: User, lab: Lab, slug: str, title: str) -> Agreement:
    """A new agreement without a text. Raises Invalid when the lab has one of this slug."""
    if not by.roles_in(lab):
        raise NotFound(_("There is no such lab."))
    require_manager(by, lab)
    if slug == "new" or Agreement.objects.filter(lab=lab, slug=slug).exists():
        raise Invalid(_("This lab has an agreement of that name."), fields={"slug": [_("Taken.")]})
    agreement = Agreement(lab=lab, slug=slug, title=title)
    agreement.full_clean()
    agreement.save(force_insert=True)
    trail.record(Event.AGREEMENT_CREATED, by=by, target=agreement, lab=lab)
    return agreement


@transaction.atomic
def save_draft(
    *,
    by: User,
    agreement: Agreement,
    text: str,
    points: Sequence[str] = (),
    change_class: ChangeClass = ChangeClass.BLOCKING,
    grace_ends_at: datetime | None = None,
    content_logging: bool = False,
    expected: int,
) -> Version:
    """Keep the next version as a draft. `expected` is the agreement's `edits` when it was read.

    Raises Conflict (`stale`) when somebody saved, discarded or published a draft since, Invalid field by field.
    """
    locked = _locked(agreement, by, expected)
    draft = locked.draft() or Version(agreement=locked, number=_next_number(locked))
    points = [point.strip() for point in points if point.strip()]
    _check(text, points, change_class, grace_ends_at, timezone.now())
    draft.text, draft.sha256, draft.points = canonical(text), text_digest(text), points
    draft.change_class, draft.grace_ends_at, draft.content_logging = change_class, grace_ends_at, content_logging
    draft.edited_at, draft.edited_by = timezone.now(), by
    draft.save()
    _changed(Event.AGREEMENT_VERSION_DRAFTED, by, draft, sha256=draft.sha256)
    return draft


@transaction.atomic
def discard_draft(*, by: User, agreement: Agreement, expected: int) -> None:
    """Throw the draft away. Raises Conflict when there is none, or not the one that was read."""
    draft = _drafted(_locked(agreement, by, expected))
    _changed(Event.AGREEMENT_VERSION_DISCARDED, by, draft)
    draft.delete()


@transaction.atomic
def publish_draft(*, by: User, agreement: Agreement, expected: int) -> Version:
    """Publish the draft as it was read; from then on it never changes.

    Raises Conflict when there is none or not that one, and Invalid when it asks for signatures under an unchanged text.
    """
    locked, now = _locked(agreement, by, expected), timezone.now()
    draft = _drafted(locked)
    _check(draft.text, draft.points, ChangeClass(draft.change_class), draft.grace_ends_at, now)
    _check_change(locked.current(now), draft)
    draft.published_at, draft.published_by = now, by
    draft.save()
    facts: dict[str, Any] = {"change_class": str(draft.change_class), "content_logging": draft.content_logging}
    _changed(Event.AGREEMENT_VERSION_PUBLISHED, by, draft, sha256=draft.sha256, **facts)
    version_published.send(Agreement, version=draft, by=by)
    return draft


@transaction.atomic
def publish_version(
    *,
    by: User,
    agreement: Agreement,
    text: str,
    points: Sequence[str] = (),
    change_class: ChangeClass = ChangeClass.BLOCKING,
    grace_ends_at: datetime | None = None,
    content_logging: bool = False,
) -> Version:
    """Draft and publish in one step, for commands. Raises Conflict when somebody is writing a draft."""
    locked = _locked(agreement, by)
    if locked.draft():
        raise Conflict(
            _("Somebody is writing the next version. Publish or discard that draft first."), code="draft_exists"
        )
    draft = save_draft(
        by=by, agreement=locked, text=text, points=points,
        change_class=change_class, grace_ends_at=grace_ends_at, content_logging=content_logging, expected=locked.edits,
    )  # fmt: skip
    return publish_draft(by=by, agreement=locked, expected=draft.agreement.edits)


def _locked(agreement: Agreement, by: User, expected: int | None = None) -> Agreement:
    """The agreement, locked: two who write its versions at once wait for one another here."""
    locked = Agreement.objects.select_for_update(of=("self",)).select_related("lab").get(pk=agreement.pk)
    if not by.roles_in(locked.lab):
        raise NotFound(_("There is no such agreement."))
    require_manager(by, locked.lab)
    if expected is not None and locked.edits != expected:
        raise Conflict(_("Somebody saved, discarded or published a draft since you opened it. Compare."), code="stale")
    return locked


def _drafted(agreement: Agreement) -> Version:
    draft = agreement.draft()
    if draft is None:
        raise Conflict(_("There is no draft. Write one first."), code="no_draft")
    return draft


def _next_number(agreement: Agreement) -> int:
    newest = agreement.versions.order_by("-number").first()
    return newest.number + 1 if newest else 1


def _check_change(current: Version | None, draft: Version) -> None:
    """What a change asks must fit what changed: nobody signs the same thing twice, and nobody is logged unasked."""
    if current is None:
        return
    editorial = draft.change_class == ChangeClass.EDITORIAL
    message = ""
    if current.content_logging != draft.content_logging:
        if editorial:
            message = _("Content logging changes what people agree to. Choose “notice” or “blocking”.")
    elif current.sha256 == draft.sha256 and not editorial:
        message = _("The text is the same as before, so nobody has to sign again. Choose “editorial”.")
    if message:
        raise Invalid(message, fields={"change_class": [message]})


def _changed(event: Event, by: User, version: Version, **facts: Any) -> None:
    agreement = version.agreement
    agreement.edits += 1
    agreement.save(update_fields=["edits"])
    data = {"agreement": agreement.slug, "number": version.number, **facts}
    trail.record(event, by=by, target=version, lab=agreement.lab, **data)


def _check(
    text: str, points: Sequence[str], change_class: ChangeClass, grace_ends_at: datetime | None, now: datetime
) -> None:
    fields: dict[str, list[str]] = {}
    if not text.strip():
        fields["text"] = [_("An agreement needs a text. Write it.")]
    elif len(text) > TEXT_LIMIT:
        fields["text"] = [
            _("Use at most %(limit)s characters; this text has %(count)s.")
            % {
                "limit": number_format(TEXT_LIMIT, force_grouping=True),
                "count": number_format(len(text), force_grouping=True),
            }
        ]
    if len(points) > POINTS_LIMIT or any(len(point) > POINT_LIMIT for point in points):
        fields["points"] = [
            _("Use at most %(points)s points of %(characters)s characters: a summary, not the text.")
            % {"points": POINTS_LIMIT, "characters": POINT_LIMIT}
        ]
    if (change_class == ChangeClass.NOTICE) != (grace_ends_at is not None):
        fields["grace_ends_at"] = [_("A date of grace goes with the class “notice”, and only with it.")]
    elif grace_ends_at is not None and not now < grace_ends_at < now + LONGEST_GRACE:
        fields["grace_ends_at"] = [_("Choose a date to come, within %(days)s days.") % {"days": LONGEST_GRACE.days}]
    if fields:
        raise Invalid(next(iter(fields.values()))[0], fields=fields)


def same_name(typed: str, known: str) -> bool:
    """Whether a typed name is the account's, whatever its case and spaces, and however its accents are encoded."""
    return bool(known.strip()) and _folded(typed) == _folded(known)


def _folded(name: str) -> list[str]:
    """The words of a name in the form in which Unicode compares them: one keyboard's “é” is another's “e” and accent."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold()).split()


def hold(agreement: int) -> Agreement:
    """The agreement of this id, locked: who signs its text waits here for one another, and holds all else before."""
    return Agreement.objects.select_for_update(of=("self",)).select_related("lab").get(pk=agreement)


@transaction.atomic
def sign(
    *,
    by: User,
    version: Version,
    typed_name: str,
    capacity: str,
    text_sha256: str,
    application: str = "",
    particulars: dict[str, Any] | None = None,
) -> Signature:
    """Sign the current version. `text_sha256` is of the text that was read; `particulars` is what the receipt adds.

    Raises Conflict when another text is current by now, Invalid when the name is not the account's or the capacity
    is missing.
    """
    agreement = hold(version.agreement_id)
    current = agreement.current()
    if current is None or current.pk != version.pk or text_sha256 != current.sha256:
        raise Conflict(_("The agreement has a newer text. Read it, then sign."), code="text_changed")
    _check_signer(by, typed_name, capacity)
    signed_at, receipt_id = timezone.now(), uuid.uuid4()
    document = {
        **(particulars or {}),
        "format": receipts.FORMAT,
        "receipt": str(receipt_id),
        "lab": agreement.lab.name,
        "agreement": agreement.title,
        "version": current.number,
        "text_sha256": current.sha256,
        **({"content_logging": True} if current.content_logging else {}),
        "signed_by": " ".join(typed_name.split()),
        "capacity": capacity.strip(),
        "signed_at": signed_at.isoformat(timespec="seconds"),
    }
    key_id, seal = signing.seal(document)
    signature = Signature.objects.create(
        version=current,
        user=by,
        application=application,
        typed_name=document["signed_by"],
        capacity=document["capacity"],
        text_sha256=current.sha256,
        signed_at=signed_at,
        receipt_id=receipt_id,
        document=document,
        document_sha256=signing.digest(document),
        key_id=key_id,
        seal=seal,
    )
    facts = {"version": current.number, "sha256": current.sha256, "receipt": str(receipt_id)}
    trail.record(Event.AGREEMENT_SIGNED, by=by, target=signature, lab=agreement.lab, agreement=agreement.slug, **facts)
    return signature


def _check_signer(by: User, typed_name: str, capacity: str) -> None:
    fields: dict[str, list[str]] = {}
    if not same_name(typed_name, by.name):
        fields["typed_name"] = [_("Type your name as it stands in your account: %(name)s.") % {"name": by.name}]
    if not capacity.strip():
        fields["capacity"] = [_("Say in what capacity you sign, for instance: for myself, doctoral student.")]
    elif len(capacity) > 300:
        fields["capacity"] = [_("Use at most 300 characters.")]
    if fields:
        raise Invalid(_("The signature is not complete."), fields=fields)
