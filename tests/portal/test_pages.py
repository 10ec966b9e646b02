"""Every page, in every state, for those who may see it; and not for the others."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from portal.access import actions
from portal.access.application_models import Application, Decline
from portal.access.models import Grant
from portal.access.review_models import Vote
from portal.access.workflow import Status
from portal.people.models import User
from portal.tokens.models import AccessToken
from tests.portal.world import ANSWERS


def browser(user: User | None = None) -> Client:
    client = Client()
    if user:
        client.force_login(user)
    return client


def text(response: Any) -> str:
    """What is read on the page, without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def section_answers(gate: Any, name: str) -> dict[str, Any]:
    part = next(part for part in gate.form_spec if part["name"] == name)
    answers = {entry["name"]: ANSWERS.get(entry["name"], "") for entry in part["fields"]}
    if "institution" in answers:
        said = answers.pop("institution")
        answers |= {"institution": said["name"], "institution.ror": said["ror"], "institution.site": said["site"]}
    return {key: "on" if value is True else value for key, value in answers.items()}


def test_a_stranger_is_asked_to_sign_in_before_applying(lyceum):
    response = browser().get(lyceum.gate.get_absolute_url())
    assert response.status_code == 302
    assert "/account/login/" in response["Location"]


def test_an_unknown_gate_is_not_there(mara):
    assert browser(mara).get("/apply/nothing/").status_code == 404


def test_a_researcher_fills_the_form_section_by_section_and_sends_it(lyceum, mara):
    client = browser(mara)
    first = client.get(lyceum.gate.get_absolute_url())
    assert first.status_code == 200
    assert "Research only." in text(first)
    assert not Application.objects.exists(), "reading makes no draft"
    for part in lyceum.gate.form_spec:
        url = reverse("access:apply_section", args=[lyceum.gate.slug, part["name"]])
        assert client.get(url).status_code == 200
        assert client.post(url, section_answers(lyceum.gate, part["name"])).status_code == 302
    check = reverse("access:apply_section", args=[lyceum.gate.slug, "check"])
    assert "How small models forget" in text(client.get(check))
    response = client.post(check)
    sent = Application.objects.get()
    assert response["Location"] == sent.get_absolute_url()
    assert sent.status == Status.SUBMITTED
    page = text(client.get(sent.get_absolute_url()))
    assert "1 of 1" in page
    assert "You sent the application" in page


def test_a_short_summary_is_refused_beside_the_field_and_kept(lyceum, mara):
    client = browser(mara)
    url = reverse("access:apply_section", args=[lyceum.gate.slug, "purpose"])
    response = client.post(url, {**section_answers(lyceum.gate, "purpose"), "summary": "Too short."})
    assert response.status_code == 422
    page = response.content.decode()
    assert page.count("Write at least 120 characters. You have 10.") == 2, "once in the summary, once at the field"
    assert 'href="#id_summary"' in page
    assert Application.objects.get().answers["summary"] == "Too short."


def test_autosave_keeps_what_is_typed_and_answers_with_a_fragment(lyceum, mara):
    url = reverse("access:apply_section", args=[lyceum.gate.slug, "you"])
    response = browser(mara).post(url, {"legal_name": "Ma"}, headers={"HX-Request": "true"})
    assert response.status_code == 200
    assert "<html" not in response.content.decode()
    assert "Saved" in text(response)
    assert Application.objects.get().answers["legal_name"] == "Ma"


def test_sending_an_unfinished_form_lists_every_missing_answer_with_a_link(lyceum, mara):
    client = browser(mara)
    client.post(reverse("access:apply_section", args=[lyceum.gate.slug, "you"]), {"legal_name": "Mara"})
    response = client.post(reverse("access:apply_section", args=[lyceum.gate.slug, "check"]))
    assert response.status_code == 422
    assert "/purpose/?fix=1#id_summary" in response.content.decode()
    assert Application.objects.get().status == Status.DRAFT


@pytest.mark.parametrize(
    ("reach", "words"),
    [
        (lambda w, a: a, "Waiting for a reviewer"),
        (lambda w, a: actions.start_review(by=w.reviewers[0], application=a), "In review"),
        (
            lambda w, a: actions.request_changes(by=w.reviewers[0], application=a, message="Which cluster?"),
            "Which cluster?",
        ),
        (
            lambda w, a: actions.decline(
                by=w.reviewers[0], application=a, reason=Decline.PURPOSE, message="It is a product."
            ),
            "It is a product.",
        ),
        (lambda w, a: actions.withdraw(by=a.applicant, application=a), "You took it back"),
        (lambda w, a: w.signed(a.applicant, _approve(w, a)), "Granted"),
        (lambda w, a: _approve(w, a), "Read and sign"),  # noqa: PLW0108 defined below
    ],
)
def test_the_status_page_says_who_holds_the_ball(lyceum, mara, reach, words):
    application = lyceum.applied(mara)
    reach(lyceum, application)
    response = browser(mara).get(application.get_absolute_url())
    assert response.status_code == 200
    assert words in text(response)
    assert browser(lyceum.reviewers[1]).get(reverse("access:review", args=[application.pk])).status_code == 200


