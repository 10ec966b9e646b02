"""A revision's proofs are fixed as it is published; a lab's own keys and signatures come beside the portal's."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import signing
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed
from portal.people.models import Lab, Role, User
from releases.actions.rights import require_open, require_staff
from releases.models import Revision
from releases.proof_models import ModelSignature, SigningKey
from releases.proofs import bom, documents, signature

PORTAL_KEY = "The portal's key"


def prove(*, revision: Revision) -> None:
    """Fix what the documents of a revision say, and sign its files with the portal's key, where one is set.

    Part of publishing, in its transaction. Raises Conflict where a file was checked before digests of tensors were taken.
    """
    if revision.files.filter(blob__proof=None).exists():
        why = _("Revision %(commit)s was checked without proofs. Have it checked again.")
        raise Conflict(why % {"commit": revision.commit[:8]})
    told = documents.publication(revision)
    told.described = bom.described(revision)
    told.save(force_insert=True)
    key = signature.portal_key()
    if key is None:
        return
    body = signing.canonical(documents.release(revision))
    payload = signature.statement(told.model, files_of(revision), release_sha256=hashlib.sha256(body).hexdigest())
    pem = signature.pem_of(key.public_key())
    own, _new = SigningKey.objects.get_or_create(
        lab=None, fingerprint=signature.fingerprint(pem), defaults={"name": PORTAL_KEY, "pem": pem}
    )
    ModelSignature.objects.create(revision=revision, key=own, bundle=signature.sign(payload, key))


@transaction.atomic
def add_signature(*, revision: Revision, bundle: bytes, by: User) -> ModelSignature:
    """Take a signature that the lab made with a key of its own, once it is verified; from now on it is the one served.

    Raises Invalid where it is not over exactly these files, or by no key of the lab that holds today, Conflict where that key signed it.
    """
    require_open()
    locked = Revision.objects.select_for_update(of=("self",)).select_related("model__lab").get(pk=revision.pk)
    require_staff(by, locked.model.lab)
    told = signature.read(bundle)
    key = SigningKey.objects.valid().filter(lab=locked.model.lab, fingerprint=told.fingerprint).first()
    if key is None:
        raise Invalid(
            _(
                "The lab has no key that holds today with the fingerprint %(start)s…. Ask an administrator to register it."
            )
            % {"start": told.fingerprint[:16]}
        )
    signature.verify(told, key.pem)
    signature.covers(told, files_of(locked))
    if ModelSignature.objects.filter(revision=locked, key=key).exists():
        raise Conflict(_("This revision carries a signature by that key already."))
    made = ModelSignature.objects.create(revision=locked, key=key, bundle=bundle.decode(), by=by)
    _note(Event.MODEL_SIGNATURE_ADDED, by, key, model=locked.model.full_name, commit=locked.commit)
    return made


@transaction.atomic
def add_key(
    *, lab: Lab, name: str, pem: str, by: User, starts_at: datetime | None = None, ends_at: datetime | None = None
) -> SigningKey:
    """Register a public key that the lab signs with. Raises Invalid, field by field."""
    _require_administrator(by, lab)
    problems: dict[str, list[str]] = {}
    try:
        key = signature.read_pem(pem)
    except Invalid as fault:
        problems["pem"] = [fault.message]
    if not name.strip():
        problems["name"] = [_("Give the key a name, so that people can tell it from the next one.")]
    starts_at = starts_at or timezone.now()
    if ends_at and ends_at <= starts_at:
        problems["ends_at"] = [_("A key ends after it begins.")]
    if problems:
        raise Invalid(_("The key was not registered."), fields=problems)
    made, new = SigningKey.objects.get_or_create(
        lab=lab, fingerprint=signature.fingerprint(key),
        defaults={"name": name.strip()[:80], "pem": key, "starts_at": starts_at, "ends_at": ends_at},
    )  # fmt: skip
    if not new:
        raise Invalid(_("The key was not registered."), fields={"pem": [_("The lab has registered this key already.")]})
    _note(Event.SIGNING_KEY_ADDED, by, made)
    return made


@transaction.atomic
def retire_key(*, key: SigningKey, by: User) -> SigningKey:
    """Take no more signatures by this key; those it made before stay. Nothing happens when it is retired already.

    Raises NotAllowed for the portal's own key, and to whoever does not administer the lab.
    """
    locked = SigningKey.objects.select_for_update(of=("self",)).select_related("lab").get(pk=key.pk)
    if locked.lab is None:
        raise NotAllowed(_("The portal's own key is changed by its operator."), code="not_staff")
    _require_administrator(by, locked.lab)
    now = timezone.now()
    if locked.ends_at and locked.ends_at <= now:
        return locked
    locked.ends_at = max(now, locked.starts_at)
    locked.save(update_fields=["ends_at"])
    _note(Event.SIGNING_KEY_RETIRED, by, locked)
    return locked


def files_of(revision: Revision) -> dict[str, str]:
    """Path → SHA-256 of every file: what a signature covers."""
    return dict(revision.files.values_list("path", "blob_id"))


def _require_administrator(by: User, lab: Lab) -> None:
    if Role.ADMINISTRATOR not in by.roles_in(lab):
        raise NotAllowed(_("Only an administrator of %(lab)s may do this.") % {"lab": lab.slug}, code="not_staff")


def _note(event: Event, by: User, key: SigningKey, **data: str) -> None:
    trail.record(event, by=by, target=key, lab=key.lab, name=key.name, fingerprint=key.fingerprint, **data)
