"""The operator tells everybody of planned work, of a disturbance, of news; everybody reads it, and nobody else writes it."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.announcements import actions, context
from portal.announcements.context import MOST
from portal.announcements.models import Announcement, Kind, Remark
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotFound
from tests.portal import world

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def admin(operator):
    return world.browser(operator)


def told(title="The store moves", *, kind=Kind.PLANNED, begins=-HOUR, lasts=2 * HOUR, text="", by=None):
    starts = timezone.now() + begins
    return actions.publish(
        kind=kind, title=title, text=text, starts_at=starts, ends_at=starts + lasts if lasts else None, by=by
    )


def banner(client, path="/help/", *, afresh=True):
    """The titles above a page; `afresh`, from a process that has shown no page yet."""
    if afresh:
        caches["process"].clear()
    page = client.get(path).content.decode()
    part = page.partition('aria-label="Announcements"')[2].partition("</aside>")[0]
    return [piece.partition(">")[2].partition("</a>")[0] for piece in part.split("<a ")[1:]]


def test_a_stranger_reads_it_above_every_page_while_it_goes_on(client):
    assert banner(client) == []
    told()
    assert banner(client) == banner(client, "/account/login/") == ["The store moves"]
    Announcement.objects.update(starts_at=timezone.now() - 3 * HOUR, ends_at=timezone.now() - HOUR)
    assert banner(client) == []


@pytest.mark.django_db(transaction=True)
def test_a_process_looks_again_after_a_while_and_at_once_where_it_was_written(client, monkeypatch):
    monkeypatch.setattr(context, "FRESH_S", 60)
    assert banner(client) == []
    Announcement.objects.create(kind="news", title="Of another process", ends_at=timezone.now() + HOUR)
    assert banner(client, afresh=False) == []
    told()
    assert banner(client, afresh=False) == ["Of another process", "The store moves"]


def test_pages_that_tell_of_it_themselves_do_not_tell_twice(client):
    told()
    for path in ("/announcements/", "/status/"):
        assert banner(client, path) == []
        assert client.get(path).content.decode().count("The store moves") == 1


def test_planned_work_is_told_a_week_ahead_and_stands_on_the_list_from_the_first_day(client):
    told("Near", begins=timedelta(days=6, hours=23))
    told("Far", begins=timedelta(days=7, hours=1))
    assert banner(client) == ["Near"]
    page = client.get("/announcements/").content.decode()
    assert page.index(">Near<") < page.index(">Far<")


def test_what_goes_on_comes_before_what_is_to_come_and_a_page_is_not_pushed_away(client):
    for n in range(5):
        told(f"Later {n}", begins=(n + 1) * HOUR)
    told("Now", kind=Kind.DISTURBANCE, lasts=None)
    titles = banner(client)
    assert (titles[0], len(titles)) == ("Now", MOST)


def test_of_what_goes_on_the_latest_is_told_and_no_older_news_stand_in_its_way(client):
    for n in range(MOST + 1):
        told(f"Old {n}", kind=Kind.NEWS, begins=-(n + 2) * HOUR, lasts=None)
    told("Broken", kind=Kind.DISTURBANCE, begins=-timedelta(minutes=1), lasts=None)
    told("Soon", begins=HOUR)
    told("Later", begins=2 * HOUR)
    assert banner(client) == ["Broken", "Old 0", "Old 1"]
    page = client.get("/announcements/").content.decode()
    places = [page.index(f">{title}<") for title in ("Broken", "Old 0", "Old 1", "Old 3", "Soon", "Later")]
    assert places == sorted(places), "and what is to come, the next first"


def test_what_is_written_is_text_and_no_markup(client):
    found = told("<b>Work</b>", text="<script>alert(1)</script>")
    actions.remark(announcement=found, text="<i>well</i>", by=None)
    for path in ("/help/", "/announcements/", found.get_absolute_url(), "/announcements/feed.atom"):
        page = client.get(path).content.decode()
        assert "&lt;b&gt;Work" in page
        assert "<script>alert" not in page
        assert "<i>well" not in page


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 121}, "title"),
        ({"text": "x" * 4001}, "text"),
        ({"lasts": -HOUR}, "ends_at"),
        ({"lasts": None}, "ends_at"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field_and_nothing_is_told(wrong, field):
    with pytest.raises(Invalid) as caught:
        told(**wrong)
    assert list(caught.value.fields) == [field]
    assert not Announcement.objects.exists()


def test_the_database_refuses_what_no_action_writes():
    found = told()
    for wrong in ({"kind": "gossip"}, {"ends_at": found.starts_at}, {"ends_at": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Announcement.objects.update(**wrong)


def test_a_disturbance_goes_on_until_the_operator_ends_it(client, operator):
    found = told("Slow", kind=Kind.DISTURBANCE, lasts=None, begins=-timedelta(days=40))
    assert banner(client) == ["Slow"]
    actions.remark(announcement=found, text="The cause is found.", by=operator)
    actions.end(announcement=found, by=operator)
    assert banner(client) == []
    page = client.get(found.get_absolute_url()).content.decode()
    assert "The cause is found." in page
    assert [entry.event for entry in Entry.objects.filter(event__startswith="announcement").order_by("pk")] == [
        "announcement.published", "announcement.remarked", "announcement.changed",
    ]  # fmt: skip
    with pytest.raises(Conflict):
        actions.end(announcement=found, by=operator)
    with pytest.raises(Conflict):
        actions.end(announcement=told(begins=HOUR), by=operator)


def test_who_writes_to_one_that_another_operator_deleted_is_told():
    found = told(kind=Kind.DISTURBANCE, lasts=None)
    Announcement.objects.all().delete()
    with pytest.raises(NotFound):
        actions.end(announcement=found, by=None)
    with pytest.raises(NotFound):
        actions.remark(announcement=found, text="Well again.", by=None)


def test_a_remark_of_nothing_is_refused():
    for text in ("", "  ", "x" * 2001):
        with pytest.raises(Invalid):
            actions.remark(announcement=told(), text=text, by=None)
    assert not Remark.objects.exists()


def test_a_program_reads_all_that_is_not_over(client):
    over = told("Gone", begins=-5 * HOUR)
    actions.remark(announcement=told(), text="Half is done.", by=None)
    told("Soon", begins=HOUR)
    found = client.get("/api/v1/announcements").json()["announcements"]
    assert [(one["title"], one["stands"], len(one["remarks"])) for one in found] == [
        ("The store moves", "now", 1),
        ("Soon", "coming", 0),
    ]
    assert client.get(over.get_absolute_url()).status_code == 200
    assert client.get(f"/announcements/{over.pk + 1_000}/").status_code == 404


def test_the_feed_has_each_announcement_and_each_remark_once(client):
    found = told()
    remark = actions.remark(announcement=found, text="Half\x1b is done.", by=None)
    feed = ElementTree.fromstring(client.get("/announcements/feed.atom").content)
    ids = [entry.findtext(f"{ATOM}id") for entry in feed.findall(f"{ATOM}entry")]
    assert len(ids) == len(set(ids)) == 2
    assert ids[0].endswith(f"{found.get_absolute_url()}#remark-{remark.pk}")


def test_a_long_past_is_turned_by_pages_with_as_many_statements(client, django_assert_max_num_queries):
    starts = timezone.now() - timedelta(days=900)
    Announcement.objects.bulk_create(
        Announcement(kind="news", title=f"News {n}", starts_at=starts + n * HOUR, ends_at=starts + (n + 1) * HOUR)
        for n in range(400)
    )
    with django_assert_max_num_queries(8):
        first = client.get("/announcements/").content.decode()
    assert ">News 399<" in first
    assert ">News 0<" not in first
    assert ">News 0<" in client.get("/announcements/?page=999").content.decode()


def test_the_operator_writes_changes_and_deletes_in_the_admin(admin, operator):
    given = {
        "kind": "planned", "title": "The store moves", "text": "", "remark": "", "starts_at_0": "2099-01-02",
        "starts_at_1": "10:00", "ends_at_0": "2099-01-02", "ends_at_1": "09:00",
    }  # fmt: skip
    page = admin.post("/admin/announcements/announcement/add/", given)
    assert "It must end after it begins." in page.content.decode()
    admin.post("/admin/announcements/announcement/add/", given | {"ends_at_1": "12:00"})
    found = Announcement.objects.get()
    assert found.starts_at == datetime(2099, 1, 2, 10, tzinfo=UTC)
    change = f"/admin/announcements/announcement/{found.pk}/change/"
    admin.post(change, given | {"ends_at_1": "12:00", "remark": "It is called off."})
    admin.post(change, given | {"ends_at_1": "13:00"})
    admin.post(f"/admin/announcements/announcement/{found.pk}/delete/", {"post": "yes"})
    entries = Entry.objects.filter(event__startswith="announcement").order_by("pk")
    assert [(entry.event.partition(".")[2], entry.actor_id) for entry in entries] == [
        (verb, str(operator.pk)) for verb in ("published", "remarked", "changed", "deleted")
    ]
    assert not Announcement.objects.exists()


def test_the_operator_ends_several_at_once_and_hears_of_those_that_cannot_end(admin):
    goes_on, coming = told(), told("Soon", begins=HOUR)
    chosen = {"action": "end", "_selected_action": [goes_on.pk, coming.pk]}
    page = admin.post("/admin/announcements/announcement/", chosen, follow=True).content.decode()
    assert "Soon: It has not begun" in page
    goes_on.refresh_from_db()
    assert goes_on.stands(timezone.now()) == "over"


def test_nobody_but_the_operator_writes(lyceum):
    client = world.browser(lyceum.manager)
    for path in ("/admin/announcements/announcement/", "/admin/announcements/announcement/add/"):
        assert client.post(path, {"title": "Mine"}).status_code in (302, 403)
    for path in ("/announcements/", "/api/v1/announcements", "/announcements/feed.atom"):
        assert client.post(path, {"title": "Mine"}).status_code in (403, 405)
    assert not Announcement.objects.exists()


def said(*words):
    out = io.StringIO()
    call_command("announce", *words, stdout=out)
    return out.getvalue()


def test_at_a_shell_it_is_told_added_to_and_ended():
    line = said("The gateway is slow", "--text", "We look at it.")
    number = line.split()[0]
    assert "disturbance" in line
    said("--of", number, "--remark", "Found.")
    assert said("--of", number, "--end") == ""
    planned = said("The store moves", "--kind", "planned", "--from", "2099-01-02T10:00", "--until", "2099-01-02T12:00")
    assert "2099-01-02 10:00 UTC until 2099-01-02 12:00: The store moves" in planned
    assert [remark.text for remark in Remark.objects.all()] == ["Found."]


@pytest.mark.parametrize(
    "words",
    [
        ["Work", "--kind", "planned"],
        ["Work", "--of", "1"],
        ["--end"],
        ["--of", "4711", "--end"],
        ["Work", "--from", "tomorrow"],
        ["Work", "--until", "2000-01-01T00:00"],
    ],
)
def test_at_a_shell_what_makes_no_sense_is_said_and_nothing_is_told(words):
    with pytest.raises(CommandError):
        said(*words)
    assert not Announcement.objects.exists()
