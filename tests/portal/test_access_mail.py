"""Every mail of access, agreements and tokens can be rendered and says where to go."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from django.utils.formats import date_format

from portal.access import actions, tasks
from portal.access.application_models import Decline
from portal.access.review_models import Vote
from portal.agreements import actions as agreements
from portal.agreements.models import ChangeClass
from portal.mail import registry
from portal.mail.sending import render
from portal.outbox.models import Message
from portal.people.actions import give_role
from portal.people.models import Role
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from tests.portal import world
from tests.portal.test_passing import trust, verified

OURS = {
    "application_submitted", "application_to_review", "changes_requested", "application_approved", "application_declined",
    "application_passed",
    "application_assigned", "appeal_made", "appeal_to_review", "appeal_lacks_reviewers", "appeal_upheld",
    "appeal_overturned", "substitute_named",
    "application_withdrawn", "application_lapsed", "grant_active", "agreement_signed_again",
    "agreement_to_sign", "agreement_reminder", "grant_revoked",
    "grant_suspended", "grant_resumed", "grant_expiring", "grant_ended", "grant_closed_out", "deletion_reminder",
    "renewal_to_review", "renewal_granted", "renewal_declined", "token_made", "token_revoked",
}  # fmt: skip


def appeal_twice(w, first, second):
    """One appeal that is upheld and one that succeeds, with an administrator who hears that reviewers are too few."""
    give_role(user=w.manager, lab=w.lab, role=Role.ADMINISTRATOR, by=None)
    today = timezone.now().date()
    actions.name_substitute(by=w.reviewers[0], lab=w.lab, substitute=w.manager, starts_on=today, ends_on=today)
    upheld, overturned = (w.applied(person) for person in (first, second))
    for application in (upheld, overturned):
        actions.decline(by=w.reviewers[0], application=application, reason=Decline.OTHER, message=SECRET)
        actions.appeal(by=application.applicant, application=application, text=SECRET)
    actions.uphold(by=w.reviewers[1], application=upheld, message=SECRET)
    for reviewer in w.reviewers[1:3]:
        actions.cast_vote(by=reviewer, application=overturned, vote=Vote.APPROVE)
    lonely = w.applied(first)
    actions.cast_vote(by=w.reviewers[1], application=lonely, vote=Vote.DECLINE)
    actions.decline(by=w.reviewers[0], application=lonely, reason=Decline.OTHER, message=SECRET)
    actions.appeal(by=first, application=lonely, text=SECRET)


SECRET = "between us alone"
"""What people write in confidence, everywhere where they can: no mail may hold it."""


def live_through_everything(w, people):
    """Everything that sends a mail, once."""
    one, two, three, four, *others = people
    appeal_twice(w, *others)
    grant = w.granted(one)
    actions.suspend_grant(by=w.manager, grant=grant, reason=SECRET)
    actions.resume_grant(by=w.manager, grant=grant)
    version = agreements.publish_version(by=w.manager, agreement=w.agreement, text=world.TEXT + "More.")
    tasks.call_for_signatures()
    actions.sign_again(by=one, grant=grant, typed_name=one.name, capacity="myself", text_sha256=version.sha256)
    with time_machine.travel(grant.ends_at - timedelta(days=20)):
        tasks.announce_expiries()
        actions.renew(by=one, grant=grant)
        actions.decline_renewal(by=w.reviewers[0], grant=grant, message=SECRET)
        actions.renew(by=one, grant=grant)
        actions.approve_renewal(by=w.reviewers[0], grant=grant)
    grant.refresh_from_db()
    with time_machine.travel(grant.ends_at):
        tasks.announce_expiries()
    with time_machine.travel(grant.ends_at + timedelta(days=10)):
        tasks.remind_of_deletions()
    grace = timezone.now() + timedelta(days=30)
    notice = {"change_class": ChangeClass.NOTICE, "grace_ends_at": grace}
    agreements.publish_version(by=w.manager, agreement=w.agreement, text=world.TEXT + "Less.", **notice)
    with time_machine.travel(grace - timedelta(days=2)):
        tasks.call_for_signatures()
    actions.revoke_grant(by=w.manager, grant=grant, reason=SECRET)
    actions.close_out(by=one, grant=grant, typed_name=one.name, deleted_on=timezone.now().date(), statement=SECRET)
    application = w.applied(two)
    actions.assign(by=w.reviewers[0], application=application, to=w.reviewers[1])
    actions.request_changes(by=w.reviewers[0], application=application, message=SECRET)
    actions.lapse(application=application)
    actions.withdraw(by=three, application=w.applied(three))
    actions.decline(by=w.reviewers[0], application=w.applied(four), reason=Decline.OTHER, message=SECRET)
    trust(w)
    w.applied(verified(world.person("Person O'G")))
    token, _ = tokens.issue(by=one, kind=Kind.DOWNLOAD, label="laptop & co <b>")
    tokens.revoke(by=one, token=token)


@pytest.fixture
def messages(lyceum):
    live_through_everything(lyceum, [world.person(f"Person O'{n}") for n in "ABCDEF"])
    return list(Message.objects.filter(topic="mail.send"))


def test_everything_that_happens_sends_its_mail(messages):
    assert {message.payload["template"] for message in messages} == OURS


def test_every_mail_is_whole_in_text_and_html(messages):
    for message in messages:
        mail = render(message.payload["template"], {**message.payload["context"], "base_url": "https://models.example"})
        text, html = mail.body, str(mail.alternatives[0][0])
        assert mail.subject.strip()
        assert "\n" not in mail.subject
        assert "https://models.example/" in text
        assert "https://models.example/" in html
        assert "{{" not in text + html
        assert "&#x27;" not in text + mail.subject, "plain text is not escaped"
        assert "<b>" not in html
        assert "Dear " in text


def test_no_mail_holds_what_was_written_in_confidence(messages):
    for message in messages:
        assert SECRET not in str(message.payload), message.payload["template"]
        assert "How small models forget" not in str(message.payload), "an answer"


def test_no_mail_to_an_applicant_names_who_judged(messages, lyceum):
    staff = {user.email for user in (*lyceum.reviewers, lyceum.manager)}
    names = {user.name for user in lyceum.reviewers}
    for message in messages:
        if message.payload["to"] not in staff:
            assert not any(name in str(message.payload["context"]) for name in names), message.payload["template"]


def test_the_samples_hold_what_is_really_told(messages):
    for message in messages:
        letter = registry.letter(message.payload["template"])
        assert set(message.payload["context"]) == set(letter.sample), letter.name


def test_a_draft_left_alone_is_not_yet_mailed_about(lyceum, mara):
    actions.save_draft(by=mara, gate=lyceum.gate, answers={"title": "x"})
    assert not Message.objects.exists()


def told(template):
    """What the newest letter of this name carries."""
    return Message.objects.filter(payload__template=template).latest("pk").payload["context"]


def written(template):
    """That letter as its reader has it: the subject, and the text with plain spaces."""
    mail = render(template, {**told(template), "base_url": "https://models.example"})
    return str(mail.subject).replace("\xa0", " "), str(mail.body).replace("\xa0", " ")


@time_machine.travel("2027-03-01T14:20:30Z", tick=False)
def test_an_applicant_who_is_asked_for_changes_reads_by_when_to_answer(lyceum, mara):
    actions.request_changes(by=lyceum.reviewers[0], application=lyceum.applied(mara), message="Which cluster?")
    assert "Without an answer by 31 Mar 2027, 14:20 UTC the application is closed" in written("changes_requested")[1]


@time_machine.travel("2027-03-01T14:20:30Z", tick=False)
def test_an_applicant_who_is_approved_reads_by_when_to_sign(lyceum, mara):
    lyceum.approved(mara)
    assert (
        "Without your signature by 31 Mar 2027, 14:20 UTC the application is closed"
        in written("application_approved")[1]
    )


def test_an_application_lapses_at_the_moment_that_its_letter_named_and_not_before(lyceum, mara):
    asked = actions.request_changes(by=lyceum.reviewers[0], application=lyceum.applied(mara), message="Which cluster?")
    with time_machine.travel(asked.closes_at - timedelta(minutes=1)):
        assert tasks.lapse_forgotten() == 0
    with time_machine.travel(asked.closes_at + timedelta(minutes=1)):
        assert tasks.lapse_forgotten() == 1
    assert "because it waited for you for 30 days" in written("application_lapsed")[1]


def test_an_application_with_the_lab_closes_at_no_moment(lyceum, mara):
    assert lyceum.applied(mara).closes_at is None


@time_machine.travel("2027-03-01T14:20:30Z", tick=False)
def test_whoever_is_declined_reads_until_when_to_appeal(lyceum, mara):
    actions.decline(by=lyceum.reviewers[0], application=lyceum.applied(mara), reason=Decline.OTHER, message="No.")
    assert "You may appeal once, until 31 Mar 2027, 14:20 UTC" in written("application_declined")[1]


@time_machine.travel("2027-03-01T14:20:30Z", tick=False)
def test_a_deadline_has_its_hour_and_zone_in_the_letter_and_its_day_alone_in_the_subject(lyceum, mara):
    grant = lyceum.granted(mara)
    with time_machine.travel(grant.ends_at - timedelta(days=7)):
        tasks.announce_expiries()
    subject, text = written("grant_expiring")
    assert subject.endswith("ends on 29 Feb 2028")
    assert "ends on 29 Feb 2028, 14:20 UTC" in text


@pytest.mark.parametrize("late", [False, True], ids=["before the end", "after it"])
def test_whoever_is_not_renewed_reads_what_can_still_be_done_and_by_when_copies_are_to_be_deleted(lyceum, mara, late):
    grant = lyceum.granted(mara)
    with time_machine.travel(grant.ends_at - timedelta(days=30)):
        actions.renew(by=mara, grant=grant)
    with time_machine.travel(grant.ends_at + timedelta(days=1 if late else -1)):
        actions.decline_renewal(by=lyceum.reviewers[0], grant=grant, message="The project is over.")
    grant.refresh_from_db()
    text = written("renewal_declined")[1]
    assert ("with another renewal before the end" in text) is not late
    assert ("Delete every copy" in text) is late
    if late:
        due = f"{date_format(grant.deletion_due_at)}, {grant.deletion_due_at:%H:%M} UTC"
        assert f"on the grant’s page by {due}, or apply again" in text
