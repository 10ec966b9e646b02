"""The pages of institutional agreements: for the official, for members and for the lab; not there for anybody else."""

from __future__ import annotations

import csv
import io

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from portal.access.institutional import Line, Status
from portal.access.institutional_models import InstitutionalAgreement, RosterLine
from portal.access.models import Grant
from portal.agreements.models import ChangeClass
from portal.audit.models import Entry
from portal.errors import Conflict
from portal.mail import registry
from portal.people.actions import suspend
from portal.people.models import EVIDENCE_LIFE, Affiliation, Institution, User
from tests.portal import seats, world
from tests.portal.test_queue_size import cost
from tests.portal.test_signing_again import publish
from tests.portal.world import browser

pytestmark = pytest.mark.django_db


def page(name: str, *args: object) -> str:
    return reverse(f"access:{name}", args=args)


def text(answer) -> str:
    return answer.content.decode()


# --- The whole way, by its pages


def test_from_the_question_to_a_seat_by_pages_alone(lyceum, official):
    asking, lab = browser(official), browser(lyceum.manager)
    assert lyceum.gate.title in text(asking.get(page("institutional_mine")))
    said = {"office": "vice-rector", "purpose": "Dissertations on forgetting.", "seats": "2", "days": "365"}
    made = asking.post(page("ask_institutional", lyceum.gate.slug), said, follow=True)
    assert "With the lab" in text(made)
    agreement = InstitutionalAgreement.objects.get()
    assert "1 institution waits for your answer" in text(lab.get(page("institutional_lab")))
    one = page("institutional_lab_one", agreement.pk)
    assert "Dissertations on forgetting." in text(lab.get(one)), "the first click"
    assert "Offered." in text(lab.post(one, {"verb": "approve", "seats": "2", "days": "365"}, follow=True)), (
        "the second"
    )
    sign = page("sign_institutional", agreement.pk)
    typed = {"typed_name": official.name, "text_sha256": lyceum.version.sha256}
    assert sign in text(asking.get(agreement.get_absolute_url()))
    assert "Research only." in text(asking.get(sign))
    assert asking.post(sign, {**typed, "typed_name": "I. S."}).status_code == 422
    assert "Signed for the institution." in text(asking.post(sign, typed, follow=True))
    mara = seats.member("Mara Lindqvist")
    asking.post(page("invite_to_roster", agreement.pk), {"people": mara.email})
    link = page("seat_invitation", seats.secret("roster_invited", mara.email))
    member = browser(mara)
    assert "I pass no weights on" in text(member.get(link))
    assert Grant.objects.count() == 0, "opening the link takes nothing"
    assert "Accepted." in text(member.post(link, {**typed, "typed_name": mara.name}, follow=True))
    assert "Mara Lindqvist" in text(asking.get(agreement.get_absolute_url()))
    row = page("roster_line", agreement.pk, RosterLine.objects.get().pk)
    assert "Remove Mara Lindqvist from the roster?" in text(asking.post(row, {"verb": "remove"}))
    assert Grant.objects.active().exists(), "asked once, before somebody's access ends"
    assert "the seat is free" in text(asking.post(row, {"verb": "remove", "sure": "1"}, follow=True))
    assert not Grant.objects.active().exists()


def test_a_paste_keeps_what_was_not_invited_in_the_box_with_its_reason(cover, official):
    invite = page("invite_to_roster", cover.pk)
    answer = browser(official).post(invite, {"people": "a@northfield.example\nb@gmail.com\n<script>"})
    shown = text(answer)
    assert answer.status_code == 422
    assert "1 invitation is on its way." in shown
    assert "b@gmail.com\n&lt;script&gt;</textarea>" in shown
    assert "gives an address to anyone" in shown
    assert "<script>" not in shown.split("<main", 1)[1]
    assert browser(official).post(invite, {"people": "x" * 400_000}).status_code == 422
    assert (
        browser(official)
        .post(invite, {"people": "\n".join(f"p{n}@northfield.example" for n in range(501))})
        .status_code
        == 422
    )


def test_wrong_terms_stand_beside_their_fields_and_nothing_is_lost(lyceum, official, cover):
    ask = page("ask_institutional", lyceum.gate.slug)
    answer = browser(official).post(ask, {"office": "", "purpose": "Kept words.", "seats": "many", "days": "1"})
    assert answer.status_code == 422
    assert "Kept words." in text(answer)
    assert "whole number" in text(answer)
    offer = browser(lyceum.manager).post(
        page("offer_institutional"),
        {"gate": lyceum.gate.slug, "address": "nobody@x.example", "office": "dean", "seats": "4", "days": "365"},
    )
    assert offer.status_code == 422
    assert "Nobody with this account address" in text(offer)