def _approve(world: Any, application: Application) -> Application:
    for reviewer in world.reviewers[:2]:
        application = actions.cast_vote(by=reviewer, application=application, vote=Vote.APPROVE)
    return application


def test_the_status_page_of_another_is_not_there(lyceum, mara, stranger):
    application = lyceum.applied(mara)
    for name in ("application", "withdraw", "sign"):
        assert browser(stranger).get(reverse(f"access:{name}", args=[application.pk])).status_code == 404
    assert browser(stranger).post(reverse("access:again", args=[application.pk])).status_code == 404


def test_the_queue_belongs_to_the_labs_own_staff(lyceum, harbour, mara, stranger):
    application = lyceum.applied(mara)
    queue, review = reverse("access:queue"), reverse("access:review", args=[application.pk])
    assert application.reference in text(browser(lyceum.reviewers[0]).get(queue))
    assert application.reference not in text(browser(harbour.reviewers[0]).get(queue))
    assert browser(harbour.reviewers[0]).get(review).status_code == 404
    assert browser(stranger).get(queue).status_code == 404
    assert browser(stranger).get(review).status_code == 404
    assert browser(mara).get(review).status_code == 404


def test_a_draft_is_seen_by_nobody_else(lyceum, mara):
    draft = actions.save_draft(by=mara, gate=lyceum.gate, answers={"title": "Mine alone"})
    assert browser(lyceum.reviewers[0]).get(reverse("access:review", args=[draft.pk])).status_code == 404


def test_a_reviewer_approves_in_two_clicks(lyceum, mara):
    application = lyceum.applied(mara)
    client = browser(lyceum.reviewers[0])
    link = reverse("access:review", args=[application.pk])
    assert f'href="{link}"' in client.get(reverse("access:queue")).content.decode()
    page = client.get(link)
    assert "How small models forget" in text(page)
    client.post(link, {"verb": "approve", "version": application.version})
    assert application.reviews.get().vote == Vote.APPROVE


def test_votes_of_others_are_hidden_until_ones_own_is_cast(lyceum, mara):
    application = lyceum.applied(mara)
    first, second, _ = lyceum.reviewers
    actions.cast_vote(by=first, application=application, vote=Vote.APPROVE, note="A sound plan.")
    link = reverse("access:review", args=[application.pk])
    before = text(browser(second).get(link))
    assert "A sound plan." not in before
    assert "1 vote is cast in this round" in before
    actions.cast_vote(by=second, application=application, vote=Vote.APPROVE)
    assert "A sound plan." in text(browser(second).get(link))


def test_a_decline_without_a_reason_is_refused_and_keeps_the_words(lyceum, mara):
    application = lyceum.applied(mara)
    link = reverse("access:review", args=[application.pk])
    response = browser(lyceum.reviewers[0]).post(link, {"verb": "decline", "message": "My long words"})
    assert response.status_code == 422
    assert "Choose a reason." in text(response)
    assert "My long words" in response.content.decode()


def test_a_stale_decision_is_told_not_made(lyceum, mara):
    application = lyceum.applied(mara)
    link = reverse("access:review", args=[application.pk])
    response = browser(lyceum.reviewers[0]).post(link, {"verb": "approve", "version": application.version - 1})
    assert "changed since you opened it" in text(response)
    assert not application.reviews.exists()


def test_signing_shows_the_whole_text_and_leads_to_the_receipt(lyceum, mara):
    application = lyceum.approved(mara)
    client = browser(mara)
    link = reverse("access:sign", args=[application.pk])
    page = client.get(link)
    assert "No passing on of weights." in text(page)
    assert lyceum.version.sha256[:8] in text(page)
    wrong = client.post(link, {"typed_name": "M", "capacity": "", "text_sha256": lyceum.version.sha256})
    assert wrong.status_code == 422
    assert "Type your name as it stands in your account: Mara Lindqvist." in text(wrong)
    typed = {"typed_name": "mara  lindqvist", "capacity": "for myself", "text_sha256": lyceum.version.sha256}
    response = client.post(link, typed)
    assert response.status_code == 302
    receipt = browser().get(response["Location"])
    assert "Receipt of signature" in text(receipt)
    assert "intact" in text(receipt)
    for name in ("receipt_json", "receipt_pdf"):
        signature = mara.signatures.get()
        assert browser().get(reverse(f"agreements:{name}", args=[signature.receipt_id])).status_code == 200


