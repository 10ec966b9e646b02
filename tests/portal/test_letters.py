"""Every letter of the registry, rendered: whole in text and HTML, one place to go, and nothing private."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import translation

from portal.mail import registry, sending
from portal.mail.management.commands import mail_table

TEMPLATES = Path(settings.ROOT) / "templates" / "emails"
BASE = "https://models.example"
LETTERS = registry.letters()
NAMES = {letter.name for letter in LETTERS}
QUEUED = json.loads((Path(__file__).parent / "queued_letters.json").read_text(encoding="utf-8"))
"""What each letter held when it was first sent. A letter that is not named is new."""
PARTS = (".subject.txt", ".txt", ".html")


class Page(HTMLParser):
    """What a mail program would see of the HTML: links, the action, whatever is loaded from elsewhere, and the words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.actions: list[str] = []
        self.loaded: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        if tag == "a":
            self.links.append(told["href"])
            if told.get("class") == "action":
                self.actions.append(told["href"])
        if tag in {"img", "link", "script", "iframe", "form", "video"} or "url(" in (told.get("style") or ""):
            self.loaded.append(tag)

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(params=LETTERS, ids=lambda letter: letter.name)
def letter(request):
    return request.param


@pytest.fixture
def mail(letter):
    return sending.render(letter.name, {**letter.sample, "base_url": BASE})


def test_a_letter_has_a_subject_of_one_line_without_markup(mail):
    assert 8 <= len(mail.subject) <= 90
    assert not re.search(r"[\n<>{}]|&\w+;", mail.subject)


def test_a_letter_has_a_text_twin_with_the_same_place_to_go(letter, mail):
    page = Page(str(mail.alternatives[0][0]))
    assert len(page.actions) == 1, "one call to action"
    assert re.match(r"https://models\.example/\S*$", page.actions[0]), "an absolute link"
    assert page.actions[0] in mail.body.split(), "the text has it on a line of its own"
    assert not re.search(r"[<>{}]|&\w+;", mail.body), "plain text is not escaped"


def test_the_words_of_the_text_are_those_of_the_html(mail):
    said = " ".join(" ".join(Page(str(mail.alternatives[0][0])).words).split())
    for paragraph in mail.body.split("\n\n-- ")[0].split("\n\n"):
        words = " ".join(word for word in paragraph.split() if not word.startswith("https://"))
        assert words.startswith("The page shows") or words in said, words


def test_a_letter_shows_its_first_sentence_beside_the_subject(letter, mail):
    html = str(mail.alternatives[0][0])
    preheader = re.search(r'<div style="display:none[^>]*>([^<]+)</div>', html)
    assert preheader
    assert 30 <= len(preheader[1].strip()) <= 200
    assert "Dear" not in preheader[1]


def test_a_letter_needs_nothing_from_elsewhere_and_reads_in_the_dark(mail):
    html = str(mail.alternatives[0][0])
    assert Page(html).loaded == []
    assert 'name="color-scheme" content="light dark"' in html
    assert "prefers-color-scheme: dark" in html
    assert len(html) < 100_000, "Gmail cuts longer ones"


def test_a_letter_reads_nothing_that_its_sample_lacks(letter, settings):
    engine = {**settings.TEMPLATES[0], "OPTIONS": {**settings.TEMPLATES[0]["OPTIONS"], "string_if_invalid": "MISSING"}}
    settings.TEMPLATES = [engine]
    mail = sending.render(letter.name, {**letter.sample, "base_url": BASE})
    assert "MISSING" not in mail.subject + str(mail.body) + str(mail.alternatives[0][0])


@pytest.mark.parametrize("letter", [each for each in LETTERS if each.later], ids=lambda each: each.name)
def test_a_letter_that_an_earlier_version_queued_reads_well_without_what_came_later(letter, settings):
    """It waits for up to three days, and an upgrade in between must neither stop it nor leave a hole in a sentence."""
    engine = {**settings.TEMPLATES[0], "OPTIONS": {**settings.TEMPLATES[0]["OPTIONS"], "string_if_invalid": "MISSING"}}
    settings.TEMPLATES = [engine]
    queued = {name: value for name, value in letter.sample.items() if name not in letter.later}
    mail = sending.render(letter.name, {**queued, "base_url": BASE})
    said = mail.subject + str(mail.body) + str(mail.alternatives[0][0])
    assert "MISSING" not in said
    assert "—" not in str(mail.subject) + str(mail.body)
    assert not re.search(r"\w \.", str(mail.body))
    assert 8 <= len(mail.subject) <= 90


