"""What the API takes and gives about grants, their renewals and their end."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from portal.access.api.shapes import WORDS, Person
from portal.access.gate_models import Capability
from portal.access.grant_list import MOST_DAYS, SHOWN
from portal.access.lifetime import RenewalStatus, State
from portal.access.lifetime_models import REPORT_LIMIT
from portal.api.fields import Choice, Taken


class RenewalShape(serializers.Serializer[Any]):
    """A renewal, with its report."""

    status = Choice(choices=[(each.value, each.value) for each in RenewalStatus])
    unchanged = serializers.BooleanField(help_text="There was nothing to report.")
    report = serializers.DictField(child=serializers.CharField(allow_blank=True), source="answers")
    ends_from = serializers.DateTimeField()
    ends_to = serializers.DateTimeField(allow_null=True)
    sent_at = serializers.DateTimeField()
    message = serializers.CharField(allow_blank=True)


class GrantRow(serializers.Serializer[Any]):
    """A grant in a list."""

    id = serializers.UUIDField()
    reference = serializers.CharField(help_text="What people call it: G-2026-1f0c9a7e.")
    gate = serializers.CharField(source="gate.full_name", help_text="`lab/gate`.")
    holder = Person(source="user")
    project = serializers.UUIDField(source="project_id")
    capabilities = serializers.ListField(child=Choice(choices=Capability.values))
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    state = Choice(choices=[(each.value, each.value) for each in State])
    reason = serializers.CharField(allow_blank=True, help_text="Why it is suspended or revoked.")
    deletion_due_at = serializers.DateTimeField(allow_null=True)
    closed_out_at = serializers.DateTimeField(allow_null=True)


class Attestation(serializers.Serializer[Any]):
    """The holder's word that every copy is deleted."""

    name = serializers.CharField(source="closed_out_name")
    statement = serializers.CharField(source="closed_out_statement")
    deleted_on = serializers.DateField()
    at = serializers.DateTimeField(source="closed_out_at")


class GrantWhole(GrantRow):
    """A grant with its renewals and the attestation."""

    attestation = Attestation(allow_null=True)
    renewals = RenewalShape(many=True)


class GrantFilters(Taken):
    """The filters of the grants' page."""

    show = Choice(choices=list(SHOWN), required=False, default="all")
    gate = serializers.SlugField(required=False, max_length=96)
    within = serializers.IntegerField(
        required=False, min_value=0, max_value=MOST_DAYS, help_text="Days in which the grant ends."
    )
    waits = Choice(
        choices=["renewal", "deletion"],
        required=False,
        help_text="For the lab's answer, or for an overdue attestation.",
    )
    q = serializers.CharField(required=False, max_length=120, help_text="A part of a name, address or project.")


class Reasoned(Taken):
    """Why; the holder reads it."""

    reason = serializers.CharField(max_length=WORDS)


class Told(Taken):
    """Words for the holder."""

    message = serializers.CharField(max_length=WORDS)


class Report(Taken):
    """A renewal's report."""

    publications = serializers.CharField(required=False, allow_blank=True, default="", max_length=REPORT_LIMIT)
    use_summary = serializers.CharField(required=False, allow_blank=True, default="", max_length=REPORT_LIMIT)
    incidents = serializers.CharField(required=False, allow_blank=True, default="", max_length=REPORT_LIMIT)
    changes = serializers.CharField(required=False, allow_blank=True, default="", max_length=REPORT_LIMIT)


class Renewed(Taken):
    """A renewal; without a report it says that there is nothing to report."""

    report = Report(required=False, default=dict)


class Attested(Taken):
    """That every copy is deleted."""

    typed_name = serializers.CharField(max_length=200, help_text="As it stands in the account.")
    statement = serializers.CharField(max_length=WORDS)
    deleted_on = serializers.DateField()
