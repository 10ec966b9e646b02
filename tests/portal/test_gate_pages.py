"""Managers write their gates on pages: made, set, closed and opened, with forms as text; others read or see nothing."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from portal.access import actions, duo, form_spec, form_text
from portal.access.form_models import FormVersion
from portal.access.gate_forms import settings_of
from portal.access.gate_models import Gate
from portal.access.workflow import Status
from portal.agreements.models import Agreement
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.people.actions import create_lab, give_role
from portal.people.models import Role
from tests.portal import world
from tests.portal.world import browser


def url(w: world.World, name: str = "gate") -> str:
    return reverse(f"access:{name}", args=[w.lab.slug, w.gate.slug])


def now(w: world.World) -> Gate:
    return Gate.objects.get(pk=w.gate.pk)


def posted(w: world.World, **changes):
    """The settings page as the browser sends it back."""
    values = {**settings_of(now(w)), **changes}
    sent = {name: value for name, value in values.items() if value is not False}
    return {**{name: "on" if value is True else value for name, value in sent.items()}, "edits": now(w).edits}


# --- Made


def test_a_manager_makes_an_agreement_then_a_gate_like_another(lyceum):
    client = browser(lyceum.manager)
    actions.change_gate(by=lyceum.manager, gate=lyceum.gate, quorum=3, duo=["DUO:0000018"], auto_approve_green=True)
    made = client.post(reverse("access:agreement_new", args=["lyceum"]), {"title": "Small Terms", "slug": "small"})
    assert made["Location"] == reverse("access:agreement_draft", args=["lyceum", "small"])
    terms = Agreement.objects.get(slug="small")
    told = {"title": "Small", "slug": "small", "agreement": terms.pk, "like": lyceum.gate.pk}
    done = client.post(reverse("access:gate_new", args=["lyceum"]), told)
    assert done["Location"] == reverse("access:gate", args=["lyceum", "small"])
    gate = Gate.objects.get(slug="small")
    assert (gate.quorum, gate.duo, gate.agreement, gate.auto_approve_green) == (3, ["DUO:0000018"], terms, False)
    assert FormVersion.objects.get(gate=gate).made_by == lyceum.manager
    assert Entry.objects.filter(event="gate.created").latest("id").data["like"] == lyceum.gate.slug


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"title": ""}, "Write it."),
        ({"slug": "two words"}, "Use letters, digits and hyphens"),
        ({"slug": "lyceum-large"}, "already exists"),
        ({"slug": "new"}, "Taken."),
    ],
)
def test_a_gate_that_cannot_be_made_says_why_beside_the_field(lyceum, changes, says):
    told = {"title": "Small", "slug": "small", "agreement": lyceum.agreement.pk, **changes}
    answer = browser(lyceum.manager).post(reverse("access:gate_new", args=["lyceum"]), told)
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert Gate.objects.count() == 1


def test_nothing_of_another_lab_goes_into_a_gate(lyceum, harbour):
    told = {"title": "Small", "slug": "small", "agreement": harbour.agreement.pk}
    assert browser(lyceum.manager).post(reverse("access:gate_new", args=["lyceum"]), told).status_code == 422
    with pytest.raises(Invalid):
        actions.create_gate(
            by=lyceum.manager, lab=lyceum.lab, slug="x", title="x", agreement=lyceum.agreement, like=harbour.gate
        )


def test_a_lab_without_agreement_is_told_to_make_one_first(lyceum):
    bare = create_lab(slug="bare", name="Bare Laboratory", by=None)
    give_role(user=lyceum.manager, lab=bare, role=Role.MANAGER, by=None)
    page = browser(lyceum.manager).get(reverse("access:gate_new", args=["bare"])).content.decode()
    assert "The agreement comes first" in page


def test_an_agreement_of_a_taken_name_is_refused(lyceum):
    for slug in ("research", "new"):
        answer = browser(lyceum.manager).post(
            reverse("access:agreement_new", args=["lyceum"]), {"title": "x", "slug": slug}
        )
        assert answer.status_code == 422
        assert "Taken." in answer.content.decode()


# --- Set


def test_a_manager_changes_the_settings_and_the_trail_says_which(lyceum):
    client = browser(lyceum.manager)
    page = client.get(url(lyceum)).content.decode()
    assert "not for profit, non commercial use only (DUO:0000018)" in page
    sent = posted(
        lyceum, title="Lyceum, large", quorum=3, capabilities=["download"], renew_unchanged=True, duo=["DUO:0000019"]
    )
    assert client.post(url(lyceum), sent).status_code == 302
    gate = now(lyceum)
    assert (gate.title, gate.quorum, gate.capabilities, gate.renew_unchanged) == (
        "Lyceum, large",
        3,
        ["download"],
        True,
    )
    changed = ["capabilities", "duo", "quorum", "renew_unchanged", "title"]
    assert Entry.objects.get(event="gate.changed").data["changed"] == changed
    client.post(url(lyceum), posted(lyceum))
    assert Entry.objects.filter(event="gate.changed").count() == 1, "saving the same again changes nothing"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("quorum", bad) for bad in ("0", "6", "two", "")), ("grant_days", "1831"), ("deletion_days", "0"),
        ("spot_check_percent", "101"), ("capabilities", []), ("capabilities", ["fly"]), ("title", ""), ("title", "x" * 201),
        ("contact", "nobody"), ("duo", ["DUO:9999999"]), ("target_days", "0"),
        ("confirmations", "4"), ("confirmer", "friend"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_hold_is_refused_beside_its_field(lyceum, name, value):
    before = settings_of(now(lyceum))
    answer = browser(lyceum.manager).post(url(lyceum), posted(lyceum, **{name: value}))
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {name}
    assert settings_of(now(lyceum)) == before


def test_who_saves_over_newer_settings_sees_what_differs_and_decides(lyceum):
    client, mine = browser(lyceum.manager), posted(lyceum, quorum=1, summary="Mine.")
    actions.change_gate(by=lyceum.manager, gate=lyceum.gate, summary="Theirs.", target_days=9)
    answer = client.post(url(lyceum), mine)
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "Theirs." in page
    assert "Mine." in page
    assert now(lyceum).quorum == 2
    again = {**mine, "edits": answer.context["edits"]}
    assert client.post(url(lyceum), again).status_code == 302
    assert (now(lyceum).quorum, now(lyceum).summary) == (1, "Mine.")


def test_a_wrong_spot_check_makes_an_open_settings_page_stale(lyceum):
    """Else the page of a manager who was reading would switch the rules on again."""
    actions.change_gate(by=lyceum.manager, gate=lyceum.gate, auto_approve_green=True)
    mine = posted(lyceum)
    actions.gates.switch_passing_off(by=lyceum.reviewers[0], gate=lyceum.gate, because="A-1")
    assert browser(lyceum.manager).post(url(lyceum), mine).status_code == 409
    assert not now(lyceum).auto_approve_green


def test_reviewers_read_the_settings_and_strangers_see_nothing(lyceum, harbour, stranger):
    reader = browser(lyceum.reviewers[0])
    page = reader.get(url(lyceum)).content.decode()
    assert "Save settings" not in page
    assert "Approvals needed" in page
    for name, sent in (
        ("gate", posted(lyceum)),
        ("gate_shut", {"closed_reason": "x"}),
        ("gate_form", {"text": "x", "save": "1"}),
    ):
        assert reader.post(url(lyceum, name), sent).status_code == 403
        for outsider in (harbour.manager, stranger):
            assert browser(outsider).post(url(lyceum, name), sent).status_code == 404
    for outsider in (harbour.manager, stranger):
        for name in ("gate", "gate_form", "gate_forms"):
            assert browser(outsider).get(url(lyceum, name)).status_code == 404
    assert lyceum.gate.title not in browser(harbour.manager).get(reverse("access:gates")).content.decode()
    with pytest.raises(NotFound):
        actions.change_gate(by=harbour.manager, gate=lyceum.gate, quorum=1)
    with pytest.raises(NotAllowed):
        actions.change_gate(by=lyceum.reviewers[0], gate=lyceum.gate, quorum=1)


def test_the_list_takes_as_many_queries_for_many_as_for_one(lyceum, django_assert_num_queries):
    client, spent = browser(lyceum.manager), []
    for more in (0, 5):
        for n in range(more):
            actions.create_gate(
                by=lyceum.manager, lab=lyceum.lab, slug=f"g{n}", title=f"G{n}", agreement=lyceum.agreement
            )
        with django_assert_num_queries(spent[0] if spent else 20, exact=False) as seen:
            assert client.get(reverse("access:gates")).status_code == 200
        spent.append(len(seen))
    assert spent[0] == spent[1]


def test_loosening_asks_who_it_is(lyceum, settings):
    settings.STEP_UP = True
    answer = browser(lyceum.manager).post(url(lyceum), posted(lyceum, quorum=1))
    assert answer["Location"].startswith("/account/reauthenticate/")
    assert now(lyceum).quorum == 2


# --- Closed and open


def test_a_closed_gate_takes_nothing_new_and_says_why_and_goes_on_with_what_it_has(lyceum, mara, stranger):
    sent = lyceum.applied(mara, role="student")
    actions.request_changes(by=lyceum.reviewers[0], application=sent, message="More.")
    draft = actions.save_draft(by=stranger, gate=lyceum.gate, answers=world.ANSWERS)
    client = browser(lyceum.manager)
    silent = client.post(url(lyceum, "gate_shut"), {"closed_reason": " "})
    assert silent.status_code == 422
    assert "Say why" in silent.content.decode()
    client.post(url(lyceum, "gate_shut"), {"closed_reason": "All seats are taken until May."})
    assert Entry.objects.get(event="gate.closed").data == {"reason": "All seats are taken until May."}
    lyceum.gate.refresh_from_db()
    late = browser(world.person("Late")).get(lyceum.gate.get_absolute_url()).content.decode()
    assert "All seats are taken until May." in late
    assert '<form method="post" action="/apply' not in late
    kept = browser(stranger).get(lyceum.gate.get_absolute_url()).content.decode()
    assert "Your draft is kept" in kept
    with pytest.raises(NotAllowed, match="All seats are taken"):
        actions.submit(by=stranger, application=draft)
    assert actions.submit(by=mara, application=sent).status == Status.SUBMITTED, "what was sent goes on"
    client.post(url(lyceum, "gate_shut"), {"open": "1"})
    lyceum.gate.refresh_from_db()
    assert actions.submit(by=stranger, application=draft).status == Status.SUBMITTED
    with pytest.raises(Conflict):
        actions.open_gate(by=lyceum.manager, gate=lyceum.gate)


def test_the_database_takes_no_gate_that_is_closed_without_a_reason(lyceum):
    with pytest.raises(IntegrityError), transaction.atomic():
        Gate.objects.filter(pk=lyceum.gate.pk).update(closed_reason="x")


# --- Its form


def test_a_manager_writes_the_next_form_looks_at_it_and_puts_it_in_force(lyceum, mara):
    sent = lyceum.applied(mara)
    client, link = browser(lyceum.manager), url(lyceum, "gate_form")
    before = form_text.write(lyceum.gate.form_spec)
    text = before.replace("Project title", "Title of the project")
    told = {"text": text, "edits": now(lyceum).edits}
    shown = client.post(link, {**told, "preview": "1"}).content.decode()
    assert "Title of the project" in shown
    assert "Surveillance, or research on it" in shown
    assert now(lyceum).form_version == 1, "a look changes nothing"
    client.post(link, {**told, "save": "1"})
    assert now(lyceum).form_version == 2
    versions = client.get(url(lyceum, "gate_forms")).content.decode()
    assert "From version 1 to 2" in versions
    assert "[added: </span>" in versions
    assert sent.submissions.get().form_version == 1
    assert [row.version for row in FormVersion.objects.filter(gate=lyceum.gate)] == [2, 1]
    review = browser(lyceum.reviewers[0]).get(reverse("access:review", args=[sent.pk])).content.decode()
    assert "Project title" in review, "an application keeps the form it answered"


def test_a_form_with_faults_says_so_beside_the_lines_and_loses_nothing(lyceum):
    text = form_text.write(lyceum.gate.form_spec).replace("type: long_text", "type: essay", 1)
    line = text.split("\n").index("      type: essay") + 1
    for verb in ("save", "preview"):
        answer = browser(lyceum.manager).post(url(lyceum, "gate_form"), {"text": text, "edits": 0, verb: "1"})
        assert answer.status_code == 422
        page = answer.content.decode()
        assert f'<td class="num">{line}</td><td><code>      type: essay</code></td>' in page
        assert "unknown type “essay”" in page
        assert "type: essay" in page.split("<textarea")[1]
    assert now(lyceum).form_version == 1


def test_a_form_written_over_a_newer_one_is_compared_first(lyceum):
    client, link, edits = browser(lyceum.manager), url(lyceum, "gate_form"), now(lyceum).edits
    mine = form_text.write(lyceum.gate.form_spec).replace("Project title", "Mine")
    spec = form_text.read(mine.replace('"Mine"', '"Theirs"').replace(" Mine", " Theirs"))[0]
    actions.change_gate(by=lyceum.manager, gate=lyceum.gate, form_spec=spec)
    answer = client.post(link, {"text": mine, "edits": edits, "save": "1"})
    assert answer.status_code == 409
    assert "Theirs" in answer.content.decode()
    assert now(lyceum).form_version == 2
    client.post(link, {"text": mine, "edits": answer.context["edits"], "save": "1"})
    assert now(lyceum).form_version == 3


def test_a_version_of_a_form_is_written_once(lyceum):
    with pytest.raises(IntegrityError), transaction.atomic():
        FormVersion.objects.update(form_spec=[])


def test_the_same_form_in_other_words_is_no_new_version(lyceum):
    same = actions.change_gate(by=lyceum.manager, gate=lyceum.gate, form_spec=form_spec.tidy(lyceum.gate.form_spec))
    assert (same.form_version, Entry.objects.filter(event="gate.changed").count()) == (1, 0)


# --- Terms of use


def test_terms_are_shown_to_applicants_and_what_speaks_against_one_to_reviewers(lyceum, mara):
    actions.change_gate(by=lyceum.manager, gate=lyceum.gate, duo=["DUO:0000046", "DUO:0000045"])
    lyceum.gate.refresh_from_db()
    page = browser(mara).get(lyceum.gate.get_absolute_url()).content.decode()
    assert "non-commercial use only" in page
    assert "http://purl.obolibrary.org/obo/DUO_0000046" in page
    sent = lyceum.applied(mara, commercial="yes", affiliation_class="industry_research")
    assert sent.status == Status.SUBMITTED, "terms decide nothing"
    review = browser(lyceum.reviewers[0]).get(reverse("access:review", args=[sent.pk])).content.decode()
    assert review.count("speaks against") == 2
    plain = lyceum.applied(world.person("Plain"))
    assert (
        "speaks against"
        not in browser(lyceum.reviewers[0]).get(reverse("access:review", args=[plain.pk])).content.decode()
    )


def test_whoever_may_not_judge_reads_of_no_answer_that_speaks_against_a_term(lyceum, mara):
    """Their page has no answers; a doubt is one, with its name."""
    actions.change_gate(by=lyceum.manager, gate=lyceum.gate, duo=["DUO:0000046"])
    lyceum.gate.refresh_from_db()
    sent = lyceum.applied(mara, commercial="yes")
    colleague, other = lyceum.reviewers[:2]
    world.work_at("Northfield", mara, colleague)
    shown = {
        each: browser(each).get(reverse("access:review", args=[sent.pk])).content.decode()
        for each in (colleague, other)
    }
    assert ("speaks against" in shown[colleague], "speaks against" in shown[other]) == (False, True)
    assert "You do not see the answers" in shown[colleague]


def test_the_database_takes_no_term_that_nobody_knows(lyceum):
    assert set(duo.TERMS) >= {"DUO:0000018", "DUO:0000042"}
    with pytest.raises(IntegrityError), transaction.atomic():
        Gate.objects.filter(pk=lyceum.gate.pk).update(duo=["DUO:9999999"])