def test_a_manager_offers_pauses_resumes_and_revokes(lyceum, official):
    lab = browser(lyceum.manager)
    said = {"gate": lyceum.gate.slug, "address": official.email, "office": "dean", "seats": "4", "days": "365"}
    assert "Offered." in text(lab.post(page("offer_institutional"), said, follow=True))
    agreement = seats.signed(InstitutionalAgreement.objects.get())
    one = page("institutional_lab_one", agreement.pk)
    empty = lab.post(one, {"verb": "suspend", "reason": ""})
    assert (empty.status_code, "the official reads it" in text(empty)) == (422, True)
    for verb, status in (("suspend", "suspended"), ("resume", "in_force"), ("revoke", "revoked")):
        lab.post(one, {"verb": verb, "reason": "A question."})
        agreement.refresh_from_db()
        assert agreement.status == status
    assert "A question." in text(browser(official).get(agreement.get_absolute_url()))
    assert lab.post(one, {"verb": "bless"}).status_code == 422


def test_confirming_an_unchanged_roster_takes_two_clicks(cover, official):
    seats.seated(cover, seats.member("Mara Lindqvist"))
    client, attest = browser(official), page("attest", cover.pk)
    assert client.get(attest).status_code == 302, "not yet"
    seats.shift(cover, attest_by=10, lapses_at=40)
    assert attest in text(client.get(page("institutional_mine"))), "the first click"
    shown = text(client.get(attest))
    assert "This one person works at Northfield University" in shown
    version = InstitutionalAgreement.objects.get().version
    assert client.post(attest, {"version": "0"}).status_code == 409
    assert "Confirmed." in text(client.post(attest, {"version": str(version)}, follow=True)), "the second"


def test_who_confirms_an_empty_roster_says_that_nobody_holds_a_seat(cover, official):
    seats.shift(cover, attest_by=10, lapses_at=40)
    shown = text(browser(official).get(page("attest", cover.pk)))
    assert "Nobody of Northfield University holds a seat" in shown
    assert "All 0" not in shown


def test_an_official_and_who_came_too_late_read_of_one_seat_as_of_one(cover, official):
    client, roster = browser(official), cover.get_absolute_url()
    assert f"0 of {cover.seats} seats are taken." in text(client.get(roster))
    seats.seated(cover, seats.member("Mara Lindqvist"))
    assert f"1 of {cover.seats} seats is taken." in text(client.get(roster))
    InstitutionalAgreement.objects.update(seats=1)
    late = browser(seats.at_home("Kaarel Tamm")).post(page("join_institutional", cover.pk), follow=True)
    assert "All 1 seats" not in text(late)
    with pytest.raises(Conflict, match=r"^The one seat is taken\. Ask "):
        seats.seated(cover, seats.member("Bo Late"))


def test_the_link_to_pass_on_tells_each_what_to_do_next(cover, stranger):
    join = page("join_institutional", cover.pk)
    assert "Show where you work" in text(browser(stranger).get(join))
    assert browser(stranger).post(join).status_code == 409
    mara = seats.at_home("Mara Lindqvist")
    client = browser(mara)
    assert "Ask for a seat" in text(client.get(join))
    assert "You asked on" in text(client.post(join, follow=True))
    seats.shift(cover, starts_at=-9, ends_at=-1)
    assert client.get(join).status_code == 404


def test_the_official_takes_the_roster_as_a_file_that_harms_no_spreadsheet(cover, official):
    mara = seats.member("Mara Lindqvist")
    grant = seats.seated(cover, mara)
    User.objects.filter(pk=mara.pk).update(name="=HYPERLINK(1)")
    answer = browser(official).get(page("roster_export", cover.pk))
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    assert [(row["name"], row["state"], row["grant"]) for row in rows] == [
        ("'=HYPERLINK(1)", "seated", grant.reference)
    ]
    assert Entry.objects.get(event="roster.exported").data["rows"] == 1


# --- Not there


def test_an_officials_pages_are_not_there_for_anybody_else(cover, lyceum, harbour, stranger):
    mara = seats.member("Mara Lindqvist")
    seats.seated(cover, mara)
    line = RosterLine.objects.get().pk
    for somebody in (stranger, mara, harbour.manager, lyceum.manager, lyceum.reviewers[0]):
        client = browser(somebody)
        for name in ("institutional", "sign_institutional", "invite_to_roster", "attest", "end_institutional"):
            assert client.get(page(name, cover.pk)).status_code == 404, name
            assert client.post(page(name, cover.pk), {"people": "x@northfield.example"}).status_code == 404, name
        assert client.get(page("roster_export", cover.pk)).status_code == 404
        assert client.post(page("roster_line", cover.pk, line), {"verb": "remove"}).status_code == 404
    assert Grant.objects.active().filter(user=mara).exists()


