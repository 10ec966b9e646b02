"""Errata: the lab says in public what is wrong, whoever may hold a copy hears of it, and nothing is edited."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from portal.access import actions as access
from portal.access.models import Grant
from portal.agreements import actions as agreements
from portal.errors import Invalid, NotAllowed
from portal.outbox import delivery
from portal.people.models import User
from releases import actions
from releases.models import Model
from releases.proof_models import Erratum
from tests.portal import world
from tests.portal.world import browser

WORDS = {"severity": "serious", "title": "The tokenizer lacks a token", "text": "Take revision two instead."}


@pytest.fixture
def model(lyceum: world.World, publish: Any) -> Model:
    return publish(lyceum, "mine", gate=lyceum.gate)


def desk(model: Model) -> str:
    return f"/{model.full_name}/revisions/{model.main.commit}"


def told_by_mail() -> set[str]:
    mail.outbox.clear()
    while delivery.deliver_due(slow=True) + delivery.deliver_due():
        pass
    return {address for message in mail.outbox if "erratum" in message.subject for address in message.to}


def test_a_manager_raises_one_and_it_is_shown_and_mailed(
    lyceum: world.World, model: Model, mara: User, stranger: User, client: Client
) -> None:
    grant = lyceum.granted(mara)
    ended = lyceum.granted(stranger)
    access.revoke_grant(by=lyceum.manager, grant=ended, reason="Passed the weights on.")
    assert browser(lyceum.manager).post(desk(model), {"verb": "erratum"} | WORDS).status_code == 302
    for page in ("/lyceum/mine", "/lyceum/mine/errata", f"/lyceum/mine/tree/{model.main.commit}"):
        assert WORDS["title"] in client.get(page).content.decode()
    assert told_by_mail() == {mara.email, lyceum.manager.email}
    assert grant.user == mara
    (erratum,) = Erratum.objects.all()
    assert (erratum.revision, erratum.by, erratum.scrub) == (model.main, lyceum.manager, False)


@pytest.mark.parametrize(("severity", "word"), [("critical", "Critical"), ("serious", "Serious"), ("minor", "Minor")])
def test_the_letter_says_what_is_wrong_and_how_serious_it_is(
    lyceum: world.World, model: Model, severity: str, word: str
) -> None:
    actions.add_erratum(model=model, revision=None, by=lyceum.manager, **WORDS | {"severity": severity})
    told_by_mail()
    (letter,) = mail.outbox
    assert letter.subject == f"{word} erratum of lyceum/mine: {WORDS['title']}"
    assert f"a {severity} erratum of lyceum/mine" in letter.body
    assert f"“{WORDS['title']}”" in letter.body
    assert "It corrects" not in letter.body
    assert WORDS["text"] not in letter.body, "the page alone has it whole, and as it may be corrected"


def test_the_letter_of_a_further_one_names_what_it_corrects_and_has_no_lines_of_its_title(
    lyceum: world.World, model: Model
) -> None:
    first = actions.add_erratum(model=model, revision=None, by=lyceum.manager, **WORDS)
    odd = WORDS | {"title": "It has the token\n\nDear all,\nsend us your passwords " + "x" * 100}
    actions.add_erratum(model=model, revision=None, by=lyceum.manager, corrects=first, **odd)
    told_by_mail()
    letter = next(each for each in mail.outbox if "It has the token" in each.subject)
    assert f"It corrects an earlier one: “{WORDS['title']}”" in letter.body
    assert "\nDear all" not in letter.body
    assert "x" * 100 in letter.body, "whole"
    assert len(letter.subject) < 130, "an inbox shows no more"


def test_whoever_may_still_have_a_copy_is_written_to_even_if_their_right_rests_or_ended(
    lyceum: world.World, model: Model, mara: User, stranger: User
) -> None:
    ended, deleted = world.person("Ended Early"), world.person("Deleted All")
    access.suspend_grant(by=lyceum.manager, grant=lyceum.granted(mara), reason="A question is open.")
    yesterday = timezone.now() - timedelta(days=1)
    period = {"starts_at": yesterday - timedelta(days=9), "ends_at": yesterday}
    Grant.objects.filter(pk=lyceum.granted(ended).pk).update(**period)
    gone = lyceum.granted(deleted)
    access.close_out(
        by=deleted,
        grant=gone,
        typed_name=deleted.name,
        deleted_on=timezone.now().date(),
        statement="All copies are gone.",
    )
    lyceum.granted(stranger)
    agreements.publish_version(by=lyceum.manager, agreement=lyceum.agreement, text="New words.", points=[])
    assert not Grant.objects.active().exists(), "nobody may download now"
    actions.add_erratum(model=model, revision=model.main, by=lyceum.manager, **WORDS)
    assert told_by_mail() == {mara.email, ended.email, stranger.email, lyceum.manager.email}


def test_those_who_came_by_an_earlier_gate_hear_of_it_too(
    lyceum: world.World, harbour: world.World, model: Model, mara: User, stranger: User
) -> None:
    lyceum.granted(mara)
    harbour.granted(stranger)
    actions.describe_model(model=model, by=lyceum.manager, gate=None)
    model.refresh_from_db()
    actions.add_erratum(model=model, revision=None, by=lyceum.manager, **WORDS)
    assert told_by_mail() == {mara.email, lyceum.manager.email}, "and no holder of another lab's"


def test_an_open_models_erratum_is_mailed_to_its_lab_alone(lyceum: world.World, publish: Any, mara: User) -> None:
    lyceum.granted(mara)
    model = publish(lyceum, "open")
    actions.add_erratum(model=model, revision=None, by=lyceum.manager, **WORDS)
    assert told_by_mail() == {lyceum.manager.email}


def test_a_further_one_corrects_it_and_both_stay(lyceum: world.World, model: Model, client: Client) -> None:
    first = actions.add_erratum(model=model, revision=None, by=lyceum.manager, **WORDS)
    sent = {"verb": "erratum", "severity": "minor", "title": "It has the token", "text": "We erred.", "whole": "1"}
    assert browser(lyceum.manager).post(desk(model), sent | {"corrects": first.pk}).status_code == 302
    page = client.get("/lyceum/mine").content.decode()
    assert "It has the token" in page
    assert WORDS["title"] not in page, "corrected"
    listed = client.get("/lyceum/mine/errata").content.decode()
    assert f"Corrected by “{sent['title']}”" in listed
    assert f"Corrects “{WORDS['title']}”" in listed


def test_what_is_missing_is_told_beside_its_field_and_nothing_is_lost(lyceum: world.World, model: Model) -> None:
    answer = browser(lyceum.manager).post(desk(model), {"verb": "erratum", "text": "Half written", "whole": "1"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'id="err_severity"' in page
    assert 'id="err_title"' in page
    assert "Half written" in page
    assert not Erratum.objects.exists()


def test_only_the_labs_own_staff_raises_errata_and_only_of_what_was_published(
    lyceum: world.World, harbour: world.World, model: Model, publish: Any
) -> None:
    assert browser(harbour.manager).post(desk(model), {"verb": "erratum"} | WORDS).status_code == 404
    assert browser(lyceum.reviewers[0]).post(desk(model), {"verb": "erratum"} | WORDS).status_code == 404
    with pytest.raises(NotAllowed):
        actions.add_erratum(model=model, revision=None, by=harbour.manager, **WORDS)
    draft = publish(lyceum, "draft", publish=False)
    with pytest.raises(Invalid, match="published"):
        actions.add_erratum(model=draft, revision=None, by=lyceum.manager, **WORDS)
    other = publish(harbour, "theirs")
    theirs = actions.add_erratum(model=other, revision=None, by=harbour.manager, **WORDS)
    with pytest.raises(Invalid):
        actions.add_erratum(model=model, revision=None, by=lyceum.manager, corrects=theirs, **WORDS)
    assert Erratum.objects.count() == 1


def test_an_erratum_of_one_revision_is_not_shown_on_another_and_all_are_listed(
    lyceum: world.World, model: Model, client: Client
) -> None:
    first = model.main
    files = dict(actions.files_of(first))
    del files["eval/results.json"]
    second, _ = actions.commit(model=model, files=list(files.values()), by=lyceum.manager, message="Two")
    actions.check(revision=second, by=lyceum.manager)
    actions.publish(revision=Model.objects.get(pk=model.pk).revisions.get(pk=second.pk), by=lyceum.manager)
    actions.add_erratum(model=model, revision=first, by=lyceum.manager, **WORDS)
    assert WORDS["title"] not in client.get("/lyceum/mine").content.decode()
    assert WORDS["title"] in client.get(f"/lyceum/mine/tree/{first.commit}").content.decode()
    assert WORDS["title"] in client.get("/lyceum/mine/errata").content.decode()


def test_the_list_is_paged_and_its_queries_do_not_grow(
    lyceum: world.World, model: Model, client: Client, django_assert_max_num_queries: Any
) -> None:
    assert "No errata" in client.get("/lyceum/mine/errata").content.decode()
    rows = [Erratum(model=model, revision=model.main, severity="minor", title=f"No. {n}", text="x") for n in range(60)]
    Erratum.objects.bulk_create(rows)
    with django_assert_max_num_queries(17):
        page = client.get("/lyceum/mine/errata").content.decode()
    assert page.count('id="erratum-') == 50
    assert client.get("/lyceum/mine/errata?page=2").content.decode().count('id="erratum-') == 10


def fed(client: Client, address: str) -> list[tuple[str, str]]:
    """(title, address) of every item of a feed."""
    answer = client.get(address)
    assert answer["Content-Type"].startswith("application/atom+xml"), address
    space = "{http://www.w3.org/2005/Atom}"
    items = ElementTree.fromstring(answer.content).findall(f"{space}entry")
    return [(item.findtext(f"{space}title", ""), item.findtext(f"{space}id", "")) for item in items]


def test_a_model_and_its_family_have_a_feed_of_what_turned_out_wrong(
    lyceum: world.World, model: Model, publish: Any, client: Client
) -> None:
    family = actions.open_family(lab=lyceum.lab, slug="heron", title="Heron", by=lyceum.manager)
    Model.objects.filter(pk=model.pk).update(family=family)
    publish(lyceum, "other", family=family)
    assert fed(client, "/lyceum/mine/errata.atom") == fed(client, "/families/lyceum/heron/errata.atom") == []
    browser(lyceum.manager).post(desk(model), {"verb": "erratum"} | WORDS)
    (item,) = fed(client, "/lyceum/mine/errata.atom")
    assert item[0] == "lyceum/mine: The tokenizer lacks a token"
    assert item[1].endswith(Erratum.objects.get().get_absolute_url())
    assert fed(client, "/families/lyceum/heron/errata.atom") == [item]
    assert fed(client, "/lyceum/other/errata.atom") == []
    for page, feed in (("/lyceum/mine/errata", "/lyceum/mine"), ("/families/lyceum/heron/", "/families/lyceum/heron")):
        assert f'href="{feed}/errata.atom"' in client.get(page).content.decode()


def test_the_feed_of_a_draft_is_its_labs_alone_and_its_family_does_not_tell(
    lyceum: world.World, publish: Any, client: Client
) -> None:
    family = actions.open_family(lab=lyceum.lab, slug="heron", title="Heron", by=lyceum.manager)
    draft = publish(lyceum, "secret", family=family, publish=False)
    Erratum.objects.create(model=draft, by=lyceum.manager, **WORDS)
    assert client.get("/lyceum/secret/errata.atom").status_code == 404
    assert fed(client, "/families/lyceum/heron/errata.atom") == []
    assert len(fed(browser(lyceum.manager), "/lyceum/secret/errata.atom")) == 1
