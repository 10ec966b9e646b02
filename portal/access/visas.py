"""GA4GH Passports: what a person may use here, said in visas that other portals can check.

A visa is a ControlledAccessGrants of GA4GH Passport 1.2, signed as a Visa Document Token (its key is found by `jku`;
AAI 1.2): one for each published model behind each active grant that opens downloads. A visa cannot be called back, so
none lives longer than an hour, nor than the grant or its date of grace: who needs to know whether a right still holds
asks again, and a grant that was revoked gives no visa any more.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings

from portal import signing
from portal.access import behind
from portal.access.gate_models import Capability
from portal.access.models import Grant
from portal.people.models import User

LIFE: Final = timedelta(hours=1)
JWKS_PATH: Final = "/.well-known/jwks.json"
VISA: Final = "vnd.ga4gh.visa+jwt"
PASSPORT: Final = "vnd.ga4gh.passport+jwt"


def passport(person: User, now: datetime) -> dict[str, Any]:
    """`ga4gh_passport_v1` is the list of visas, as a UserInfo answer has it; `passport` is the token that carries them.

    Raises Unavailable where the operator has set no signing key.
    """
    visas = _visas(person, now)
    claims = {**_claims(person, now, now + LIFE), "ga4gh_passport_v1": visas}
    carried = signing.token(claims, kind=PASSPORT)
    return {"iss": settings.BASE_URL, "sub": str(person.pk), "ga4gh_passport_v1": visas, "passport": carried}


def _visas(person: User, now: datetime) -> list[str]:
    """Three queries, however many grants there are."""
    held = Grant.objects.active(now).filter(user=person, capabilities__contains=[Capability.DOWNLOAD])
    grants = list(held.with_not_after(now).select_related("gate__lab", "application").order_by("starts_at", "pk"))
    paths = behind.paths(grant.gate_id for grant in grants)
    return [_visa(person, grant, path, now) for grant in grants for path in paths.get(grant.gate_id, ())]


def _visa(person: User, grant: Grant, path: str, now: datetime) -> str:
    application = grant.application
    asserted = (application.decided_at if application else None) or grant.starts_at
    said = {
        "type": "ControlledAccessGrants",
        "asserted": int(asserted.timestamp()),
        "value": f"{settings.BASE_URL}{path}",
        "source": grant.gate.lab.site or settings.BASE_URL,
        "by": "system" if application and application.decided_rules else "dac",
    }
    claims = {**_claims(person, now, min(now + LIFE, grant.not_after)), "ga4gh_visa_v1": said}
    return signing.token(claims, kind=VISA, headers={"jku": f"{settings.BASE_URL}{JWKS_PATH}"})


def _claims(person: User, now: datetime, until: datetime) -> dict[str, Any]:
    return {
        "iss": settings.BASE_URL,
        "sub": str(person.pk),
        "iat": int(now.timestamp()),
        "exp": int(until.timestamp()),
        "jti": str(uuid.uuid4()),
    }
