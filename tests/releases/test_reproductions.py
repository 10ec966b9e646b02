"""Reproductions: anybody signed in reports one, the verdict is arithmetic, and the lab's word never changes it."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client

from portal.errors import Conflict, Invalid, NotAllowed
from portal.outbox import delivery
from portal.people.models import User
from releases import evaluation_verdicts as verdicts
from releases.evaluation_models import Score
from releases.evaluation_verdicts import Verb, weigh
from releases.evaluations import reproducing
from releases.evaluations.actions import import_scores, withdraw_score
from releases.evaluations.readers import read
from releases.evaluations.reading import Said
from releases.models import Model
from releases.reproduction_models import Reproduction
from tests.portal import world
from tests.portal.world import browser
from tests.releases.evaluation_files import OLD, as_bytes

HOW = {"environment": "torch 2.13, one thread, float32", "command": "lm_eval --tasks openbookqa"}
TYPED = HOW | {"value": "33.0", "stderr": "2.1", "tolerance": "2", "harness": "lm-evaluation-harness"}


@pytest.fixture
def model(lyceum: world.World, publish: Any) -> Model:
    return publish(lyceum, "mine")


@pytest.fixture
def score(lyceum: world.World, model: Model) -> Score:
    said = Said(harness="lm-evaluation-harness", harness_version="0.3.0", ran_by="Lyceum Laboratory")
    import_scores(revision=model.main, rows=read(as_bytes(OLD), said), by=lyceum.manager)
    return Score.objects.get(task="openbookqa", metric="acc")


def reported(score: Score, by: User, **changes: Any) -> Reproduction:
    told = HOW | {"value": 0.33, "stderr": 0.021, "tolerance": 0.02, "harness": "lm-evaluation-harness"} | changes
    return reproducing.report_reproduction(score=score, by=by, **told)


def sent_to(user: User) -> list[str]:
    mail.outbox.clear()
    while delivery.deliver_due():
        pass
    return [message.subject for message in mail.outbox if user.email in message.to]


# --- Arithmetic ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("again", "tolerance", "verdict"),
    [
        (0.50, 0.0, "reproduced"), (0.52, 0.02, "reproduced"), (0.48, 0.02, "reproduced"), (0.521, 0.02, "differs"),
        (0.479, 0.02, "differs"), (0.5 + 1e-15, 0.0, "reproduced"), (0.6, 1.0, "reproduced"), (0.0, 0.4, "differs"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stderr", [None, 0.0, 9.0])
def test_the_verdict_follows_from_difference_and_tolerance_alone(
    again: float, tolerance: float, verdict: str, stderr: float | None
) -> None:
    sums = weigh(value=0.5, stderr=stderr, again=again, again_stderr=0.01, tolerance=tolerance)
    assert sums.verdict == verdict
    assert (sums.combined is None) == (stderr is None)


def test_the_difference_is_told_in_standard_errors_where_both_are_known() -> None:
    sums = weigh(value=0.5, stderr=0.03, again=0.6, again_stderr=0.04, tolerance=0.1)
    assert sums.combined == pytest.approx(0.05)
    assert sums.errors == pytest.approx(2)
    assert weigh(value=0.5, stderr=0.0, again=0.6, again_stderr=0.0, tolerance=0.1).errors is None


def test_only_the_labs_staff_accepts_and_questions_and_only_the_reporter_takes_back() -> None:
    staff, reporter = frozenset({"manager"}), verdicts.REPORTER
    assert verdicts.verbs("reported", staff) == (Verb.ACCEPT, Verb.QUESTION)
    assert verdicts.verbs("reported", reporter) == (Verb.WITHDRAW,)
    assert verdicts.verbs("withdrawn", staff | reporter) == ()


# --- Reporting ----------------------------------------------------------------------------------------------------
def test_a_person_reports_and_the_score_shows_it(score: Score, mara: User, stranger: User, client: Client) -> None:
    answer = browser(mara).post(f"/evaluations/{score.pk}/reproduce/", TYPED, follow=True)
    page = answer.content.decode()
    assert "The difference is no larger: reproduced." in page
    assert "33.0\u00a0% − 32.2\u00a0% = +0.8\u00a0%" in page
    reported(score, stranger, value=0.4)
    shown = client.get(f"/evaluations/{score.pk}/").content.decode()
    assert "reproduced by 1, failed by 1" in shown
    assert "reproduced by 1, failed by 1" in client.get("/lyceum/mine/evaluations").content.decode()
    assert "Mara Lindqvist" in shown


def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_lost(score: Score, mara: User) -> None:
    answer = browser(mara).post(
        f"/evaluations/{score.pk}/reproduce/", TYPED | {"value": "330", "command": "", "weights": "f" * 64}
    )
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'id="id_command_error"' in page
    assert HOW["environment"] in page
    again = browser(mara).post(f"/evaluations/{score.pk}/reproduce/", TYPED | {"value": "330", "weights": "f" * 64})
    assert "between 0 and 100 per cent" in again.content.decode()
    assert "These are other weights" in again.content.decode()
    assert not Reproduction.objects.exists()


def test_one_person_reports_once_until_they_take_it_back(score: Score, mara: User, stranger: User) -> None:
    first = reported(score, mara)
    with pytest.raises(Conflict):
        reported(score, mara, value=0.5)
    with pytest.raises(NotAllowed):
        reproducing.withdraw_reproduction(reproduction=first, by=stranger)
    reproducing.withdraw_reproduction(reproduction=first, by=mara)
    assert reported(score, mara, value=0.5).verdict == "differs"
    with pytest.raises(IntegrityError), transaction.atomic():
        Reproduction.objects.filter(pk=first.pk).update(state="reported")


def test_the_labs_own_people_and_withdrawn_scores_are_refused(lyceum: world.World, score: Score, mara: User) -> None:
    with pytest.raises(NotAllowed):
        reported(score, lyceum.reviewers[0])
    page = browser(lyceum.manager).get(f"/evaluations/{score.pk}/reproduce/").content.decode()
    assert "You work in the laboratory whose score this is" in page
    withdraw_score(score=score, reason="Wrong split.", by=lyceum.manager)
    with pytest.raises(Conflict):
        reported(score, mara)


def test_another_harness_counts_for_neither_side(score: Score, mara: User, client: Client) -> None:
    made = reported(score, mara, harness="my own script")
    assert not made.same_harness
    page = client.get(f"/evaluations/{score.pk}/").content.decode()
    assert "reproduced by 1" not in page
    assert "1 with another harness" in page
    assert "counts for neither side" in client.get(made.get_absolute_url()).content.decode()


@pytest.mark.parametrize("changes", [{"value": float("nan")}, {"tolerance": -1.0}, {"n": 0}, {"environment": " \0"}])
def test_nonsense_is_refused(score: Score, mara: User, changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        reported(score, mara, **changes)


# --- Reviewing ----------------------------------------------------------------------------------------------------
def test_the_lab_questions_with_a_note_and_the_verdict_stays(
    lyceum: world.World, score: Score, mara: User, client: Client
) -> None:
    made = reported(score, mara, value=0.4)
    assert any("measured openbookqa" in subject for subject in sent_to(lyceum.manager))
    manager = browser(lyceum.manager)
    assert made.score.task in manager.get("/evaluations/reproductions/").content.decode()
    empty = manager.post(made.get_absolute_url(), {"verb": "question"})
    assert empty.status_code == 422
    assert 'id="id_note_error"' in empty.content.decode()
    assert manager.post(made.get_absolute_url(), {"verb": "question", "note": "Another split."}).status_code == 302
    made.refresh_from_db()
    assert (made.state, made.verdict) == ("questioned", "differs")
    assert any("Your reproduction" in subject for subject in sent_to(mara))
    page = client.get(made.get_absolute_url()).content.decode()
    assert "Another split." in page
    shown = client.get(f"/evaluations/{score.pk}/").content.decode()
    assert "failed by 1" not in shown
    assert "1 questioned" in shown
    manager.post(made.get_absolute_url(), {"verb": "accept"})
    assert "failed by 1" in client.get(f"/evaluations/{score.pk}/").content.decode()


def test_nobody_else_answers_a_report(
    lyceum: world.World, harbour: world.World, score: Score, mara: User, stranger: User, client: Client
) -> None:
    made = reported(score, mara)
    for reader in (client, browser(stranger), browser(harbour.manager), browser(lyceum.reviewers[0])):
        assert reader.get(made.get_absolute_url()).status_code == 200, "reports are public"
        assert reader.post(made.get_absolute_url(), {"verb": "accept"}).status_code == 404
    assert made.score.task not in browser(harbour.manager).get("/evaluations/reproductions/").content.decode()
    assert browser(lyceum.reviewers[0]).get("/evaluations/reproductions/").status_code == 404
    with pytest.raises(NotAllowed):
        reproducing.review_reproduction(reproduction=made, verb=Verb.ACCEPT, by=harbour.manager)
    assert browser(mara).post(made.get_absolute_url(), {"verb": "accept"}).status_code in {403, 404}
    assert browser(mara).post(made.get_absolute_url(), {"verb": "withdraw"}).status_code == 302


def test_reports_of_a_drafts_scores_are_not_there(
    lyceum: world.World, publish: Any, mara: User, client: Client
) -> None:
    draft = publish(lyceum, "draft", publish=False)
    said = Said(harness="h", ran_by="us")
    import_scores(revision=draft.tip, rows=read(as_bytes(OLD), said), by=lyceum.manager)
    hidden = Score.objects.filter(revision=draft.tip)[0]
    assert browser(mara).post(f"/evaluations/{hidden.pk}/reproduce/", TYPED).status_code == 404
    assert client.get("/evaluations/reproductions/99/").status_code == 404