def test_the_labs_pages_are_not_there_for_the_official_strangers_and_other_labs(cover, lyceum, harbour, official):
    one = page("institutional_lab_one", cover.pk)
    for somebody in (official, lyceum.reviewers[0]):
        for url in (one, page("institutional_lab"), page("offer_institutional")):
            assert browser(somebody).get(url).status_code == 404
    other = browser(harbour.manager)
    assert other.get(one).status_code == 404
    assert other.post(one, {"verb": "revoke", "reason": "x"}).status_code == 404
    assert seats.HOME not in text(other.get(page("institutional_lab")))
    said = {"gate": lyceum.gate.slug, "address": official.email, "office": "dean", "seats": "4", "days": "365"}
    assert other.post(page("offer_institutional"), said).status_code == 422, "no gate of theirs"


@pytest.mark.parametrize("who", ["a stranger", "nobody"])
def test_an_invitation_is_for_whom_it_went_to(cover, stranger, who):
    link = page("seat_invitation", seats.invited(cover, seats.member("Mara Lindqvist"))[0])
    client = browser(stranger) if who == "a stranger" else Client()
    assert client.get(link).status_code == (404 if who == "a stranger" else 302)
    assert client.post(link, {"verb": "decline"}).status_code == (404 if who == "a stranger" else 302)
    assert RosterLine.objects.get().status == Line.INVITED


# --- Size


def crowd(agreement: InstitutionalAgreement, count: int) -> None:
    """Invitations of `count` people, straight into the table: only their number matters here."""
    now = timezone.now()
    lines = [
        RosterLine(agreement=agreement, address=f"many{n}@northfield.example", mailbox=f"many{n}@northfield.example",
                   status=Line.INVITED, digest=f"{n:064d}", expires_at=now, since=now)
        for n in range(count)
    ]  # fmt: skip
    RosterLine.objects.bulk_create(lines, batch_size=2_000)
    world.counted()


@pytest.mark.parametrize("count", [0, 1, *world.CROWDS])
def test_the_roster_is_flat(cover, official, count):
    crowd(cover, count)
    client = browser(official)
    for query in ({}, {"q": "many12"}, {"page": "9999"}, {"page": "x"}, {"q": "\x00"}, {"show": "gone"}):
        queries, seconds = cost(client, cover.get_absolute_url(), **query)
        assert queries <= 12, (count, query, queries)
        assert seconds < 0.3, (count, query, seconds)


def ask_many(lyceum, official, count: int) -> None:
    """Agreements of `count` institutions, asked for, straight into the table: only their number matters here."""
    now = timezone.now()
    places = Institution.objects.bulk_create(
        [Institution(ror=f"https://ror.org/0m{n:07d}", name=f"Place {n}", search=f"place {n}") for n in range(count)]
    )
    InstitutionalAgreement.objects.bulk_create(
        [
            InstitutionalAgreement(institution=place, gate=lyceum.gate, official=official, office="dean", seats=5, days=9,
                                   status=Status.ASKED, capabilities=["query"], asked_at=now)
            for place in places
        ],
        batch_size=2_000,
    )  # fmt: skip
    world.counted()


@pytest.mark.parametrize("count", world.CROWDS)
def test_the_labs_list_is_flat(lyceum, official, count):
    lab, mine = browser(lyceum.manager), browser(official)
    before = cost(lab, page("institutional_lab"))[0]
    ask_many(lyceum, official, count)
    for query in ({}, {"show": "waiting"}, {"show": "running"}, {"show": "?"}, {"page": "100"}):
        queries, seconds = cost(lab, page("institutional_lab"), **query)
        assert queries <= max(before, 12), query
        assert seconds < 0.3, query
    assert cost(mine, page("institutional_mine"))[0] <= 12


@pytest.mark.parametrize(("count", "said"), [(0, ""), (1, "1 institution waits"), (1_200, "1,200 institutions wait")])
def test_a_lab_reads_as_a_number_how_many_institutions_wait_for_it(lyceum, official, count, said):
    ask_many(lyceum, official, count)
    shown = text(browser(lyceum.manager).get(page("institutional_lab")))
    assert f"{said} for your answer" in shown if count else "for your answer" not in shown


def test_what_the_public_learns_of_a_join_link_is_no_more_than_the_invitation_says(cover):
    seats.seated(cover, seats.member("Mara Lindqvist"))
    shown = text(browser(world.person("Ida Fremd")).get(page("join_institutional", cover.pk)))
    assert "Mara" not in shown
    assert "Ingrid Solberg" in shown