def test_what_a_letter_says_since_then_is_declared_to_have_come_later(letter):
    queued = QUEUED.get(letter.name, list(letter.sample))
    since = set(letter.sample) - set(queued) - set(letter.later)
    assert since == set(), "name them in the letter's `later`, and have its templates do without"


def test_a_surge_that_was_queued_with_figures_of_another_kind_is_told_all_the_same():
    queued = {**registry.letter("surge").sample, "given": "812.4", "usual": "36.0", "base_url": BASE}
    for name in ("given_bytes", "usual_bytes"):
        del queued[name]
    assert "far more of the files" in sending.render("surge", queued).body


def test_there_is_no_template_without_a_letter_and_no_letter_without_its_templates():
    bodies = {path.name.removesuffix(".html") for path in TEMPLATES.glob("*.html")} - {"base"}
    assert bodies - NAMES == set(), "declare each with registry.declare(Letter(…)) in the letters.py of its app"
    missing = [name + part for name in NAMES for part in PARTS if not (TEMPLATES / f"{name}{part}").is_file()]
    assert missing == []


@pytest.mark.django_db
def test_a_mail_that_nobody_declared_is_refused_with_what_to_do():
    with pytest.raises(LookupError, match=r"Declare it with registry\.declare"), transaction.atomic():
        sending.send(to="mara@northfield.example", template="whim", context={}, key="x")


def test_the_table_of_letters_is_in_the_documentation():
    assert mail_table.table() in (Path(settings.ROOT) / "docs" / "mail.md").read_text(), "paste: manage.py mail_table"


@pytest.mark.django_db
def test_a_changed_second_factor_is_not_called_an_address():
    mail = sending.render(
        "account_changed",
        {**registry.letter("account_changed").sample, "event": "totp_activated", "base_url": BASE},
    )
    assert "second factors" in mail.body
    assert "addresses" not in mail.body


@pytest.mark.parametrize("title", ["2026-02-30", "2026-13-01", "２０２６-０１-０１"])
def test_a_name_that_only_looks_like_a_day_stops_no_letter_and_stays_as_it_is(title):
    letter = registry.letter("webhook_stopped")
    mail = sending.render(letter.name, {**letter.sample, "lab": title, "base_url": BASE})
    assert title in mail.body
    assert title in mail.alternatives[0][0]


def test_a_day_is_written_as_the_reader_writes_days():
    letter = registry.letter("webhook_stopped")
    assert (
        "2026-02-28" not in sending.render(letter.name, {**letter.sample, "lab": "2026-02-28", "base_url": BASE}).body
    )


def test_a_moment_is_written_as_the_pages_write_moments():
    letter = registry.letter("opening_planned")
    body = sending.render(letter.name, {**letter.sample, "date": "2026-12-01 12:00 UTC", "base_url": BASE}).body
    assert "on 1 Dec 2026, 12:00 UTC at the earliest" in body.replace("\xa0", " ")


@pytest.mark.parametrize("letter", [each for each in LETTERS if "project" in each.sample], ids=lambda each: each.name)
def test_the_title_of_a_project_is_quoted_wherever_a_letter_names_it(letter):
    mail = sending.render(letter.name, {**letter.sample, "base_url": BASE})
    title = letter.sample["project"]
    for part in (mail.subject, mail.body):
        assert part.count(title) == part.count(f"“{title}”")


def test_a_large_batch_is_told_in_numbers_that_can_be_read():
    letter = registry.letter("batch_ended")
    told = {**letter.sample, "state": "completed", "total": 12_000, "completed": 11_990, "failed": 10}
    assert "Rows: 12,000. Answered: 11,990." in sending.render(letter.name, {**told, "base_url": BASE}).body


def test_a_size_is_written_as_the_reader_writes_numbers():
    letter = registry.letter("surge")
    with translation.override("de"):
        mail = sending.render(letter.name, {**letter.sample, "base_url": BASE})
    assert "36,0\xa0GB" in mail.body


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"all": False, "until": "2026-12-01 00:00 UTC"}, "refused until 1 Dec 2026, 00:00 UTC, or until it has more"),
        (
            {"all": True, "until": "2026-12-01 00:00 UTC"},
            "are refused until 1 Dec 2026, 00:00 UTC, or until it has more",
        ),
        ({"all": False, "until": ""}, "refused until it has more"),
        ({"all": True, "until": ""}, "are refused until it has more"),
    ],
)
def test_the_lead_of_a_project_reads_when_its_queries_work_again(told, words):
    letter = registry.letter("allowance_reached")
    body = sending.render(letter.name, {**letter.sample, **told, "base_url": BASE}).body
    assert words in body.replace("\xa0", " ")
