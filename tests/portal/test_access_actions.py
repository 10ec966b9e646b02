"""What people may and may not do with applications and grants."""

from __future__ import annotations

import unicodedata
from datetime import timedelta

import pytest
import time_machine
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from portal.access import actions
from portal.access.application_models import Application, Decline, Submission
from portal.access.models import Grant
from portal.access.review_models import Vote
from portal.access.workflow import Status
from portal.agreements import actions as agreements
from portal.agreements.models import ChangeClass, Signature
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, Unavailable
from portal.outbox.models import Message
from portal.people.actions import end_role, give_role, suspend
from portal.people.models import Affiliation, Institution, Membership, Role, User
from portal.projects.actions import close
from portal.switches.models import Switch, flip
from tests.portal import world


def mails(template):
    return Message.objects.filter(topic="mail.send", payload__template=template)


# --- Applying


@pytest.mark.parametrize("how", ["same institution", "same domain"])
def test_a_reviewer_with_a_known_conflict_is_not_asked_to_review(lyceum, mara, how):
    near = lyceum.reviewers[0]
    if how == "same domain":
        User.objects.filter(pk=near.pk).update(email=f"near@{mara.email.partition('@')[2]}")
    else:
        for person in (near, mara):
            Affiliation.objects.update_or_create(
                user=person, ends_at=None, defaults={"organisation": "Eastmark", "klass": "academia"}
            )
    head = world.person("Head of Lyceum")
    give_role(user=head, lab=lyceum.lab, role=Role.ADMINISTRATOR, by=None)
    waiting = lyceum.applied(mara)
    assert {m.payload["to"] for m in mails("application_to_review")} == {r.email for r in lyceum.reviewers[1:]}
    assert mails("application_lacks_reviewers").count() == 0, "two are left, as many as it takes"
    actions.cast_vote(by=lyceum.reviewers[1], application=waiting, vote=Vote.RECUSE)
    told = [m.payload for m in mails("application_lacks_reviewers")]
    assert [(m["to"], m["context"]["needed"], m["context"]["has"]) for m in told] == [(head.email, 2, 1)]


def test_an_application_that_nobody_may_judge_is_told_to_those_who_can_give_the_role(lyceum, mara):
    head = world.person("Head of Lyceum")
    give_role(user=head, lab=lyceum.lab, role=Role.ADMINISTRATOR, by=None)
    for person in (*lyceum.reviewers, mara):
        Affiliation.objects.update_or_create(
            user=person, ends_at=None, defaults={"organisation": "Eastmark", "klass": "academia"}
        )
    lyceum.applied(mara)
    assert mails("application_to_review").count() == 0
    assert [m.payload["context"]["has"] for m in mails("application_lacks_reviewers")] == [0]


def test_a_draft_begins_at_the_first_save_and_keeps_what_was_typed(lyceum, mara):
    draft = actions.save_draft(by=mara, gate=lyceum.gate, answers={"title": "One", "unknown": "x"})
    again = actions.save_draft(by=mara, gate=lyceum.gate, answers={"summary": "Two"})
    assert again.pk == draft.pk
    assert again.answers == {"legal_name": mara.name, "title": "One", "summary": "Two"}
    assert Entry.objects.filter(event="application.started").count() == 1


def test_a_thin_application_cannot_be_sent_and_says_where(lyceum, mara):
    draft = actions.save_draft(
        by=mara, gate=lyceum.gate, answers={**world.ANSWERS, "summary": "Short.", "military": ""}
    )
    with pytest.raises(Invalid) as refused:
        actions.submit(by=mara, application=draft)
    assert set(refused.value.fields) == {"summary", "military"}
    assert not Submission.objects.exists()


def test_sending_leaves_a_receipt_and_tells_every_reviewer_but_nobody_else(lyceum, harbour, mara):
    lyceum.applied(mara)
    assert [m.payload["to"] for m in mails("application_submitted")] == [mara.email]
    assert {m.payload["to"] for m in mails("application_to_review")} == {r.email for r in lyceum.reviewers}