def test_a_manager_sees_that_the_official_is_shut_out_and_names_another_on_the_page(lyceum, client):
    cover, heir = seats.in_force(lyceum), seats.at_home("Sofia Heir")
    client.force_login(lyceum.manager)
    pages = ["/institutional/lab/", f"/institutional/lab/{cover.pk}/"]
    assert all("cannot sign in any more" not in client.get(page).content.decode() for page in pages)
    suspend(user=cover.official, by=world.person("Root"), reason="Has left.")
    assert all("cannot sign in any more" in client.get(page).content.decode() for page in pages)
    for address, office in (
        ("nobody@northfield.example", "dean"),
        (heir.email, ""),
        ("", "dean"),
        ("no address", "dean"),
    ):
        told = client.post(pages[1], {"verb": "name", "address": address, "office": office})
        assert (told.status_code, "error" in told.content.decode()) == (422, True)
    assert client.post(pages[1], {"verb": "name", "address": heir.email, "office": "dean"}).status_code == 302
    shown = client.get(pages[1]).content.decode()
    assert "Sofia Heir, dean" in shown
    assert "cannot sign in any more" not in shown


# --- The yearly confirmation, near its day and after it


def ran_out(official: User) -> None:
    """The proof that the official works there is a year old."""
    Affiliation.objects.filter(user=official).update(verified_at=timezone.now() - EVIDENCE_LIFE)


def test_whose_proof_has_run_out_is_led_to_renew_it_before_confirming_or_signing(lyceum, cover, official):
    seats.shift(cover, attest_by=10, lapses_at=40)
    attest, sign = page("attest", cover.pk), page("sign_institutional", cover.pk)
    assert "Show where you work" not in text(browser(official).get(attest)), "it counts still"
    ran_out(official)
    publish(lyceum, ChangeClass.BLOCKING)
    for path, button in ((attest, 'name="version"'), (sign, 'name="typed_name"')):
        shown = text(browser(official).get(path))
        assert reverse("people:address") in shown, path
        assert button not in shown, "what would be refused is not offered"


def test_who_signs_for_an_institution_sees_among_their_own_things_that_its_roster_waits(cover, official, stranger):
    attest = page("attest", cover.pk)
    assert attest not in text(browser(official).get(reverse("people:me"))), "nothing waits yet"
    seats.shift(cover, attest_by=10, lapses_at=40)
    assert attest in text(browser(official).get(reverse("people:me")))
    assert attest not in text(browser(stranger).get(reverse("people:me")))


def test_before_and_after_the_day_official_and_lab_are_told_what_is_true(lyceum, cover, official):
    def told(who: User, path: str) -> str:
        return text(browser(who).get(path))

    own, lab = cover.get_absolute_url(), page("institutional_lab_one", cover.pk)
    seats.shift(cover, attest_by=10, lapses_at=40)
    assert "The roster is to be confirmed by" in told(official, own)
    assert "roster confirmed until" in told(lyceum.manager, page("institutional_lab"))
    seats.shift(cover, attest_by=-5, lapses_at=25)
    assert "The roster was to be confirmed by" in told(official, own)
    assert "It was due by" in told(official, page("attest", cover.pk))
    assert "it was due by" in told(official, page("institutional_mine"))
    assert "roster not confirmed since" in told(lyceum.manager, page("institutional_lab"))
    assert "was to be confirmed by" in told(lyceum.manager, lab)
    seats.shift(cover, attest_by=-31, lapses_at=-1)
    assert "the seats stopped on" in told(lyceum.manager, lab)


def test_of_an_agreement_that_ends_before_the_day_nobody_is_told_that_its_seats_will_stop(lyceum, cover):
    one = page("institutional_lab_one", cover.pk)
    assert "to be confirmed by" in text(browser(lyceum.manager).get(one))
    seats.shift(cover, ends_at=300)
    assert "to be confirmed by" not in text(browser(lyceum.manager).get(one))
    assert "roster confirmed until" not in text(browser(lyceum.manager).get(page("institutional_lab")))


def test_the_reminder_after_the_day_does_not_ask_for_a_word_by_a_day_that_is_over():
    about = {**registry.letter("attestation_due").sample, "overdue": True}
    assert "was to be confirmed by" in render_to_string("emails/attestation_due.subject.txt", about)
    assert "Confirm the roster" in render_to_string("emails/attestation_due.subject.txt", {**about, "overdue": False})


def test_what_shows_where_somebody_works_is_told_in_the_readers_language(lyceum, cover, official, monkeypatch):
    one = page("institutional_lab_one", cover.pk)
    assert "address at northfield.example, good until" in text(browser(lyceum.manager).get(one))
    monkeypatch.setattr(translation._trans, "gettext", lambda said: f"[{said}]")
    assert "[address at northfield.example]" in text(browser(lyceum.manager).get(one))
