"""What the API takes and gives about institutional agreements, their rosters and seats."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from portal.access.api.named_shapes import TextShape
from portal.access.api.shapes import COUNTER, WORDS, Person
from portal.access.gate_models import Capability
from portal.access.institutional import MOST_DAYS, MOST_SEATS, Line, Status
from portal.access.roster import MOST_LINES
from portal.access.views.institutional_lab import SHOWN
from portal.api.fields import Choice, Taken


class InstitutionalRow(serializers.Serializer[Any]):
    """An institutional agreement in a list."""

    id = serializers.UUIDField()
    reference = serializers.CharField(help_text="What people call it: I-2026-1f0c9a7e.")
    gate = serializers.CharField(source="gate.full_name", help_text="`lab/gate`.")
    institution = serializers.CharField(source="institution.name")
    ror = serializers.CharField(source="institution.ror")
    official = Person()
    office = serializers.CharField(help_text="What the official is at the institution.")
    official_active = serializers.BooleanField(
        source="official.is_active", help_text="Whether the official can sign in. If not, name another."
    )
    state = Choice(choices=[(each.value, each.value) for each in Status])
    capabilities = serializers.ListField(child=Choice(choices=Capability.values))
    seats = serializers.IntegerField()
    taken = serializers.IntegerField(help_text="Seats that somebody holds.")
    days = serializers.IntegerField(help_text="The period, from the official's signature on.")
    asked_at = serializers.DateTimeField()
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    attest_by = serializers.DateTimeField(allow_null=True, help_text="By when the roster is to be confirmed next.")
    lapses_at = serializers.DateTimeField(allow_null=True, help_text="When the seats stop without that.")
    version = serializers.IntegerField(help_text="Raised by every change of the roster; confirm the one that was read.")


class RosterAttestationShape(serializers.Serializer[Any]):
    """The official's word that the roster was right."""

    by = Person()
    at = serializers.DateTimeField()
    seated = serializers.IntegerField()


class InstitutionalWhole(InstitutionalRow):
    """One institutional agreement."""

    purpose = serializers.CharField(allow_blank=True)
    message = serializers.CharField(allow_blank=True, help_text="The lab's last words to the official.")
    to_sign = serializers.BooleanField(help_text="Whether a text waits for the official's signature.")
    to_attest = serializers.BooleanField(help_text="Whether the roster can be confirmed now.")
    agreement = TextShape(source="gate.agreement.current", allow_null=True, help_text="What the official signs.")
    receipt = serializers.UUIDField(source="signature.receipt_id", allow_null=True, default=None)
    attestations = RosterAttestationShape(many=True)


class Filters(Taken):
    """Which agreements."""

    show = Choice(choices=list(SHOWN), required=False, default="all")


class Terms(Taken):
    """How many seats, and for how long."""

    seats = serializers.IntegerField(min_value=1, max_value=MOST_SEATS)
    days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS)


class InstitutionalAsked(Terms):
    """An official's short application."""

    office = serializers.CharField(max_length=120, help_text="What lets you sign for the institution.")
    purpose = serializers.CharField(max_length=WORDS, help_text="Who would use it, and for what.")


class InstitutionalOffered(Terms):
    """What a manager offers, to whom."""

    gate = serializers.SlugField(max_length=96, help_text="A gate of one's labs.")
    address = serializers.EmailField(help_text="The address that the official signs in with.")
    office = serializers.CharField(max_length=120, help_text="What the official is there.")


class OfficialNamed(Taken):
    """Who signs for the institution from now on."""

    address = serializers.EmailField(help_text="The address that the new official signs in with.")
    office = serializers.CharField(max_length=120, help_text="What the official is there.")


class NameSigned(Taken):
    """A signature whose capacity is known."""

    typed_name = serializers.CharField(max_length=200, help_text="As it stands in the account.")
    text_sha256 = serializers.RegexField("^[0-9a-f]{64}$", help_text="Of the text that was read.")


class Invited(Taken):
    """Whom to invite to seats."""

    addresses = serializers.ListField(child=serializers.CharField(max_length=320), min_length=1, max_length=MOST_LINES)


class LineShape(serializers.Serializer[Any]):
    """One person on the roster."""

    id = serializers.IntegerField()
    address = serializers.CharField()
    name = serializers.CharField(source="user.get_full_name", allow_null=True, default=None)
    status = Choice(choices=[(each.value, each.value) for each in Line])
    since = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Until when the invitation's link works.")
    grant = serializers.UUIDField(source="grant_id", allow_null=True)


class RefusedLine(serializers.Serializer[Any]):
    """An address that was not invited."""

    address = serializers.CharField(source="text")
    problem = serializers.CharField()


class InvitedShape(serializers.Serializer[Any]):
    """Who is invited, and who is not."""

    invited = LineShape(many=True)
    refused = RefusedLine(many=True)


class RosterFilters(Taken):
    """Which lines."""

    q = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=120, help_text="A part of a name or address."
    )
    gone = serializers.BooleanField(required=False, default=False, help_text="The past ones instead.")


class RosterSeen(Taken):
    """The roster that was read."""

    version = serializers.IntegerField(min_value=1, max_value=COUNTER, help_text="Of the agreement that was read.")


class SeatInvitation(serializers.Serializer[Any]):
    """What somebody who is invited to a seat is told."""

    institution = serializers.CharField(source="agreement.institution.name")
    official = serializers.CharField(source="agreement.official.get_full_name")
    gate = serializers.CharField(source="agreement.gate.full_name", help_text="`lab/gate`.")
    undertaking = serializers.CharField(help_text="The words that one accepts.")
    agreement = TextShape(source="agreement.gate.agreement.current", allow_null=True, help_text="What one signs.")
    expires_at = serializers.DateTimeField()