def test_no_mail_carries_an_answer_a_message_or_a_note(lyceum, mara):
    application = lyceum.applied(mara)
    secret = "zanzibar"
    actions.request_changes(by=lyceum.reviewers[0], application=application, message=f"About {secret}?")
    actions.save_draft(by=mara, gate=lyceum.gate, answers={"storage": f"In {secret}, locked and encrypted."})
    actions.submit(by=mara, application=application)
    actions.decline(
        by=lyceum.reviewers[1], application=application, reason=Decline.CUSTODY, message=secret, note=secret
    )
    assert secret not in str(list(Message.objects.values_list("payload", flat=True)))
    assert secret not in str(list(Entry.objects.values_list("data", flat=True)))


def test_a_stranger_cannot_send_or_withdraw_my_draft(lyceum, mara, stranger):
    draft = actions.save_draft(by=mara, gate=lyceum.gate, answers=world.ANSWERS)
    with pytest.raises(NotFound):
        actions.submit(by=stranger, application=draft)
    with pytest.raises(NotFound):
        actions.withdraw(by=stranger, application=draft)


def test_nobody_applies_while_applications_are_closed(lyceum, mara):
    flip(switch=Switch.APPLY, on=False, reason="holidays", by=None)
    with pytest.raises(Unavailable):
        actions.save_draft(by=mara, gate=lyceum.gate, answers={})


def test_who_holds_access_does_not_apply_again_until_it_ends(lyceum, mara):
    grant = lyceum.granted(mara)
    with pytest.raises(Conflict):
        actions.save_draft(by=mara, gate=lyceum.gate, answers={})
    with time_machine.travel(grant.ends_at + timedelta(seconds=1)):
        assert actions.save_draft(by=mara, gate=lyceum.gate, answers={}).status == Status.DRAFT


def test_an_application_in_review_cannot_be_edited(lyceum, mara):
    application = lyceum.applied(mara)
    actions.start_review(by=lyceum.reviewers[0], application=application)
    with pytest.raises(Conflict):
        actions.save_draft(by=mara, gate=lyceum.gate, answers={"title": "Another"})


def test_after_a_decline_one_applies_again_with_the_same_answers(lyceum, mara):
    application = lyceum.applied(mara)
    actions.decline(by=lyceum.reviewers[0], application=application, reason=Decline.DETAIL, message="More, please.")
    draft = actions.apply_again(by=mara, application=application)
    assert draft.pk != application.pk
    assert draft.answers["title"] == "How small models forget"
    with pytest.raises(Conflict):
        actions.apply_again(by=mara, application=application)


def test_a_stale_page_does_not_overwrite(lyceum, mara):
    application = lyceum.applied(mara)
    actions.request_changes(by=lyceum.reviewers[0], application=application, message="Which cluster?")
    with pytest.raises(Conflict, match="changed since"):
        actions.decline(
            by=lyceum.reviewers[1],
            application=application,
            reason=Decline.OTHER,
            message="No.",
            expected=application.version,
        )


# --- Reviewing


def test_one_approval_of_two_does_not_approve(lyceum, mara):
    application = lyceum.applied(mara)
    voted = actions.cast_vote(by=lyceum.reviewers[0], application=application, vote=Vote.APPROVE)
    assert voted.status == Status.IN_REVIEW
    assert not mails("application_approved").exists()


def test_the_same_reviewer_does_not_count_twice(lyceum, mara):
    application = lyceum.applied(mara)
    actions.cast_vote(by=lyceum.reviewers[0], application=application, vote=Vote.APPROVE)
    with pytest.raises(Conflict):
        actions.cast_vote(by=lyceum.reviewers[0], application=application, vote=Vote.APPROVE)


