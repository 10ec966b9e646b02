"""The pages of agreements: staff write, compare, publish and see who is outstanding; others see what is published."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.agreements.models import Agreement, ChangeClass
from portal.audit.models import Entry
from tests.portal import world
from tests.portal.test_signing_again import publish
from tests.portal.world import browser

NEXT = world.TEXT + "\n3. Delete every copy.\n"
NAMES = ("agreement", "agreement_draft", "agreement_discard", "agreement_publish", "agreement_outstanding")


def url(w, name, namespace="access"):
    return reverse(f"{namespace}:{name}", args=[w.lab.slug, w.agreement.slug])


def edits(w):
    return Agreement.objects.get(pk=w.agreement.pk).edits


def form(w, **changes):
    grace = (timezone.now() + timedelta(days=40)).date().isoformat()
    return {
        "text": NEXT, "points": "Delete it.\nCite us.", "change_class": "notice", "grace_on": grace, "edits": edits(w),
        **changes,
    }  # fmt: skip


def text_of(response) -> str:
    return " ".join(response.content.decode().split())


@pytest.mark.parametrize("change", [ChangeClass.BLOCKING, ChangeClass.EDITORIAL])
def test_the_day_that_the_form_proposes_is_in_nobodys_way_who_chooses_another_class(lyceum, change):
    manager = browser(lyceum.manager)
    begun = manager.get(url(lyceum, "agreement_draft")).context["form"].initial
    proposed = {"change_class": change.value, "grace_on": begun["grace_on"].isoformat()}
    kept = manager.post(url(lyceum, "agreement_draft"), form(lyceum, **proposed))
    assert kept.status_code == 302, text_of(kept)
    assert lyceum.agreement.draft().grace_ends_at is None
    typed = manager.post(url(lyceum, "agreement_draft"), form(lyceum, change_class=change.value))
    assert typed.status_code == 422, "a day that somebody chose is not dropped in silence"


def test_a_manager_writes_compares_and_publishes(lyceum, mara):
    lyceum.granted(mara)
    manager = browser(lyceum.manager)
    assert lyceum.agreement.title in text_of(manager.get(reverse("access:agreements")))
    page = text_of(manager.get(url(lyceum, "agreement_draft")))
    assert "No passing on of weights." in page, "one begins with the text in force"
    saved = manager.post(url(lyceum, "agreement_draft"), form(lyceum, next="publish"))
    assert saved["Location"] == url(lyceum, "agreement_publish")
    review = text_of(manager.get(saved["Location"]))
    assert '<ins><span class="vh">[added: </span>3. Delete every copy.<span class="vh">]</span></ins>' in review
    assert "Mara Lindqvist" in review
    assert "The one holder</a>: Mara Lindqvist" in review
    done = manager.post(url(lyceum, "agreement_publish"), {"edits": edits(lyceum)})
    assert done["Location"] == url(lyceum, "agreement")
    version = lyceum.agreement.current()
    assert (version.number, version.points, version.change_class) == (2, ["Delete it.", "Cite us."], "notice")
    assert version.grace_ends_at.strftime("%H:%M") == "23:59"
    assert "3. Delete every copy." in text_of(manager.get(url(lyceum, "agreement")))


@pytest.mark.parametrize("name", NAMES)
def test_staff_of_another_lab_and_strangers_find_nothing(lyceum, harbour, mara, name):
    browser(lyceum.manager).post(url(lyceum, "agreement_draft"), form(lyceum))
    for who in (harbour.manager, mara):
        assert browser(who).get(url(lyceum, name)).status_code == 404
        assert browser(who).post(url(lyceum, name), form(lyceum)).status_code in {404, 405}
    assert browser(mara).get(reverse("access:agreements")).status_code == 404
    assert Client().get(url(lyceum, name)).status_code == 302
    assert url(lyceum, "agreement") not in text_of(browser(harbour.manager).get(reverse("access:agreements")))
    assert lyceum.agreement.current().number == 1


@pytest.mark.parametrize("name", NAMES[1:4])
def test_a_reviewer_of_the_lab_reads_but_does_not_write(lyceum, name):
    browser(lyceum.manager).post(url(lyceum, "agreement_draft"), form(lyceum))
    reviewer = browser(lyceum.reviewers[0])
    assert reviewer.get(url(lyceum, "agreement")).status_code == 200
    assert "Write the next version" not in text_of(reviewer.get(url(lyceum, "agreement")))
    assert reviewer.post(url(lyceum, name), form(lyceum)).status_code == 403
    assert lyceum.agreement.current().number == 1


def test_a_draft_is_compared_by_the_lab_and_by_nobody_else(lyceum, harbour, mara):
    browser(lyceum.manager).post(url(lyceum, "agreement_draft"), form(lyceum))
    compare = url(lyceum, "compare", "agreements")
    assert "Delete every copy." in text_of(browser(lyceum.reviewers[0]).get(compare, {"from": 1, "to": 2}))
    for client in (browser(harbour.manager), browser(mara), Client()):
        assert client.get(compare, {"from": 1, "to": 2}).status_code == 404
        assert "Delete every copy." not in text_of(client.get(compare))
    draft = reverse("agreements:version", args=[lyceum.lab.slug, lyceum.agreement.slug, 2])
    assert browser(lyceum.manager).get(draft).status_code == 404


def test_published_versions_are_compared_by_anybody_at_an_address(lyceum):
    publish(lyceum, text=NEXT)
    publish(lyceum, text=world.TEXT)
    compare = url(lyceum, "compare", "agreements")
    page = text_of(Client().get(compare))
    assert "[deleted: </span>3. Delete every copy." in page
    assert "From version 2 to 3" in page
    assert "[added: </span>3. Delete every copy." in text_of(Client().get(compare, {"from": 1, "to": 2}))
    assert "the same to the letter" in text_of(Client().get(compare, {"from": 1, "to": 3}))
    for numbers in ({"to": 9}, {"from": "x"}, {"from": "\x00"}, {"to": "1' OR 1"}):
        assert Client().get(compare, numbers).status_code == 404


def test_the_page_of_a_version_shows_what_it_changed(lyceum):
    publish(lyceum, text=NEXT)
    assert "[added: </span>3. Delete every copy." in text_of(
        Client().get(lyceum.agreement.current().get_absolute_url())
    )
    assert "[added:" not in text_of(Client().get(lyceum.version.get_absolute_url()))


def test_who_saves_over_a_newer_draft_sees_both_texts_and_may_then_decide(lyceum):
    manager, seen = browser(lyceum.manager), edits(lyceum)
    manager.post(url(lyceum, "agreement_draft"), form(lyceum, text="Theirs, entirely."))
    late = manager.post(url(lyceum, "agreement_draft"), form(lyceum, text="Mine & <b>only</b> mine.", edits=seen))
    assert late.status_code == 409
    page = text_of(late)
    assert "Theirs, entirely." in page
    assert page.count("Mine &amp; &lt;b&gt;only&lt;/b&gt; mine.") == 2, "in the comparison and in the form"
    assert lyceum.agreement.draft().text == "Theirs, entirely.\n"
    again = form(lyceum, text="Mine after all.", edits=late.context["edits"])
    assert manager.post(url(lyceum, "agreement_draft"), again).status_code == 302
    assert lyceum.agreement.draft().text == "Mine after all.\n"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": ""}, "An agreement needs a text."),
        ({"text": "x" * 100_001}, "at most 100,000 characters"),
        ({"text": "a\x00b"}, "Null characters"),
        ({"points": "\n".join("x" * 13)}, "at most 12 points"),
        ({"change_class": ""}, "Choose what it asks"),
        ({"change_class": "sudden"}, "Select a valid choice"),
        ({"grace_on": ""}, "goes with the class"),
        ({"grace_on": "tomorrow"}, "year-month-day"),
        ({"grace_on": "2020-01-01"}, "Choose a date to come"),
        ({"change_class": "blocking"}, "goes with the class"),
    ],
)
def test_a_wrong_draft_is_answered_beside_the_field_and_loses_nothing(lyceum, changes, said):
    response = browser(lyceum.manager).post(url(lyceum, "agreement_draft"), form(lyceum, **changes))
    assert response.status_code == 422
    page = response.content.decode()
    assert said in page
    assert "Cite us." in page or "points" in changes
    assert lyceum.agreement.draft() is None


@pytest.mark.parametrize("edits_seen", ["", "x", "-1", "99999999999999999999", "0"])
def test_a_publication_of_something_else_than_was_read_does_not_happen(lyceum, edits_seen):
    manager = browser(lyceum.manager)
    manager.post(url(lyceum, "agreement_draft"), form(lyceum))
    response = manager.post(url(lyceum, "agreement_publish"), {"edits": edits_seen})
    assert response.status_code == 409
    assert "Not published" in text_of(response)
    assert lyceum.agreement.current().number == 1


def test_the_second_of_two_publishers_is_told_and_lands_on_the_agreement(lyceum):
    manager = browser(lyceum.manager)
    manager.post(url(lyceum, "agreement_draft"), form(lyceum))
    seen = {"edits": edits(lyceum)}
    manager.post(url(lyceum, "agreement_publish"), seen)
    late = manager.post(url(lyceum, "agreement_publish"), seen, follow=True)
    assert "Somebody saved, discarded or published" in text_of(late)
    assert lyceum.agreement.versions.count() == 2


def test_a_draft_is_discarded_after_a_second_look(lyceum):
    manager = browser(lyceum.manager)
    manager.post(url(lyceum, "agreement_draft"), form(lyceum))
    assert "Discard this draft?" in text_of(manager.get(url(lyceum, "agreement_discard")))
    manager.post(url(lyceum, "agreement_discard"), {"edits": edits(lyceum)})
    assert lyceum.agreement.draft() is None
    assert manager.get(url(lyceum, "agreement_discard")).status_code == 404


def test_the_list_of_who_is_outstanding_is_filtered_and_says_until_when(lyceum, mara, stranger):
    grant = lyceum.granted(mara)
    lyceum.granted(stranger)
    version = publish(lyceum, ChangeClass.NOTICE, days=30, text=NEXT)
    browser(mara).post(
        reverse("access:sign_again", args=[grant.pk]),
        {"typed_name": mara.name, "capacity": "for myself", "text_sha256": version.sha256},
    )
    manager = browser(lyceum.manager)
    listed = {
        show: {row.user for row in manager.get(url(lyceum, "agreement_outstanding"), {"show": show}).context["rows"]}
        for show in ("outstanding", "paused", "grace", "signed", "all", "nonsense")
    }
    assert listed == {
        "outstanding": {stranger}, "paused": set(), "grace": {stranger}, "signed": {mara},
        "all": {mara, stranger}, "nonsense": {stranger},
    }  # fmt: skip
    found = manager.get(url(lyceum, "agreement_outstanding"), {"show": "all", "q": "lindq"})
    assert [row.user for row in found.context["rows"]] == [mara]
    with time_machine.travel(version.grace_ends_at + timedelta(minutes=1)):
        manager = browser(lyceum.manager)
        late = manager.get(url(lyceum, "agreement_outstanding"), {"show": "paused"})
        assert [row.user for row in late.context["rows"]] == [stranger]


def test_the_list_as_a_file_cannot_run_a_formula_and_is_on_record(lyceum, harbour):
    lyceum.granted(world.person("=HYPERLINK(0)"))
    publish(lyceum, text=NEXT)
    response = browser(lyceum.manager).get(url(lyceum, "agreement_outstanding_csv"))
    rows = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))
    assert [(row["name"], row["state"], row["signed_version"]) for row in rows] == [("'=HYPERLINK(0)", "paused", "1")]
    entry = Entry.objects.get(event="holders.exported")
    assert (entry.actor, entry.data["rows"]) == (lyceum.manager.email, 1)
    assert browser(harbour.manager).get(url(lyceum, "agreement_outstanding_csv")).status_code == 404


def test_a_holder_is_reminded_on_their_pages_until_they_sign(lyceum, mara, stranger):
    grant = lyceum.granted(mara)
    client, sign = browser(mara), reverse("access:sign_again", args=[grant.pk])
    assert "left to sign" not in text_of(client.get("/me/"))
    version = publish(lyceum, ChangeClass.NOTICE, days=12, text=NEXT)
    for page in ("/me/", "/me/tokens/", "/me/usage/", "/applications/"):
        shown = text_of(client.get(page))
        assert "11 days left to sign." in shown, page
        assert sign in shown
        assert "left to sign" not in text_of(browser(stranger).get(page))
    with time_machine.travel(version.grace_ends_at + timedelta(minutes=1)):
        client = browser(mara)
        assert "Your access is paused." in text_of(client.get("/me/"))
        page = text_of(client.get(sign))
        assert "What changed since version 1, which you signed" in page
        assert "[added: </span>3. Delete every copy." in page
        assert "Your access is paused." not in page.split("<main")[0], "the page of signing needs no banner"
        client.post(sign, {"typed_name": mara.name, "capacity": "for myself", "text_sha256": version.sha256})
        assert "paused" not in text_of(client.get("/me/"))
        assert client.get(sign)["Location"].startswith("/receipts/"), "who has signed is shown the receipt"


def test_nobody_signs_under_anothers_grant(lyceum, mara, stranger):
    grant = lyceum.granted(mara)
    publish(lyceum, text=NEXT)
    assert browser(stranger).get(reverse("access:sign_again", args=[grant.pk])).status_code == 404
