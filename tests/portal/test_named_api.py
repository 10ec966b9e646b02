"""Members and referees by program: the applicant names them, each answers by the secret of the mail, nobody else can."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portal.access import actions
from portal.access.models import Grant
from portal.access.referees import RefereeVerb
from portal.people.models import User
from portal.tokens.scopes import Kind
from tests.portal import seats, world
from tests.portal.test_access_api import client, post
from tests.portal.world import World, browser

JSON = {"content_type": "application/json"}


@pytest.fixture
def ana(db: None) -> User:
    made = world.person("Ana Duarte")
    EmailAddress.objects.create(user=made, email=made.email, verified=True, primary=True)
    return made


@pytest.fixture
def guarded(lyceum: World) -> World:
    """The gate asks for one referee, and for one reviewer."""
    lyceum.gate = actions.change_gate(by=lyceum.manager, gate=lyceum.gate, confirmations=1, quorum=1)
    return lyceum


def test_a_lead_invites_by_program_and_the_member_signs_with_the_mailed_secret(lyceum, mara, ana, stranger):
    grant = lyceum.granted(mara)
    url, lead = f"/api/v1/applications/{grant.application_id}/team", browser(mara)
    made = post(lead, url, name=ana.name, email=ana.email)
    assert (made.status_code, made.json()["status"], made.json()["can"]) == (201, "invited", ["remind", "remove"])
    link = f"/api/v1/invitations/{seats.secret('member_invited')}"
    told = Client().get(link).json()
    assert (told["lead"], told["gate"], told["agreement"]["text"]) == (mara.name, "lyceum/lyceum-large", world.TEXT)
    signed = {"typed_name": ana.name, "capacity": "for myself", "text_sha256": told["agreement"]["text_sha256"]}
    assert post(Client(), f"{link}/accept", **signed).status_code == 401
    assert post(browser(stranger), f"{link}/accept", **signed).json()["code"] == "other_address"
    assert post(client(ana, Kind.DOWNLOAD), f"{link}/accept", **signed).json()["code"] == "insufficient_scope"
    assert post(browser(ana), f"{link}/accept", **signed).status_code == 201
    (row,) = lead.get(url).json()["results"]
    assert row["status"] == "accepted"
    assert row["grant"] == str(Grant.objects.active().get(user=ana).pk)
    assert post(lead, f"{url}/{row['id']}/remove").json()["status"] == "removed"
    assert not Grant.objects.active().filter(user=ana).exists()
    assert Client().get(link).status_code == 404


def test_an_invitation_is_declined_without_an_account_and_once(lyceum, mara, ana):
    application = lyceum.applied(mara)
    actions.invite(by=mara, application=application, name=ana.name, email=ana.email)
    link = f"/api/v1/invitations/{seats.secret('member_invited')}"
    assert post(Client(), f"{link}/decline").status_code == 204
    assert post(Client(), f"{link}/decline").status_code == 404
    assert post(Client(), "/api/v1/invitations/made-up/decline").status_code == 404


def test_a_team_is_its_leads_alone(lyceum, harbour, mara, ana, stranger):
    application = lyceum.applied(mara)
    member = actions.invite(by=mara, application=application, name=ana.name, email=ana.email)
    url = f"/api/v1/applications/{application.pk}/team"
    for other in (browser(stranger), browser(lyceum.reviewers[0]), browser(harbour.manager)):
        assert other.get(url).status_code == 404
        assert post(other, url, name="X Y", email="x@y.example").status_code == 404
        assert post(other, f"{url}/{member.pk}/remove").status_code == 404
    assert client(mara, Kind.DOWNLOAD).get(url).json()["code"] == "insufficient_scope"
    assert post(browser(mara), f"{url}/{member.pk + 1}/remove").status_code == 404
    assert post(browser(mara), f"{url}/{member.pk}/remind").json()["code"] == "too_soon"
    assert post(browser(mara), url, name="<b>", email="nobody").json()["fields"].keys() == {"email"}


def test_an_invitation_sent_twice_under_one_key_is_one(lyceum, mara):
    application, lead = lyceum.applied(mara), browser(mara)
    url, body = f"/api/v1/applications/{application.pk}/team", {"name": "Ana Duarte", "email": "ana@place.example"}
    first, again = (lead.post(url, body, **JSON, headers={"Idempotency-Key": "team-1"}) for _ in range(2))
    assert (first.json(), again["Idempotent-Replayed"]) == (again.json(), "true")
    assert application.members.count() == 1


def test_however_many_members_a_list_asks_the_same(lyceum, mara):
    application, lead = lyceum.applied(mara), browser(mara)
    url = f"/api/v1/applications/{application.pk}/team"

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert lead.get(url).status_code == 200
        return len(asked)

    actions.invite(by=mara, application=application, name="Ana One", email="one@place.example")
    before = queries()
    for name in ("two", "three", "four"):
        actions.invite(by=mara, application=application, name=f"Ana {name}", email=f"{name}@place.example")
    assert queries() == before


def test_a_referee_is_asked_by_program_and_answers_with_the_mailed_secret(guarded, mara):
    application, applicant = guarded.applied(mara), browser(mara)
    url = f"/api/v1/applications/{application.pk}"
    asked = {"name": "Vera Olsen", "email": "vera@southmoor.example", "relation": "doctoral supervisor"}
    made = post(applicant, f"{url}/referees", **asked)
    assert (made.status_code, made.json()["status"]) == (201, "asked")
    link = f"/api/v1/confirmations/{seats.secret('referee_asked')}"
    told = Client().get(link).json()
    assert (told["applicant"], told["relation"], told["confirmer"]) == (mara.name, "doctoral supervisor", "referee")
    assert post(Client(), link, answer="perhaps").json()["fields"]["answer"]
    assert post(Client(), link, answer="confirm", comment="We share an office.").status_code == 204
    assert post(Client(), link, answer="decline").status_code == 404, "it answers once"
    (row,) = applicant.get(f"{url}/referees").json()["results"]
    assert row["status"] == "confirmed"
    assert "comment" not in row, "the applicant never reads it"


def test_a_request_is_taken_back_and_its_link_works_no_longer(guarded, mara):
    application, applicant = guarded.applied(mara), browser(mara)
    url = f"/api/v1/applications/{application.pk}/referees"
    asked = {"name": "Vera Olsen", "email": "vera@southmoor.example", "relation": "supervisor"}
    made = post(applicant, url, **asked).json()
    link = f"/api/v1/confirmations/{seats.secret('referee_asked')}"
    assert post(applicant, f"{url}/{made['id']}/remind").json()["code"] == "too_soon"
    assert post(applicant, f"{url}/{made['id']}/replace").json()["status"] == "replaced"
    assert Client().get(link).status_code == 404
    assert post(applicant, f"{url}/{made['id']}/replace").status_code == 409


def test_reviewers_read_the_confirmations_and_go_on_without_for_a_reason(guarded, harbour, mara, stranger):
    application = guarded.applied(mara)
    asked = {"name": "Vera Olsen", "email": "vera@southmoor.example", "relation": "supervisor"}
    actions.ask_referee(by=mara, application=application, **asked)
    actions.answer_referee(
        secret=seats.secret("referee_asked"), answer=RefereeVerb.DECLINE, comment="I hardly know her."
    )
    url = f"/api/v1/applications/{application.pk}"
    reviewer = client(guarded.reviewers[0], Kind.REVIEW)
    told = reviewer.get(f"{url}/confirmations").json()
    assert (told["needed"], told["given"], told["complete"]) == (1, 0, False)
    assert [(row["status"], row["comment"]) for row in told["referees"]] == [("declined", "I hardly know her.")]
    assert post(reviewer, f"{url}/approve").json()["code"] == "confirmations_missing"
    assert post(reviewer, f"{url}/approve", without_confirmation="Known to us.").json()["status"] == "approved"
    waived = reviewer.get(f"{url}/confirmations").json()
    assert (waived["complete"], waived["waiver"]["reason"]) == (True, "Known to us.")
    for other in (browser(mara), browser(stranger), client(harbour.reviewers[0], Kind.REVIEW)):
        assert other.get(f"{url}/confirmations").status_code == 404
    assert (
        client(guarded.reviewers[0], Kind.DOWNLOAD).get(f"{url}/confirmations").json()["code"] == "insufficient_scope"
    )


def test_whoever_stepped_back_does_not_read_what_referees_said(guarded, mara):
    application = guarded.applied(mara)
    url, reviewer = f"/api/v1/applications/{application.pk}", client(guarded.reviewers[0], Kind.REVIEW)
    post(reviewer, f"{url}/recuse", note="We publish together.")
    assert reviewer.get(f"{url}/confirmations").json()["code"] == "recused"


def test_referees_are_the_applicants_to_name(guarded, mara, stranger):
    application = guarded.applied(mara)
    url = f"/api/v1/applications/{application.pk}/referees"
    asked = {"name": "Vera Olsen", "email": "vera@southmoor.example", "relation": "supervisor"}
    for other in (browser(stranger), browser(guarded.reviewers[0])):
        assert other.get(url).status_code == 404
        assert post(other, url, **asked).status_code == 404
    assert post(client(mara, Kind.QUERY), url, **asked).json()["code"] == "insufficient_scope"
    assert post(browser(mara), url, **asked | {"email": mara.email}).json()["fields"]["email"]