def test_votes_of_an_earlier_round_do_not_count(lyceum, mara):
    application = lyceum.applied(mara)
    first, second, third = lyceum.reviewers
    actions.cast_vote(by=first, application=application, vote=Vote.APPROVE)
    actions.request_changes(by=second, application=application, message="Which cluster?")
    actions.submit(by=mara, application=application)
    assert actions.cast_vote(by=third, application=application, vote=Vote.APPROVE).status == Status.IN_REVIEW
    assert actions.cast_vote(by=first, application=application, vote=Vote.APPROVE).status == Status.APPROVED


def test_a_reviewer_does_not_judge_their_own_application(lyceum):
    reviewer = lyceum.reviewers[0]
    application = lyceum.applied(reviewer)
    with pytest.raises((NotAllowed, Conflict)):
        actions.cast_vote(by=reviewer, application=application, vote=Vote.APPROVE)


def test_a_reviewer_does_not_judge_a_colleague(lyceum, mara):
    place = Institution.objects.create(ror="https://ror.org/0000000", name="Northfield", country="EE")
    for user in (mara, lyceum.reviewers[0]):
        Affiliation.objects.create(user=user, institution=place, organisation="Northfield", klass="academia")
    application = lyceum.applied(mara)
    with pytest.raises(NotAllowed) as refused:
        actions.cast_vote(by=lyceum.reviewers[0], application=application, vote=Vote.APPROVE)
    assert refused.value.reasons[0].code == "same_institution"


def test_a_reviewer_does_not_judge_somebody_of_the_same_mail_domain(lyceum):
    colleague = world.person("Col League", "colleague@lyceum.example")
    application = lyceum.applied(colleague)
    with pytest.raises(NotAllowed):
        actions.start_review(by=lyceum.reviewers[0], application=application)


def test_a_recused_reviewer_neither_approves_nor_asks(lyceum, mara):
    application = lyceum.applied(mara)
    actions.cast_vote(by=lyceum.reviewers[0], application=application, vote=Vote.RECUSE)
    with pytest.raises(NotAllowed):
        actions.cast_vote(by=lyceum.reviewers[0], application=application, vote=Vote.APPROVE)
    with pytest.raises(NotAllowed):
        actions.request_changes(by=lyceum.reviewers[0], application=application, message="?")


def test_a_recusal_lasts_through_every_round(lyceum, mara):
    application = lyceum.applied(mara)
    first, second, _ = lyceum.reviewers
    actions.cast_vote(by=first, application=application, vote=Vote.RECUSE)
    actions.request_changes(by=second, application=application, message="Which cluster?")
    actions.submit(by=mara, application=application)
    with pytest.raises(NotAllowed):
        actions.cast_vote(by=first, application=application, vote=Vote.APPROVE)
    with pytest.raises(NotAllowed):
        actions.decline(by=first, application=application, reason=Decline.OTHER, message="No.")


def test_a_manager_another_labs_reviewer_and_a_former_reviewer_do_not_vote(lyceum, harbour, mara):
    application = lyceum.applied(mara)
    former = lyceum.reviewers[2]
    end_role(membership=Membership.objects.get(user=former), by=lyceum.manager)
    for somebody in (lyceum.manager, harbour.reviewers[0], former):
        with pytest.raises(NotFound):
            actions.cast_vote(by=somebody, application=application, vote=Vote.APPROVE)


def test_a_decline_needs_a_reason_and_words(lyceum, mara):
    application = lyceum.applied(mara)
    with pytest.raises(Invalid):
        actions.decline(by=lyceum.reviewers[0], application=application, reason=Decline.OTHER, message=" ")
    with pytest.raises(Invalid):
        actions.decline(by=lyceum.reviewers[0], application=application, reason="whim", message="No.")
    application.refresh_from_db()
    assert application.status == Status.SUBMITTED, "a refused command leaves nothing behind"


def test_the_quorum_is_fixed_when_it_is_sent(lyceum, mara):
    application = lyceum.applied(mara)
    actions.change_gate(by=lyceum.manager, gate=lyceum.gate, quorum=1)
    voted = actions.cast_vote(by=lyceum.reviewers[0], application=application, vote=Vote.APPROVE)
    assert voted.status == Status.IN_REVIEW