def test_the_agreement_and_an_unknown_version(lyceum):
    assert "Research only." in text(browser().get(lyceum.version.get_absolute_url()))
    missing = reverse("agreements:version", args=["lyceum", "research", 7])
    assert browser().get(missing).status_code == 404


def test_a_receipt_is_found_by_its_digest(lyceum, mara):
    lyceum.granted(mara)
    signature = mara.signatures.get()
    found = browser().get(reverse("agreements:find"), {"sha256": signature.document_sha256})
    assert found["Location"] == signature.get_absolute_url()
    assert browser().get(reverse("agreements:find"), {"sha256": "0" * 64}).status_code == 404
    assert browser().get(reverse("agreements:find")).status_code == 200


def test_a_manager_revokes_a_grant_on_the_page(lyceum, harbour, mara):
    grant = lyceum.granted(mara)
    client, link = browser(lyceum.manager), reverse("access:grant", args=[grant.pk])
    assert grant.reference in text(client.get(reverse("access:grants")))
    assert client.get(link).status_code == 200
    assert client.post(link, {"verb": "revoke", "reason": " "}).status_code == 422
    assert browser(harbour.manager).post(link, {"verb": "revoke", "reason": "x"}).status_code == 404
    assert browser(mara).post(link, {"verb": "revoke", "reason": "x"}).status_code == 404
    assert browser(lyceum.reviewers[0]).post(link, {"verb": "revoke", "reason": "x"}).status_code == 403
    assert Grant.objects.active().exists()
    client.post(link, {"verb": "suspend", "reason": "A question."})
    assert "A question." in text(browser(mara).get(reverse("access:mine")))
    client.post(link, {"verb": "resume"})
    client.post(link, {"verb": "revoke", "reason": "Passed on."})
    assert not Grant.objects.active().exists()
    assert "Passed on." in text(client.get(link))


def test_a_token_is_shown_once_and_revoked_after_asking(mara, stranger):
    client, link = browser(mara), reverse("tokens:list")
    assert "No tokens yet" in text(client.get(link))
    made = client.post(link, {"label": "laptop", "kind": "dl", "days": "30"})
    secret = re.search(r"wb_dl_[0-9A-Za-z]{38}", made.content.decode())
    assert secret
    assert "no-store" in made["Cache-Control"]
    assert secret.group() not in client.get(link).content.decode()
    again = client.post(link, {"label": "laptop", "kind": "dl", "days": "30"})
    assert again.status_code == 422
    assert "already" in text(again)
    token = AccessToken.objects.get()
    revoke = reverse("tokens:revoke", args=[token.pk])
    assert browser(stranger).post(revoke).status_code == 404
    assert "cannot be undone" in text(client.get(revoke))
    client.post(revoke)
    token.refresh_from_db()
    assert token.revoked_at


def test_who_has_signed_is_led_on_to_a_token_and_whoever_else_reads_the_receipt_is_not(mara, lyceum, stranger):
    grant = lyceum.granted(mara)
    receipt, link = mara.signatures.get().get_absolute_url(), f'href="{reverse("tokens:list")}">Make an access token'
    assert link in browser(mara).get(receipt).content.decode()
    assert link in browser(mara).get(f"/grants/{grant.pk}/mine/").content.decode()
    assert link not in browser(stranger).get(receipt).content.decode()
    assert link not in Client().get(receipt).content.decode()


def test_a_grantees_new_token_is_charged_to_the_project_of_the_grant_unless_they_choose_another(mara, lyceum):
    link, project = reverse("tokens:list"), lyceum.granted(mara).project
    client = browser(mara)
    assert f'<option value="{project.pk}" selected>' in client.get(link).content.decode()
    client.post(link, {"label": "mine", "kind": "q", "days": "30", "project": ""})
    assert AccessToken.objects.get().project == mara.owned_projects.get(kind="personal")


def test_a_stranger_is_not_offered_and_not_given_a_publish_token(mara, lyceum):
    link = reverse("tokens:list")
    assert 'value="pub"' not in browser(mara).get(link).content.decode()
    assert browser(mara).post(link, {"label": "x", "kind": "pub", "days": "30"}).status_code == 422
    assert 'value="pub"' in browser(lyceum.manager).get(link).content.decode()


