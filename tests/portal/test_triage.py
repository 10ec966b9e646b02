"""Triage rules as text: read, refused with words, sorted by, versioned, tried on the past; never a decision."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from portal.access import actions, form_spec, sorting, triage
from portal.access.application_models import Application
from portal.access.gate_models import Gate
from portal.access.rule_models import RuleSet
from portal.access.workflow import Status
from portal.audit.models import Entry
from portal.errors import Invalid, NotAllowed, NotFound
from tests.portal import world
from tests.portal.world import browser

FORM = triage.Form(
    {"role": frozenset({"phd", "faculty"}), "title": frozenset(), "country": frozenset({"EE", "KP"})},
    frozenset({"military", "commercial"}),
)
BLOCKING = "block embargo when answer country is EE: The agreement bars this country\n"


def facts(**known):
    base = {"email": "m@place.example", "declared": (), "answers": {}, "institution_verified": False}
    return triage.Facts(**{**base, **known})


# --- The text


def test_what_every_lab_begins_with_is_read_without_fault_and_written_back_the_same():
    rules, faults = triage.read(triage.FIRST)
    assert faults == []
    assert triage.write(rules) == triage.FIRST


@pytest.mark.parametrize(
    ("line", "known", "lane"),
    [
        ("red a when declarations any: x", {"declared": ("military",)}, "red"),
        ("red a when declarations include commercial: x", {"declared": ("military",)}, "amber"),
        ("block a when answer country is KP, EE: x", {"answers": {"country": "EE"}}, "block"),
        ("green a when answer role is not phd: x", {"answers": {"role": "faculty"}}, "green"),
        ("red a when answer role is not phd: x", {"answers": {"role": "phd"}}, "amber"),
        ("red a when answer title empty: x", {}, "red"),
        ("red a when address public: x", {"email": "m@GMAIL.com"}, "red"),
        ("green a when address at place.example: x", {"email": "m@lab.place.example"}, "green"),
        ("red a when address at place.example: x", {"email": "m@otherplace.example"}, "amber"),
        ("green a when institution verified: x", {"institution_verified": True}, "green"),
        ("green a when institution verified and address on institution: x", {"institution_verified": True}, "amber"),
        (
            "green a when institution verified and address on institution: x",
            {"institution_verified": True, "domains": ("place.example",)},
            "green",
        ),
    ],
)
def test_a_condition_says_what_it_says(line, known, lane):
    rules, faults = triage.read(line, FORM)
    assert faults == []
    assert triage.sort(rules, facts(**known))[0] == lane
    assert triage.read(triage.write(rules), FORM)[0] == rules


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("purple a when declarations any: x", "“purple” is no lane"),
        ("red A! when declarations any: x", "is no name for a rule"),
        ("red a declarations any", "Write it as"),
        ("red a when horoscope bad: x", "“horoscope” is nothing that is known"),
        ("red a when answer shoe is 43: x", "The form has no field “shoe”"),
        ("red a when answer role is wizard: x", "“wizard” is not among faculty, phd"),
        ("red a when answer role like phd: x", "cannot be asked about answer"),
        ("red a when answer role is: x", "needs at least one value"),
        ("red a when institution verified yes: x", "takes no value"),
        ("red a when declarations include theft: x", "“theft” is not among commercial, military"),
        ("red a when declarations any: x\nred a when address public: y", "Line 2: Two rules are called “a”"),
        ("# nothing", "Write at least one rule"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_with_its_line_and_what_would_do(line, fault):
    assert fault in " ".join(triage.read(line, FORM)[1])


@given(st.text(max_size=200))
def test_no_text_is_a_crash(text):
    rules, faults = triage.read(text, FORM)
    assert rules or faults


# --- Versions


def test_a_new_version_sorts_what_is_sent_from_then_on_and_nothing_before(lyceum, mara, stranger):
    before = lyceum.applied(mara)
    made = actions.make_rules(by=lyceum.manager, lab=lyceum.lab, gate=None, text=BLOCKING, reason="New embargo.")
    assert made.version == 2
    after = lyceum.applied(stranger)
    before.refresh_from_db()
    assert (before.lane, before.triage["version"]) == ("amber", 1)
    assert (after.lane, after.triage) == ("block", {"version": 2, "rules": ["embargo"]})
    assert after.status == Status.SUBMITTED, "only a person declines"
    page = browser(lyceum.reviewers[0]).get(reverse("access:review", args=[after.pk])).content.decode()
    assert "The agreement bars this country" in page
    assert "decline only if you agree" in page
    assert [rule.id for rule in sorting.explain(before)] == ["institution-unverified"], "old reasons stay readable"
    assert Entry.objects.get(event="rule_set.made").data == {"version": 2, "gate": ""}


def test_a_gates_own_rules_come_before_the_labs(lyceum, mara):
    actions.make_rules(by=lyceum.manager, lab=lyceum.lab, gate=None, text=BLOCKING)
    own = "green anybody when declarations include commercial: x\ngreen else when answer role is postdoc: A postdoc"
    assert actions.make_rules(by=lyceum.manager, lab=lyceum.lab, gate=lyceum.gate, text=own).version == 3
    assert lyceum.applied(mara).lane == "green"


def test_a_version_is_written_once(lyceum):
    made = actions.make_rules(by=lyceum.manager, lab=lyceum.lab, gate=None, text=BLOCKING)
    with pytest.raises(IntegrityError), transaction.atomic():
        RuleSet.objects.filter(pk=made.pk).update(text=triage.FIRST)


def test_only_the_labs_managers_put_rules_in_force(lyceum, harbour, stranger):
    with pytest.raises(NotAllowed):
        actions.make_rules(by=lyceum.reviewers[0], lab=lyceum.lab, gate=None, text=BLOCKING)
    for outsider in (harbour.manager, stranger):
        with pytest.raises(NotFound):
            actions.make_rules(by=outsider, lab=lyceum.lab, gate=None, text=BLOCKING)
    with pytest.raises(NotFound):
        actions.make_rules(by=lyceum.manager, lab=lyceum.lab, gate=harbour.gate, text=BLOCKING)
    with pytest.raises(Invalid):
        actions.make_rules(by=lyceum.manager, lab=lyceum.lab, gate=None, text="block all")
    assert not RuleSet.objects.exists()


# --- The dry run


def test_a_dry_run_says_which_would_move_and_moves_none(lyceum, harbour, mara, stranger):
    one, two = lyceum.applied(mara), lyceum.applied(stranger, country="FI")
    harbour.applied(mara)
    rules = triage.read(BLOCKING)[0]
    run = sorting.dry_run(rules, sorting.sorted_by(lyceum.lab, lyceum.gate))
    assert run.looked_at == 2
    assert [(move.application, move.before, move.after) for move in run.moves] == [(one, "amber", "block")]
    assert {lane: (before, after) for lane, before, after in run.lanes} == {
        "block": (0, 1), "red": (0, 0), "amber": (2, 1), "green": (0, 0)
    }  # fmt: skip
    assert not Application.objects.filter(lane="block").exists()
    assert two not in {move.application for move in run.moves}


def test_a_dry_run_takes_as_many_queries_for_many_as_for_one(lyceum, django_assert_num_queries):
    lyceum.applied(world.person("One"))
    rules = triage.read(BLOCKING)[0]
    for more in (0, 4):
        for n in range(more):
            lyceum.applied(world.person(f"More {n}"))
        with django_assert_num_queries(4):
            sorting.dry_run(rules, sorting.sorted_by(lyceum.lab, lyceum.gate))


def gates_of(lyceum: world.World, count: int) -> None:
    """So many gates more, straight into the table: only their number matters here."""
    like = lyceum.gate
    Gate.objects.bulk_create([
        Gate(lab=like.lab, slug=f"many-{n:03}", title=f"Many {n:03}", agreement=like.agreement, quorum=1, form_spec=like.form_spec)
        for n in range(count)
    ])  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 60])
def test_the_page_of_rules_asks_as_often_for_many_gates_as_for_one(lyceum, django_assert_max_num_queries, count):
    gates_of(lyceum, count)
    client = browser(lyceum.manager)
    with django_assert_max_num_queries(12):
        page = client.get(reverse("access:rules")).content.decode()
    assert page.count("Try other rules for") == min(count + 1, 20)
    assert ('<nav class="pager"' in page) is (count + 1 > 20)


def test_the_form_that_many_gates_share_is_read_once_to_try_rules_on_all_of_them(lyceum, monkeypatch):
    """Each gate's form was read, whole: with 10,000 gates a try took three seconds."""
    client, fields = browser(lyceum.manager), form_spec.fields
    read: list[int] = []
    monkeypatch.setattr(form_spec, "fields", lambda spec: (read.append(1), fields(spec))[1])
    seen = []
    for more in (0, 60):
        gates_of(lyceum, more)
        read.clear()
        page = client.post(reverse("access:rules_of_lab", args=["lyceum"]), {"text": BLOCKING, "try": "1"})
        assert page.status_code == 200
        seen.append(len(read))
    assert seen[0] == seen[1]
    other = Gate.objects.get(slug="many-007")
    asks = {"name": "shoe_size", "type": "text", "label": "Shoe size"}
    other.form_spec = [*other.form_spec, {"name": "more", "title": "More", "intro": "", "fields": [asks]}]
    other.save(update_fields=["form_spec"])
    assert "shoe_size" in client.get(reverse("access:rules_of_lab", args=["lyceum"])).content.decode(), (
        "another form counts"
    )
    assert "shoe_size" not in client.get(reverse("access:rules_of_gate", args=["lyceum", "many-008"])).content.decode()