def test_what_was_sent_is_kept_with_its_form_and_never_changes(lyceum, mara):
    application = lyceum.applied(mara)
    for change in ({"answers": {"title": "Another"}}, {"answers": {}, "round": 2}, {"form_version": 2}):
        with pytest.raises(DatabaseError), transaction.atomic():
            application.submissions.update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        application.submissions.all().delete()
    application.reviews.create(reviewer=lyceum.reviewers[0], round=1, vote=Vote.APPROVE, cast_at=timezone.now())
    with pytest.raises(DatabaseError), transaction.atomic():
        application.reviews.all().delete()


# --- Signing


def test_nobody_signs_before_approval(lyceum, mara):
    application = lyceum.applied(mara)
    with pytest.raises(Conflict):
        lyceum.signed(mara, application)
    assert not Signature.objects.exists()
    assert not Grant.objects.exists()


def test_nobody_signs_for_another(lyceum, mara, stranger):
    application = lyceum.approved(mara)
    with pytest.raises(NotFound):
        lyceum.signed(stranger, application)


@pytest.mark.parametrize(("typed", "capacity"), [("Mara", "for myself"), ("", "for myself"), ("Mara Lindqvist", " ")])
def test_a_signature_needs_the_accounts_name_and_a_capacity(lyceum, mara, typed, capacity):
    application = lyceum.approved(mara)
    with pytest.raises(Invalid):
        actions.sign(
            by=mara, application=application, typed_name=typed, capacity=capacity, text_sha256=lyceum.version.sha256
        )
    assert not Grant.objects.exists(), "nothing is left of a refused signature"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_an_accent_is_the_same_letter_however_a_keyboard_encodes_it(lyceum, form):
    andre = world.person(unicodedata.normalize(form, "André Ångström"))
    application = lyceum.approved(andre)
    typed = unicodedata.normalize("NFD" if form == "NFC" else "NFC", "andré ÅNGSTRÖM")
    signing = {"by": andre, "application": application, "capacity": "myself", "text_sha256": lyceum.version.sha256}
    with pytest.raises(Invalid):
        actions.sign(typed_name="Andre Angstrom", **signing)
    assert actions.sign(typed_name=typed, **signing).state() == "active"


def test_one_signs_the_text_that_one_read(lyceum, mara):
    application = lyceum.approved(mara)
    read = lyceum.version.sha256
    agreements.publish_version(by=lyceum.manager, agreement=lyceum.agreement, text=world.TEXT + "3. More.")
    with pytest.raises(Conflict, match="newer text"):
        actions.sign(by=mara, application=application, typed_name=mara.name, capacity="myself", text_sha256=read)
    assert lyceum.signed(mara, application).state() == "active"


def test_the_signature_says_what_was_signed_and_cannot_be_changed(lyceum, mara):
    grant = lyceum.granted(mara)
    signature = Signature.objects.get()
    assert signature.document["text_sha256"] == lyceum.version.sha256
    assert signature.document["grant"] == grant.reference
    with pytest.raises(DatabaseError), transaction.atomic():
        Signature.objects.update(capacity="another")
    with pytest.raises(DatabaseError), transaction.atomic():
        signature.delete()


def test_a_published_text_cannot_be_changed(lyceum):
    with pytest.raises(DatabaseError), transaction.atomic():
        lyceum.agreement.versions.update(text="Anything goes.")


def test_signing_announces_the_new_right(lyceum, mara):
    lyceum.granted(mara)
    mara.refresh_from_db()
    message = Message.objects.get(topic="rights.changed", key=f"user:{mara.pk}")
    assert message.payload == {"kind": "user", "id": str(mara.pk), "generation": mara.generation}


# --- The rule


def active(grant):
    return Grant.objects.active().filter(pk=grant.pk).exists()


