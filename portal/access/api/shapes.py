"""What the API of access takes and gives."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers

from portal.access.actions.desk import BATCH_LIMIT
from portal.access.application_models import Change, Decline, Lane
from portal.access.desk_models import Found
from portal.access.gate_models import Capability
from portal.access.queue import SHOWN
from portal.access.referee_models import COMMENT_LIMIT
from portal.access.workflow import Status
from portal.api.fields import Choice, Taken

WORDS: Final = 4_000
COUNTER: Final = 2_000_000_000
"""More than anything is ever counted to."""


class Person(serializers.Serializer[Any]):
    """Somebody, as the lab's staff sees them."""

    id = serializers.UUIDField()
    name = serializers.CharField(source="get_full_name")
    email = serializers.EmailField()


class ApplicationRow(serializers.Serializer[Any]):
    """An application in a list."""

    id = serializers.UUIDField()
    reference = serializers.CharField(help_text="What people call it: A-2026-0417.")
    gate = serializers.CharField(source="gate.full_name", help_text="`lab/gate`.")
    applicant = Person()
    status = Choice(choices=[(each.value, each.value) for each in Status])
    lane = Choice(choices=["", *Lane.values], help_text="What the triage rules advise.")
    version = serializers.IntegerField(help_text="Raised by every change; send it back with a decision.")
    assignee = Person(allow_null=True)
    submitted_at = serializers.DateTimeField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)


class ApplicationBrief(ApplicationRow):
    """An application after a verb."""

    round = serializers.IntegerField(source="rounds", help_text="How often it was sent.")
    quorum = serializers.IntegerField(help_text="Approvals that approve it.")
    capabilities = serializers.ListField(child=Choice(choices=Capability.values))
    triage = serializers.DictField(help_text="The version of the rule set, and the rules that matched.")
    decided_rules = serializers.IntegerField(
        allow_null=True, help_text="The version of the rules that approved it, where no person did."
    )


class ApplicationWhole(ApplicationBrief):
    """An application with what was answered; `answers` is null for whoever may not judge it."""

    answers = serializers.DictField(allow_null=True, source="shown_answers")
    message = serializers.CharField(allow_blank=True, help_text="The lab's last words to the applicant.")


class QueueFilters(Taken):
    """The filters of the queue's page."""

    show = Choice(choices=list(SHOWN), required=False, default="all", help_text="Where they stand.")
    lane = Choice(choices=Lane.values, required=False)
    gate = serializers.SlugField(required=False, max_length=96)
    assignee = serializers.CharField(
        required=False, max_length=120, help_text="`me` (and whom I stand in for), `none`, or a person's id."
    )
    late = Choice(choices=["yes"], required=False, help_text="Over their gate's target only.")
    institution = serializers.CharField(required=False, max_length=120, help_text="A part of its name.")
    q = serializers.CharField(required=False, max_length=120, help_text="A part of the name or address, or a number.")


class Version(Taken):
    """A body that may name the version that was read."""

    version = serializers.IntegerField(
        required=False, min_value=1, max_value=COUNTER, help_text="409 when it is not this one any more."
    )


class Voted(Version):
    """A vote."""

    note = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=WORDS, help_text="For the other reviewers."
    )


class Approved(Voted):
    """A vote to approve."""

    without_confirmation = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=COMMENT_LIMIT,
        help_text="Why to go on although confirmations are missing that the gate asks for. It is kept.",
    )


class Asked(Version):
    """What to change."""

    message = serializers.CharField(max_length=WORDS, help_text="To the applicant.")
    change = Choice(choices=Change.values, required=False, default=Change.OTHER.value)


class Upheld(Voted):
    """Why the decline stands."""

    message = serializers.CharField(max_length=WORDS, help_text="To the applicant.")


class Declined(Upheld):
    """Why not."""

    reason = Choice(choices=Decline.values)


class Assigned(Taken):
    """Whose it becomes."""

    to = serializers.UUIDField(allow_null=True, help_text="A reviewer of the lab; null releases it.")


class Together(Taken):
    """Several applications at once."""

    applications = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=BATCH_LIMIT)


class AssignedTogether(Together, Assigned):
    """Whose they become."""


class AskedTogether(Together):
    """What to change in all of them."""

    message = serializers.CharField(max_length=WORDS, help_text="To the applicants.")
    change = Choice(choices=Change.values, required=False, default=Change.OTHER.value)


class OutcomeShape(serializers.Serializer[Any]):
    """What became of one."""

    application = serializers.UUIDField(source="application.pk")
    done = serializers.BooleanField()
    problem = serializers.CharField(allow_blank=True, help_text="Why it was not done.")


class Outcomes(serializers.Serializer[Any]):
    """What became of each; those that are not there, or one's own, are left out."""

    outcomes = OutcomeShape(many=True)


class Noted(Taken):
    """A note."""

    text = serializers.CharField(max_length=WORDS)


class NoteShape(serializers.Serializer[Any]):
    """A line of the reviewers' thread."""

    id = serializers.IntegerField()
    by = Person()
    at = serializers.DateTimeField()
    text = serializers.CharField(allow_blank=True)


class Signed(Taken):
    """A signature."""

    typed_name = serializers.CharField(max_length=200, help_text="As it stands in the account.")
    capacity = serializers.CharField(max_length=300, help_text="For instance: for myself, doctoral student.")
    text_sha256 = serializers.RegexField("^[0-9a-f]{64}$", help_text="Of the text that was read.")


class Receipt(serializers.Serializer[Any]):
    """A signature that was given."""

    receipt = serializers.UUIDField(source="receipt_id")
    reference = serializers.CharField()
    version = serializers.IntegerField(source="version.number")
    text_sha256 = serializers.CharField()
    signed_at = serializers.DateTimeField()


class SpotChecked(serializers.Serializer[Any]):
    """What a look at an approval by rules found."""

    found = Choice(choices=Found.values, help_text="`wrong` takes the rules of the gate out of force at once.")
    note = serializers.CharField(
        max_length=WORDS, allow_blank=True, required=False, default="", help_text="Needed with `wrong`; staff read it."
    )


class Term(serializers.Serializer[Any]):
    """A term of the Data Use Ontology."""

    id = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    url = serializers.CharField()


class GateRow(serializers.Serializer[Any]):
    """What one can apply for."""

    slug = serializers.SlugField()
    lab = serializers.CharField(source="lab.slug")
    title = serializers.CharField()
    summary = serializers.CharField(allow_blank=True)
    agreement = serializers.CharField(source="agreement.slug")
    capabilities = serializers.ListField(child=Choice(choices=Capability.values))
    quorum = serializers.IntegerField(help_text="Approvals that approve an application.")
    target_days = serializers.IntegerField(help_text="Business days within which the lab means to decide.")
    grant_days = serializers.IntegerField(help_text="How long a grant lasts, in days.")
    terms_of_use = Term(many=True, source="duo_terms", help_text="What its models may be used for.")
    closed_at = serializers.DateTimeField(allow_null=True, help_text="Since when it takes no new applications.")
    closed_reason = serializers.CharField(allow_blank=True)
    contact = serializers.CharField(source="asks", allow_blank=True, help_text="Whom one asks.")


class GateWhole(GateRow):
    """A gate with its form: sections with fields, each with a name, a type, a label and its bounds."""

    form_version = serializers.IntegerField()
    form = serializers.ListField(child=serializers.DictField(), source="form_spec")


class Answered(Version):
    """Answers by the names of the form's fields; names that it does not have are left out."""

    answers = serializers.DictField()


class Appealed(Version):
    """What was overlooked."""

    text = serializers.CharField(max_length=WORDS)