def test_each_gate_on_each_page_of_rules_is_shown_with_its_own(lyceum, harbour):
    gates_of(lyceum, 30)
    own = Gate.objects.get(slug="many-025")
    actions.make_rules(by=lyceum.manager, lab=lyceum.lab, gate=None, text=BLOCKING, reason="For all.")
    actions.make_rules(by=lyceum.manager, lab=lyceum.lab, gate=own, text=BLOCKING.replace("EE", "SE"), reason="Own.")
    here = sorting.in_force_at([*lyceum.lab.gates.all(), harbour.gate])
    assert here[lyceum.gate.pk] == sorting.in_force(lyceum.gate)
    assert [here[gate.pk][0] for gate in (lyceum.gate, own, harbour.gate)] == [2, 3, 1]
    client = browser(lyceum.manager)
    shown = [client.get(reverse("access:rules"), {"page": n}).content.decode() for n in (1, 2)]
    assert ["answer country is SE" in page for page in shown] == [False, True]
    assert ["Try other rules for Many 025" in page for page in shown] == [False, True]


def test_a_manager_tries_and_puts_rules_in_force_on_a_page(lyceum, harbour, mara, stranger):
    application = lyceum.applied(mara)
    link = reverse("access:rules_of_gate", args=["lyceum", lyceum.gate.slug])
    client = browser(lyceum.manager)
    assert "red free-mail when address public" in client.get(link).content.decode()
    wrong = client.post(link, {"text": "purple a when declarations any: x", "try": "1"})
    assert wrong.status_code == 422
    assert "“purple” is no lane" in wrong.content.decode()
    assert "purple a when" in wrong.content.decode(), "what was typed is kept"
    tried = client.post(link, {"text": BLOCKING, "try": "1"}).content.decode()
    assert "1 of 1</b> would change lane" in tried
    assert application.reference in tried
    assert not RuleSet.objects.exists()
    assert browser(lyceum.reviewers[0]).post(link, {"text": BLOCKING, "try": "1"}).status_code == 200
    assert browser(lyceum.reviewers[0]).post(link, {"text": BLOCKING, "save": "1"}).status_code == 403
    client.post(link, {"text": BLOCKING, "save": "1", "reason": "New embargo."})
    page = client.get(reverse("access:rules")).content.decode()
    assert "answer country is EE" in page
    assert "New embargo." in page
    for outsider in (harbour.manager, stranger):
        assert browser(outsider).get(link).status_code == 404
    assert "New embargo." not in browser(harbour.manager).get(reverse("access:rules")).content.decode()
    assert browser(stranger).get(reverse("access:rules")).status_code == 404
    assert client.get(reverse("access:rules_of_gate", args=["lyceum", harbour.gate.slug])).status_code == 404
