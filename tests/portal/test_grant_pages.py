"""The pages and the API of a grant's life: for its holder, for the lab, and not there for anybody else."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from portal.access import actions
from portal.access.lifetime import RenewalStatus
from portal.access.lifetime_models import Renewal
from portal.access.models import Grant
from portal.audit.models import Entry
from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind, Scope
from tests.portal import world
from tests.portal.test_grant_life import DAY, STATEMENT, closed_out, green
from tests.portal.test_queue_size import cost
from tests.portal.world import browser


def page(name: str, grant: Grant) -> str:
    return reverse(f"access:{name}", args=[grant.pk])


@pytest.fixture
def grant(lyceum, mara):
    return lyceum.granted(mara)


@pytest.fixture
def near(grant):
    with time_machine.travel(grant.ends_at - 30 * DAY, tick=False) as clock:
        yield clock


# --- The holder


def test_with_nothing_to_report_a_renewal_takes_two_clicks(lyceum, mara, grant, near):
    green(grant, lyceum.gate)
    client = browser(mara)
    renew = page("renew", grant)
    assert f'href="{renew}"' in client.get(reverse("people:me")).content.decode(), "the first click"
    shown = client.get(renew).content.decode()
    assert 'value="nothing"' in shown
    assert "Granted at once." in shown
    answer = client.post(renew, {"verb": "nothing"}, follow=True)
    assert "Renewed." in answer.content.decode(), "the second"
    assert Renewal.objects.get().status == RenewalStatus.GRANTED


def test_a_report_goes_to_the_lab_and_too_long_an_answer_loses_nothing(lyceum, mara, grant, near):
    client, renew = browser(mara), page("renew", grant)
    typed = {"verb": "report", "publications": "One preprint.", "use_summary": "x" * 4_001}
    answer = client.post(renew, typed)
    assert answer.status_code == 422
    assert "One preprint." in answer.content.decode()
    assert "at most 4,000" in answer.content.decode()
    client.post(renew, {**typed, "use_summary": "Probing."})
    lab = browser(lyceum.reviewers[0])
    read = lab.get(page("grant", grant)).content.decode()
    assert "One preprint." in read
    lab.post(page("grant", grant), {"verb": "approve"})
    assert Renewal.objects.get().status == RenewalStatus.GRANTED


def test_a_page_says_when_one_can_renew_and_what_to_sign_first(lyceum, mara, grant):
    client, renew = browser(mara), page("renew", grant)
    assert "You can renew it from" in client.get(renew).content.decode()
    assert client.post(renew, {"verb": "nothing"}).status_code == 409
    with time_machine.travel(grant.ends_at - 30 * DAY):
        world.agreements.publish_version(by=lyceum.manager, agreement=lyceum.agreement, text=world.TEXT + "More.\n")
        client = browser(mara)
        assert reverse("access:sign_again", args=[grant.pk]) in client.get(renew).content.decode()


def test_the_holder_takes_a_renewal_back(mara, grant, near):
    actions.renew(by=mara, grant=grant)
    client = browser(mara)
    mine = client.get(reverse("people:me")).content.decode()
    assert "your renewal is with the lab" in mine
    assert page("renew", grant) not in mine
    assert "Take the renewal back" in client.get(page("my_grant", grant)).content.decode()
    client.post(page("my_grant", grant))
    assert Renewal.objects.get().status == RenewalStatus.WITHDRAWN


def test_the_holder_reads_the_reason_and_the_date_and_attests(lyceum, mara, grant):
    actions.revoke_grant(by=lyceum.manager, grant=grant, reason="Weights were passed on.")
    client = browser(mara)
    read = client.get(page("my_grant", grant)).content.decode()
    assert "Weights were passed on." in read
    assert "Noor Haddad" not in read, "the holder is not told who"
    assert "Deletion due" in read
    close = page("close_out", grant)
    assert f'href="{close}"' in client.get(reverse("people:me")).content.decode()
    wrong = client.post(close, {"typed_name": "M.", "deleted_on": "yesterday", "statement": STATEMENT})
    assert wrong.status_code == 422
    assert STATEMENT in wrong.content.decode(), "nothing typed is lost"
    typed = {"typed_name": mara.name, "deleted_on": timezone.now().date().isoformat(), "statement": STATEMENT}
    assert "closed out" in client.post(close, typed, follow=True).content.decode()
    assert STATEMENT in browser(lyceum.manager).get(page("grant", grant)).content.decode()
    assert client.get(close).status_code == 302, "once is enough"


@pytest.mark.parametrize("name", ["my_grant", "renew", "close_out"])
def test_a_holders_pages_are_not_there_for_anybody_else(lyceum, harbour, grant, stranger, name):
    for somebody in (stranger, harbour.manager, lyceum.manager, lyceum.reviewers[0]):
        client = browser(somebody)
        assert client.get(page(name, grant)).status_code == 404
        assert client.post(page(name, grant), {"verb": "nothing"}).status_code == 404
    assert Client().get(page(name, grant)).status_code == 302


# --- The lab


def test_the_labs_pages_are_not_there_for_the_holder_strangers_and_other_labs(lyceum, harbour, mara, grant, stranger):
    for somebody in (mara, stranger):
        client = browser(somebody)
        for url in (page("grant", grant), reverse("access:grants"), reverse("access:grants_export")):
            assert client.get(url).status_code == 404
    other = browser(harbour.manager)
    assert other.get(page("grant", grant)).status_code == 404
    assert other.post(page("grant", grant), {"verb": "revoke", "reason": "x"}).status_code == 404
    assert mara.email not in other.get(reverse("access:grants"), {"show": "all"}).content.decode()
    assert mara.email not in b"".join(other.get(reverse("access:grants_export"), {"show": "all"})).decode()


def test_a_reviewer_declines_a_renewal_with_words(lyceum, mara, grant, near):
    actions.renew(by=mara, grant=grant)
    client = browser(lyceum.reviewers[0])
    empty = client.post(page("grant", grant), {"verb": "decline", "message": ""})
    assert empty.status_code == 422
    assert "in a sentence or two" in empty.content.decode()
    client.post(page("grant", grant), {"verb": "decline", "message": "The project has ended."})
    assert "The project has ended." in browser(mara).get(page("my_grant", grant)).content.decode()


def test_a_reviewer_who_approves_reads_the_new_end_as_every_page_writes_a_day(lyceum, mara, grant, near):
    actions.renew(by=mara, grant=grant)
    client = browser(lyceum.reviewers[0])
    said = client.post(page("grant", grant), {"verb": "approve"}, follow=True).content.decode()
    grant.refresh_from_db()
    assert f"Renewed until {date_format(grant.ends_at)}." in said


def test_a_manager_does_not_decide_on_renewals_nor_a_reviewer_on_revocation(lyceum, mara, grant, near):
    actions.renew(by=mara, grant=grant)
    manager, reviewer = browser(lyceum.manager), browser(lyceum.reviewers[0])
    assert "Approve renewal" not in manager.get(page("grant", grant)).content.decode()
    assert manager.post(page("grant", grant), {"verb": "approve"}).status_code == 403
    assert "Revoke grant" not in reviewer.get(page("grant", grant)).content.decode()
    assert reviewer.post(page("grant", grant), {"verb": "revoke", "reason": "x"}).status_code == 403


def listed(client: Client, **query: str) -> set[str]:
    return set(re.findall(r"G-\d{4}-[0-9a-f]{8}(?=</a>)", client.get(reverse("access:grants"), query).content.decode()))


def test_every_filter_of_the_grants_stands_in_the_address(lyceum, mara):
    people = [world.person(f"Person {n}") for n in range(4)]
    soon, revoked, done, plain = (lyceum.granted(each) for each in people)
    with time_machine.travel(soon.ends_at - 30 * DAY):
        actions.renew(by=soon.user, grant=soon)
    Grant.objects.filter(pk=soon.pk).update(ends_at=timezone.now() + 5 * DAY)
    actions.revoke_grant(by=lyceum.manager, grant=revoked, reason="x")
    Grant.objects.filter(pk=revoked.pk).update(deletion_due_at=timezone.now() - DAY)
    closed_out(done.user, done)
    client = browser(lyceum.manager)
    assert listed(client) == {soon.reference, plain.reference}
    assert listed(client, show="revoked") == {revoked.reference}
    assert listed(client, show="closed_out") == {done.reference}
    assert listed(client, within="7") == {soon.reference}
    assert listed(client, waits="renewal") == {soon.reference}
    assert listed(client, waits="deletion") == {revoked.reference}
    assert listed(client, show="all", q=plain.reference) == {plain.reference}
    assert listed(client, show="all", q="Person 2") == {done.reference}
    assert listed(client, show="all", gate="another") == set()
    shown = client.get(reverse("access:grants")).content.decode()
    assert "1 renewal waits for you" in shown
    assert "1 attestation is overdue" in shown


@pytest.mark.parametrize(
    "query", [{"page": "x"}, {"q": "\x00"}, {"show": "?"}, {"within": "-1"}, {"within": "9" * 40}, {"waits": "'"}]
)
def test_strange_filters_are_no_fault(lyceum, grant, query):
    client = browser(lyceum.manager)
    assert client.get(reverse("access:grants"), query).status_code == 200
    assert client.get(reverse("access:grants_export"), query).status_code == 200


def test_the_file_holds_every_row_harms_no_spreadsheet_and_is_in_the_trail(lyceum, mara, grant):
    User.objects.filter(pk=mara.pk).update(name="=HYPERLINK(1)")
    answer = browser(lyceum.manager).get(reverse("access:grants_export"))
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    assert [row["reference"] for row in rows] == [grant.reference]
    assert rows[0]["holder"] == "'=HYPERLINK(1)"
    assert Entry.objects.get(event="grants.exported").data["rows"] == 1


def crowd(w, count: int) -> None:
    """Grants of `count` people, straight into the table: only their number matters here."""
    from portal.projects.models import Project

    now = timezone.now()
    people = User.objects.bulk_create(
        [User(email=f"many{n}@crowd{n % 97}.example", name=f"Many {n}") for n in range(count)], batch_size=2_000
    )
    project = Project.objects.create(owner=w.manager, title="Crowd", kind="granted", lab=w.lab)
    Grant.objects.bulk_create(
        [
            Grant(project=project, user=each, gate=w.gate, capabilities=["download"], starts_at=now - timedelta(minutes=n),
                  ends_at=now + timedelta(days=1 + n % 300))
            for n, each in enumerate(people)
        ],
        batch_size=2_000,
    )  # fmt: skip
    world.counted()


@pytest.mark.parametrize("count", world.CROWDS)
def test_the_list_is_flat(lyceum, count):
    client, url = browser(lyceum.manager), reverse("access:grants")
    queries = ({}, {"show": "all", "q": "Many 12"}, {"within": "30", "page": "2"}, {"waits": "deletion"})
    crowd(lyceum, 60)
    few = [cost(client, url, **query)[0] for query in queries]
    Grant.objects.filter(project__title="Crowd").delete()
    User.objects.filter(email__startswith="many").delete()
    crowd(lyceum, count)
    many = [cost(client, url, **query) for query in queries]
    assert [queries for queries, _ in many] == few
    assert max(queries for queries, _ in many) <= 12
    assert max(seconds for _, seconds in many) < 0.3


# --- The API


def bearer(user: User, kind: Kind, scopes: set[Scope] | None = None) -> Client:
    _, secret = tokens.issue(by=user, kind=kind, label=f"api {kind}", scopes=scopes)
    return Client(headers={"Authorization": f"Bearer {secret}"})


def post(caller: Client, grant: Grant, verb: str, **body):
    return caller.post(f"/api/v1/grants/{grant.pk}/{verb}", body, content_type="application/json")


def test_the_whole_life_by_api(lyceum, mara, grant, near):
    holder, reviewer = browser(mara), bearer(lyceum.reviewers[0], Kind.REVIEW)
    manager = bearer(lyceum.manager, Kind.SERVICE, {Scope.MANAGE})
    sent = post(holder, grant, "renew", report={"publications": "One."}).json()
    assert sent["renewals"][0]["report"]["publications"] == "One."
    listed = manager.get("/api/v1/grants", {"waits": "renewal"}).json()
    assert [row["reference"] for row in listed["results"]] == [grant.reference]
    assert post(reviewer, grant, "approve-renewal").json()["renewals"][0]["status"] == "granted"
    assert post(manager, grant, "revoke", reason="x").json()["deletion_due_at"]
    done = post(
        holder, grant, "close-out", typed_name=mara.name, deleted_on=str(timezone.now().date()), statement="Gone."
    )
    assert done.json()["state"] == "closed_out"
    assert manager.get(f"/api/v1/grants/{grant.pk}").json()["attestation"]["statement"] == "Gone."


def test_no_token_speaks_for_a_holder_and_no_scope_for_another(lyceum, mara, grant, near):
    assert post(bearer(mara, Kind.DOWNLOAD), grant, "renew").json()["code"] == "insufficient_scope"
    assert post(bearer(lyceum.reviewers[0], Kind.REVIEW), grant, "revoke", reason="x").status_code == 403
    assert post(bearer(lyceum.manager, Kind.SERVICE, {Scope.MANAGE}), grant, "approve-renewal").status_code == 403
    assert not Renewal.objects.exists()


def test_the_api_says_what_is_wrong(lyceum, harbour, mara, grant, stranger):
    assert post(browser(mara), grant, "bless").status_code == 404
    assert post(browser(mara), grant, "renew").status_code == 409
    assert post(browser(mara), grant, "renew", report={"mood": "good"}).status_code == 400
    assert "deleted_on" in post(browser(mara), grant, "close-out", deleted_on="yesterday").json()["fields"]
    assert set(post(browser(mara), grant, "close-out").json()["fields"]) == {"typed_name", "deleted_on", "statement"}
    for somebody in (stranger, harbour.manager):
        assert browser(somebody).get(f"/api/v1/grants/{grant.pk}").status_code == 404
        assert post(browser(somebody), grant, "renew").status_code == 404
        assert post(browser(somebody), grant, "revoke", reason="x").status_code == 404
    assert browser(lyceum.manager).get("/api/v1/grants", {"show": "blessed"}).status_code == 400
    assert post(Client(), grant, "renew").status_code == 401