def test_a_grant_holds_from_its_signature_to_its_last_second(lyceum, mara):
    grant = lyceum.granted(mara)
    assert active(grant)
    assert Grant.objects.active(grant.ends_at - timedelta(seconds=1)).exists()
    assert not Grant.objects.active(grant.ends_at).exists()
    assert not Grant.objects.active(grant.starts_at - timedelta(seconds=1)).exists()


def test_revoked_suspended_and_resumed(lyceum, mara):
    grant = lyceum.granted(mara)
    actions.suspend_grant(by=lyceum.manager, grant=grant, reason="A question.")
    assert not active(grant)
    actions.resume_grant(by=lyceum.manager, grant=grant)
    assert active(grant)
    actions.revoke_grant(by=lyceum.manager, grant=grant, reason="Passed on.")
    assert not active(grant)
    with pytest.raises(Conflict):
        actions.revoke_grant(by=lyceum.manager, grant=grant, reason="Again.")
    with pytest.raises(Conflict):
        actions.resume_grant(by=lyceum.manager, grant=grant)


def test_only_a_manager_of_the_lab_ends_a_grant(lyceum, harbour, mara):
    grant = lyceum.granted(mara)
    with pytest.raises(NotFound):
        actions.revoke_grant(by=harbour.manager, grant=grant, reason="x")
    with pytest.raises(NotAllowed):
        actions.revoke_grant(by=mara, grant=grant, reason="x")
    with pytest.raises(NotAllowed):
        actions.revoke_grant(by=lyceum.reviewers[0], grant=grant, reason="x")
    with pytest.raises(Invalid):
        actions.revoke_grant(by=lyceum.manager, grant=grant, reason="  ")
    assert active(grant)


def test_a_suspended_person_a_closed_lab_and_a_closed_project_hold_nothing(lyceum, mara):
    grant = lyceum.granted(mara)
    with transaction.atomic():
        suspend(user=mara, by=lyceum.manager, reason="x")
        assert not active(grant)
        transaction.set_rollback(True)
    with transaction.atomic():
        lyceum.lab.is_active = False
        lyceum.lab.save()
        assert not active(grant)
        transaction.set_rollback(True)
    close(project=grant.project, by=lyceum.manager, reason="done")
    assert not active(grant)


def publish(w, change_class, grace_ends_at=None):
    text = f"{world.TEXT}{w.agreement.versions.count()}. More."
    return agreements.publish_version(
        by=w.manager, agreement=w.agreement, text=text, change_class=change_class, grace_ends_at=grace_ends_at
    )


def test_an_editorial_change_asks_for_nothing(lyceum, mara):
    grant = lyceum.granted(mara)
    publish(lyceum, ChangeClass.EDITORIAL)
    assert active(grant)
    assert Grant.objects.with_not_after().get().not_after == grant.ends_at


def test_a_blocking_change_pauses_access_until_it_is_signed(lyceum, mara):
    grant = lyceum.granted(mara)
    version = publish(lyceum, ChangeClass.BLOCKING)
    assert not active(grant)
    actions.sign_again(by=mara, grant=grant, typed_name=mara.name, capacity="myself", text_sha256=version.sha256)
    assert active(grant)


def test_a_notice_holds_until_its_date_of_grace(lyceum, mara):
    grant = lyceum.granted(mara)
    grace = timezone.now() + timedelta(days=30)
    version = publish(lyceum, ChangeClass.NOTICE, grace)
    assert active(grant)
    assert Grant.objects.with_not_after().get().not_after == grace
    assert not Grant.objects.active(grace).exists()
    publish(lyceum, ChangeClass.EDITORIAL)
    assert not Grant.objects.active(grace).exists(), "a later editorial version does not excuse"
    newest = lyceum.agreement.current()
    actions.sign_again(by=mara, grant=grant, typed_name=mara.name, capacity="myself", text_sha256=newest.sha256)
    assert Grant.objects.active(grace).exists()
    assert Grant.objects.with_not_after().get().not_after == grant.ends_at
    assert version.number == 2


