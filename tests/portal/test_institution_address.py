"""An address at the institution, shown by a mailed link: who may, who may not, and for how long it counts."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone

from portal.access import actions
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotFound
from portal.outbox import delivery
from portal.people import ror
from portal.people.affiliation_actions import Place, affiliate, confirm_address, mail_proof
from portal.people.institution_actions import accept_domain, import_register
from portal.people.models import Affiliation, Institution, MailedProof, User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _register(db):
    import_register(ror.read(ror.SAMPLE), by=None)


@pytest.fixture
def employed(mara) -> User:
    affiliate(by=mara, place=Place("Northfield University"))
    return mara


def link_in_mail(capture, by: User, address: str) -> str:
    """The secret that was mailed."""
    mail.outbox.clear()
    with capture(execute=True):
        mail_proof(by=by, address=address)
    delivery.deliver_due()
    assert mail.outbox[0].to == [address]
    return re.search(r"/me/address/([\w-]+)/", mail.outbox[0].body)[1]


def test_whoever_follows_the_link_has_shown_where_they_work(employed, django_capture_on_commit_callbacks):
    secret = link_in_mail(django_capture_on_commit_callbacks, employed, "mara@cs.northfield.example")
    assert not Affiliation.objects.current().get(user=employed).is_verified
    place = confirm_address(by=employed, secret=secret)
    assert place.is_verified
    assert place.evidence == "address at cs.northfield.example"
    assert secret not in MailedProof.objects.get().digest
    assert not Entry.objects.filter(data__icontains="mara@").exists()


def test_the_link_asks_before_it_counts_and_works_twice_but_not_for_another(
    employed, stranger, django_capture_on_commit_callbacks
):
    secret = link_in_mail(django_capture_on_commit_callbacks, employed, "mara@northfield.example")
    browser, other = Client(), Client()
    browser.force_login(employed)
    other.force_login(stranger)
    assert other.get(f"/me/address/{secret}/").status_code == 404
    assert other.post(f"/me/address/{secret}/").status_code == 404
    assert browser.get(f"/me/address/{secret}/").status_code == 200
    assert not Affiliation.objects.current().get(user=employed).is_verified, (
        "a scanner that follows links shows nothing"
    )
    assert browser.post(f"/me/address/{secret}/").status_code == 302
    assert browser.post(f"/me/address/{secret}/").status_code == 302
    assert Entry.objects.filter(event="affiliation.verified").count() == 1


def test_a_link_lives_a_day(employed, django_capture_on_commit_callbacks):
    secret = link_in_mail(django_capture_on_commit_callbacks, employed, "mara@northfield.example")
    with time_machine.travel(timezone.now() + timedelta(hours=25)), pytest.raises(NotFound, match="run out"):
        confirm_address(by=employed, secret=secret)


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("mara@gmail.com", "gives an address to anyone"),
        ("mara@saltmarsh.example", "northfield.example"),
        ("mara@notnorthfield.example", "northfield.example"),
        ("mara@northfield.example.evil.example", "northfield.example"),
        ("mara", "whole address"),
        ("mara@northfield.example\nBcc: all@x.example", "whole address"),
        ("@northfield.example", "whole address"),
    ],
)
def test_an_address_elsewhere_is_refused_with_what_to_do(employed, address, word):
    with pytest.raises(Invalid) as refused:
        mail_proof(by=employed, address=address)
    assert word in refused.value.fields["address"][0]
    assert not MailedProof.objects.exists()


def test_the_page_keeps_what_was_typed_and_says_what_is_wrong(employed):
    browser = Client()
    browser.force_login(employed)
    answer = browser.post("/me/address/", {"address": "mara@gmail.com"})
    assert answer.status_code == 422
    assert 'value="mara@gmail.com"' in answer.content.decode()
    assert "gives an address to anyone" in answer.content.decode()


def test_one_mailbox_shows_one_person_whatever_its_case_and_tags(
    employed, stranger, django_capture_on_commit_callbacks
):
    affiliate(by=stranger, place=Place("Northfield University"))
    late = link_in_mail(django_capture_on_commit_callbacks, stranger, "Mara+mine@Northfield.example")
    secret = link_in_mail(django_capture_on_commit_callbacks, employed, "mara@northfield.example")
    confirm_address(by=employed, secret=secret)
    with pytest.raises(Invalid, match="Another account"):
        mail_proof(by=stranger, address="MARA+other@northfield.EXAMPLE")
    with pytest.raises(Conflict, match="Another account"):
        confirm_address(by=stranger, secret=late)


def test_it_counts_for_a_year_and_can_be_shown_again(employed, django_capture_on_commit_callbacks):
    confirm_address(
        by=employed, secret=link_in_mail(django_capture_on_commit_callbacks, employed, "mara@northfield.example")
    )
    with time_machine.travel(timezone.now() + timedelta(days=366), tick=True):
        assert not Affiliation.objects.current().get(user=employed).is_verified
        again = link_in_mail(django_capture_on_commit_callbacks, employed, "mara@northfield.example")
        assert confirm_address(by=employed, secret=again).is_verified


def test_another_institution_begins_without_evidence(employed, django_capture_on_commit_callbacks):
    secret = link_in_mail(django_capture_on_commit_callbacks, employed, "mara@northfield.example")
    confirm_address(by=employed, secret=secret)
    assert not affiliate(by=employed, place=Place("University of Saltmarsh")).is_verified
    with pytest.raises(NotFound):
        confirm_address(by=employed, secret=secret)


def test_a_reviewed_domain_counts_too_and_a_public_one_cannot_be_reviewed(employed):
    place = Institution.objects.get(name="Northfield University")
    with pytest.raises(Invalid):
        mail_proof(by=employed, address="mara@student.nfu.example")
    accept_domain(institution=place, domain="@nfu.example", by=None)
    mail_proof(by=employed, address="mara@student.nfu.example")
    for domain in ("gmail.com", "nonsense", "a b.example", ""):
        with pytest.raises(Invalid):
            accept_domain(institution=place, domain=domain, by=None)


def test_without_a_listed_institution_there_is_nothing_to_show(mara):
    with pytest.raises(Conflict, match="register first"):
        mail_proof(by=mara, address="mara@northfield.example")


def test_five_links_a_day_are_enough(employed):
    for number in range(5):
        mail_proof(by=employed, address=f"mara+{number}@northfield.example")
    with pytest.raises(Invalid, match="enough mail"):
        mail_proof(by=employed, address="mara@northfield.example")


def test_triage_reads_the_evidence(lyceum, employed, django_capture_on_commit_callbacks):
    employed.email = "mara@northfield.example"
    employed.save()
    before = lyceum.applied(employed, institution="Northfield University")
    assert "institution-unverified" in before.triage["rules"]
    secret = link_in_mail(django_capture_on_commit_callbacks, employed, "mara@northfield.example")
    confirm_address(by=employed, secret=secret)
    actions.withdraw(by=employed, application=before)
    after = actions.submit(by=employed, application=actions.apply_again(by=employed, application=before))
    assert {"institution-verified", "address-on-domain"} <= set(after.triage["rules"])
    actions.withdraw(by=employed, application=after)
    elsewhere = lyceum.applied(employed, institution="University of Saltmarsh")
    assert "institution-unverified" in elsewhere.triage["rules"], "the evidence is for another place"
