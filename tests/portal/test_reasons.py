"""Each typed reason has its own words in the mail; a lab may replace them and never loses the default."""

from __future__ import annotations

import pytest
from django.urls import reverse

from portal.access import actions, reasons
from portal.access.application_models import Change, Decline
from portal.access.desk_models import ReasonText
from portal.audit.models import Entry
from portal.errors import Invalid, NotAllowed, NotFound
from portal.mail.sending import render
from portal.outbox.models import Message
from tests.portal.world import browser

OWN = "We open these models to schools & universities <only>."


def mailed(template: str) -> tuple[str, str]:
    payload = Message.objects.filter(payload__template=template).latest("id").payload
    mail = render(template, {**payload["context"], "base_url": "https://models.example"})
    return str(mail.body), str(mail.alternatives[0][0])


def test_every_reason_has_default_words_and_no_two_the_same():
    words = [reasons.default(name) for name in reasons.LABELS]
    assert all(words)
    assert len(set(words)) == len(words)


def test_a_request_for_changes_says_its_kind_on_the_page_and_in_the_mail(lyceum, mara):
    application = lyceum.applied(mara)
    link = reverse("access:review", args=[application.pk])
    asked = {"verb": "changes", "change": "custody", "message": "Which cluster?", "version": application.version}
    browser(lyceum.reviewers[0]).post(link, asked)
    application.refresh_from_db()
    assert application.change == Change.CUSTODY
    page = browser(mara).get(application.get_absolute_url()).content.decode()
    assert "How the weights would be kept" in page
    assert "Which cluster?" in page
    text, html = mailed("changes_requested")
    for said in (text, html):
        assert "who administers the machine" in said
        assert "Which cluster?" not in said
    assert Entry.objects.get(event="application.changes_requested").data["reason"] == "custody"
    assert actions.submit(by=mara, application=application).change == ""


def test_an_unknown_kind_of_change_is_refused(lyceum, mara):
    with pytest.raises(Invalid):
        actions.request_changes(
            by=lyceum.reviewers[0],
            application=lyceum.applied(mara),
            message="x",
            reason="whim",
        )


def test_a_labs_own_words_stand_in_its_mails_alone_and_the_default_comes_back(lyceum, harbour, mara):
    actions.word_reason(by=lyceum.manager, lab=lyceum.lab, reason="declined_purpose", text=OWN)

    def declined(w) -> tuple[str, str]:
        actions.decline(by=w.reviewers[0], application=w.applied(mara), reason=Decline.PURPOSE, message="No.")
        return mailed("application_declined")

    text, html = declined(lyceum)
    assert OWN in text, "plain text is not escaped"
    assert "schools &amp; universities &lt;only&gt;" in html
    assert reasons.default("declined_purpose") in declined(harbour)[0]
    actions.word_reason(by=lyceum.manager, lab=lyceum.lab, reason="declined_purpose", text="  ")
    assert not ReasonText.objects.exists()
    assert reasons.default("declined_purpose") in declined(lyceum)[0]


def test_only_the_labs_managers_word_reasons(lyceum, harbour, stranger):
    with pytest.raises(NotAllowed):
        actions.word_reason(by=lyceum.reviewers[0], lab=lyceum.lab, reason="declined_other", text=OWN)
    for outsider in (harbour.manager, stranger):
        with pytest.raises(NotFound):
            actions.word_reason(by=outsider, lab=lyceum.lab, reason="declined_other", text=OWN)
    with pytest.raises(NotFound):
        actions.word_reason(by=lyceum.manager, lab=lyceum.lab, reason="../secrets", text=OWN)
    with pytest.raises(Invalid):
        actions.word_reason(by=lyceum.manager, lab=lyceum.lab, reason="declined_other", text="x" * 1_001)


def test_a_manager_sees_the_mail_before_keeping_the_words(lyceum, harbour, stranger):
    link = reverse("access:reason", args=["lyceum", "declined_purpose"])
    client = browser(lyceum.manager)
    assert reasons.default("declined_purpose") in client.get(link).content.decode()
    assert client.post(link, {"text": OWN, "preview": "1"}).content.decode().count("schools &amp; universities") == 2
    assert not ReasonText.objects.exists()
    client.post(link, {"text": OWN, "save": "1"})
    assert "schools &amp; universities" in client.get(reverse("access:reasons")).content.decode()
    assert browser(lyceum.reviewers[0]).get(link).status_code == 200
    assert browser(lyceum.reviewers[0]).post(link, {"text": "x", "save": "1"}).status_code == 403
    for outsider in (harbour.manager, stranger):
        assert browser(outsider).get(link).status_code == 404
    assert client.get(reverse("access:reason", args=["lyceum", "declined_whim"])).status_code == 404
    assert "schools" not in browser(harbour.manager).get(reverse("access:reasons")).content.decode()