def test_a_new_text_announces_every_gate_of_the_agreement(lyceum, mara):
    before = lyceum.gate.generation
    publish(lyceum, ChangeClass.BLOCKING)
    lyceum.gate.refresh_from_db()
    assert lyceum.gate.generation == before + 1
    message = Message.objects.get(topic="rights.changed", payload__kind="gate")
    assert message.payload["id"] == "lyceum/lyceum-large"


def test_a_signature_under_another_agreement_opens_nothing(lyceum, harbour, mara):
    grant = lyceum.granted(mara)
    publish(lyceum, ChangeClass.BLOCKING)
    harbour.granted(mara)
    assert not active(grant)


# --- The database, whatever the code does


def test_grants_of_one_person_behind_one_gate_never_overlap(lyceum, mara):
    grant = lyceum.granted(mara)
    twin = {"project": grant.project, "user": mara, "gate": grant.gate, "capabilities": ["query"]}
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.create(
            **twin, starts_at=grant.ends_at - timedelta(days=1), ends_at=grant.ends_at + timedelta(days=9)
        )
    later = Grant.objects.create(**twin, starts_at=grant.ends_at, ends_at=grant.ends_at + timedelta(days=9))
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.filter(pk=later.pk).update(starts_at=grant.starts_at)


@pytest.mark.parametrize(
    "wrong",
    [
        {"capabilities": []},
        {"capabilities": ["fly"]},
        {"revoked_at": timezone.now()},
        {"suspended_at": timezone.now()},
        {"revoked_reason": "because"},
        {"ends_at": timezone.now() - timedelta(days=900)},
    ],
)
def test_the_database_refuses_half_a_fact_about_a_grant(lyceum, mara, wrong):
    grant = lyceum.granted(mara)
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.filter(pk=grant.pk).update(**wrong)


def test_a_gate_is_made_by_the_labs_managers_with_a_form_that_can_be_used(lyceum, harbour):
    kwargs = {"lab": lyceum.lab, "slug": "second", "title": "Second", "agreement": lyceum.agreement}
    with pytest.raises(NotFound):
        actions.create_gate(by=harbour.manager, **kwargs)
    with pytest.raises(NotAllowed):
        actions.create_gate(by=lyceum.reviewers[0], **kwargs)
    with pytest.raises(Invalid):
        actions.create_gate(by=lyceum.manager, **kwargs, form_spec=[{"name": "a", "title": "A", "fields": [{}]}])
    with pytest.raises(Invalid):
        actions.create_gate(by=lyceum.manager, **{**kwargs, "slug": "lyceum-large"})
    with pytest.raises(Invalid):
        actions.create_gate(by=lyceum.manager, **{**kwargs, "agreement": harbour.agreement})
    give_role(user=lyceum.reviewers[0], lab=lyceum.lab, role=Role.ADMINISTRATOR, by=None)
    assert actions.create_gate(by=lyceum.reviewers[0], **kwargs).quorum == 1


def test_every_step_of_a_whole_path_is_in_the_audit_trail(lyceum, mara):
    grant = lyceum.granted(mara)
    actions.revoke_grant(by=lyceum.manager, grant=grant, reason="x")
    events = list(Entry.objects.filter(lab="lyceum").values_list("event", flat=True))
    for event in (
        "gate.created", "agreement_version.published", "application.started", "application.submitted",
        "application.review_started", "application.reviewed", "application.approved", "agreement.signed",
        "grant.given", "grant.revoked",
    ):  # fmt: skip
        assert event in events, event
    assert events.count("application.reviewed") == 2
    assert events.count("application.approved") == 1


def test_an_application_knows_its_number(lyceum, harbour, mara):
    first, second = lyceum.applied(mara), harbour.applied(mara)
    assert first.reference != second.reference
    assert Application.objects.get(pk=second.pk).number == second.number