def test_pages_without_anything_say_how_to_begin(mara, lyceum):
    assert "No applications yet" in text(browser(mara).get(reverse("access:mine")))
    assert "Nothing waits" in text(browser(lyceum.reviewers[0]).get(reverse("access:queue")))
    assert "No such grants" in text(browser(lyceum.manager).get(reverse("access:grants")))
    filtered = browser(lyceum.reviewers[0]).get(reverse("access:queue"), {"q": "nobody"})
    assert "Nothing matches" in text(filtered)
    approved = text(browser(lyceum.reviewers[0]).get(reverse("access:queue"), {"show": "approved"}))
    assert "No such applications" in approved
    assert "Nothing waits" not in approved


def test_your_access_shows_applications_grants_and_tokens(mara, lyceum):
    lyceum.granted(mara)
    page = text(browser(mara).get(reverse("people:me")))
    assert "lyceum large" in page
    assert "Access tokens" in page


def test_who_holds_access_is_told_so_instead_of_a_form(lyceum, mara):
    lyceum.granted(mara)
    assert "You hold access here" in text(browser(mara).get(lyceum.gate.get_absolute_url()))


@pytest.mark.parametrize("nul", ["", "\0"])
def test_a_form_with_a_nul_is_refused_and_changes_nothing(lyceum, stranger, nul):
    approved = lyceum.approved(stranger)
    signed = {"typed_name": stranger.name, "capacity": f"for{nul} myself", "text_sha256": lyceum.version.sha256}
    answer = browser(stranger).post(reverse("access:sign", args=[approved.pk]), signed)
    assert answer.status_code == (400 if nul else 302)
    assert stranger.grants.exists() == (not nul)
    if nul:
        assert "A text has a NUL in it" in answer.content.decode()


@pytest.mark.parametrize("nul", ["", "\0"])
def test_what_a_reviewer_writes_is_kept_without_a_nul(lyceum, mara, nul):
    application = lyceum.applied(mara)
    vote = {"verb": "approve", "note": f"Sound{nul} plan."}
    browser(lyceum.reviewers[0]).post(reverse("access:review", args=[application.pk]), vote)
    assert application.reviews.get().note == "Sound plan."


@pytest.mark.parametrize("note", ["Sound plan.", "Sound\0 plan."])
def test_a_fault_of_ours_is_no_fault_of_a_form(lyceum, mara, note, monkeypatch):
    def odd(**_said):
        raise LookupError("a vote like no other")

    monkeypatch.setattr("portal.access.actions.cast_vote", odd)
    application = lyceum.applied(mara)
    reviewer = Client(raise_request_exception=False)
    reviewer.force_login(lyceum.reviewers[0])
    answer = reviewer.post(reverse("access:review", args=[application.pk]), {"verb": "approve", "note": note})
    assert answer.status_code == 500


def test_a_form_that_is_out_of_date_says_so_on_a_page_of_ours_and_one_in_time_is_taken(db):
    client = Client(enforce_csrf_checks=True)
    language = {"language": "de", "next": "/"}
    refused = client.post("/me/language/", language, headers={"Accept": "text/html"})
    assert refused.status_code == 403
    assert "Go back, reload the page and send it again" in text(refused)
    assert "A gated model opens" not in text(refused)
    assert b"<style" not in refused.content  # the content policy would not let it be
    program = client.post("/me/language/", language, headers={"Accept": "application/json"})
    assert (program.status_code, program.json()["code"]) == (403, "form_out_of_date")
    shown = client.post("/me/language/", language, headers={"Authorization": "Bearer wb_dl_x"})
    assert (shown.status_code, shown.json()["code"]) == (403, "not_for_programs")
    assert "Programs ask below /api/v1" in shown.json()["title"], "no reload helps a program"

    client.get("/help/")
    token = client.cookies[settings.CSRF_COOKIE_NAME].value
    assert client.post("/me/language/", {**language, "csrfmiddlewaretoken": token}).status_code == 302


def test_an_operator_who_may_not_add_a_row_is_not_told_of_a_form(db):
    operator = User.objects.create_superuser("root@operator.example", "a long enough passphrase", name="Root")
    refused = browser(operator).get("/admin/access/application/add/")
    assert refused.status_code == 403
    assert "Your account has no right to this" in text(refused)
    assert "out of date" not in text(refused)
    assert "A gated model opens" not in text(refused)


def test_what_is_wrong_with_a_substitute_is_listed_in_the_order_of_the_form(lyceum):
    answer = browser(lyceum.reviewers[0]).post("/review/absence/", {"starts_on": "", "ends_on": ""})
    assert answer.status_code == 422
    read = text(answer)
    said = [read.index(words) for words in ("Substitute: Choose", "First day: Write", "Last day: Write")]
    assert said == sorted(said)
