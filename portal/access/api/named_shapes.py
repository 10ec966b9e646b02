"""What the API takes and gives about people whom an applicant names: members of a team, and referees."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from portal.access.actions.refereeing import RELATION_LIMIT
from portal.access.mailed_links import NAME_LIMIT
from portal.access.members import MemberStatus, MemberVerb
from portal.access.referee_models import COMMENT_LIMIT, Confirmer
from portal.access.referees import ANSWERS, RefereeStatus, RefereeVerb
from portal.api.fields import Choice, Taken


class TextShape(serializers.Serializer[Any]):
    """A version of an agreement as one signs it."""

    version = serializers.IntegerField(source="number")
    text = serializers.CharField()
    text_sha256 = serializers.CharField(source="sha256", help_text="Send it back with the signature.")


class Named(Taken):
    """Somebody, and where a mail reaches them."""

    name = serializers.CharField(max_length=NAME_LIMIT)
    email = serializers.EmailField()


class RefereeNamed(Named):
    """Somebody who confirms."""

    relation = serializers.CharField(max_length=RELATION_LIMIT, help_text="How they know the applicant. They read it.")


class NamedShape(serializers.Serializer[Any]):
    """Somebody whom the applicant has named."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    email = serializers.EmailField()
    sent_at = serializers.DateTimeField(help_text="When the last mail left.")
    reminders = serializers.IntegerField(help_text="Those that the applicant asked for.")
    ended_at = serializers.DateTimeField(allow_null=True)


class MemberShape(NamedShape):
    """A member of a team."""

    status = Choice(choices=[each.value for each in MemberStatus])
    can = serializers.ListField(
        child=Choice(choices=[each.value for each in MemberVerb]), source="lead_may", help_text="What the lead may do."
    )
    accepted_at = serializers.DateTimeField(allow_null=True)
    grant = serializers.UUIDField(source="grant_id", allow_null=True)


class RefereeShape(NamedShape):
    """A referee, as the applicant sees them: without what they said."""

    relation = serializers.CharField()
    status = Choice(choices=[each.value for each in RefereeStatus])
    can = serializers.ListField(
        child=Choice(choices=[each.value for each in RefereeVerb]),
        source="applicant_may",
        help_text="What the applicant may do.",
    )
    expires_at = serializers.DateTimeField(help_text="Until when they can answer.")


class ConfirmationRow(serializers.Serializer[Any]):
    """A referee, as the lab's reviewers see them."""

    name = serializers.CharField()
    email = serializers.EmailField()
    relation = serializers.CharField()
    status = Choice(choices=[each.value for each in RefereeStatus])
    comment = serializers.CharField(allow_blank=True)
    evidence = serializers.CharField(help_text="What the address says about who has it.")


class WaiverShape(serializers.Serializer[Any]):
    """A reviewer's word to go on without confirmations."""

    by = serializers.CharField(source="by.get_full_name")
    at = serializers.DateTimeField()
    reason = serializers.CharField()


class ConfirmationsShape(serializers.Serializer[Any]):
    """How far an application is confirmed."""

    needed = serializers.IntegerField()
    given = serializers.IntegerField()
    complete = serializers.BooleanField(help_text="Whether reviewers may approve.")
    referees = ConfirmationRow(many=True)
    waiver = WaiverShape(allow_null=True)


class InvitationShape(serializers.Serializer[Any]):
    """What an invited person is told: nothing that was answered."""

    name = serializers.CharField(help_text="To whom the invitation went.")
    lead = serializers.CharField(source="application.lead.get_full_name")
    gate = serializers.CharField(source="application.gate.full_name", help_text="`lab/gate`.")
    title = serializers.CharField(source="application.gate.title")
    agreement = TextShape(source="application.gate.agreement.current", allow_null=True, help_text="What one signs.")


class RequestShape(serializers.Serializer[Any]):
    """What a referee is told: nothing that was answered."""

    name = serializers.CharField(help_text="To whom the mail went.")
    applicant = serializers.CharField(source="application.applicant.get_full_name")
    relation = serializers.CharField(help_text="How they know the applicant, as the applicant says.")
    gate = serializers.CharField(source="application.gate.full_name", help_text="`lab/gate`.")
    title = serializers.CharField(source="application.gate.title")
    confirmer = Choice(
        choices=Confirmer.values, source="application.gate.confirmer", help_text="What the lab calls you."
    )
    expires_at = serializers.DateTimeField()


class Answer(Taken):
    """A referee's answer."""

    answer = Choice(choices=[each.value for each in ANSWERS], help_text="`disown`: I do not know this person.")
    comment = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=COMMENT_LIMIT,
        help_text="Only the lab's reviewers read it.",
    )
