"""Dates, people, institutions and files as answers: kept as typed, refused with what to do, read back, compared."""

from __future__ import annotations

import tracemalloc

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from portal.access import actions, form_spec, forms
from portal.access.attachment_models import LARGEST, AttachedBytes, Attachment
from portal.access.review_models import Vote
from portal.audit.models import Entry
from portal.errors import Invalid
from portal.http import BoundedUpload
from portal.people import ror
from portal.people.actions import give_role, update_profile
from portal.people.affiliation_actions import Place
from portal.people.institution_actions import import_register
from portal.people.models import Affiliation, Role
from tests.portal import world

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
MORE = [
    {
        "name": "more",
        "title": "More",
        "fields": [
            {"name": "until", "type": "date", "label": "Until", "required": True, "earliest": "2026-01-01"},
            {"name": "team", "type": "person_list", "label": "Team", "required": True, "max": 3},
            {"name": "cv", "type": "file", "label": "CV", "required": True},
        ],
    }
]
SAID = {"until": "2027-03-31", "team": "Ada Okafor, ada@northfield.example"}


@pytest.fixture
def asking(lyceum):
    """The lyceum, with a form that asks for everything that is new."""
    lyceum.gate = actions.change_gate(by=lyceum.manager, gate=lyceum.gate, form_spec=form_spec.research() + MORE)
    return lyceum


def draft_of(asking, by, **said):
    return actions.save_draft(by=by, gate=asking.gate, answers={**world.ANSWERS, **SAID, **said})


def attached(asking, by, content=PDF, name="cv.pdf"):
    draft = draft_of(asking, by)
    return actions.attach(by=by, application=draft, field="cv", name=name, size=len(content), content=content)


def problems_of(asking, application) -> dict[str, list[str]]:
    return forms.complete(asking.gate.form_spec, application.answers)[1]


@pytest.mark.parametrize(
    ("day", "word"),
    [("2027-03-31", ""), ("31.3.2027", "year-month-day"), ("2027-02-30", "year-month-day"), ("2025-12-31", "from 2026-01-01"), ("", "Choose a date")],
)  # fmt: skip
def test_a_date_is_a_day_within_its_bounds(asking, mara, day, word):
    found = problems_of(asking, draft_of(asking, mara, until=day)).get("until", [""])[0]
    assert word in found
    assert bool(word) == bool(found)


@pytest.mark.parametrize(
    ("team", "word"),
    [
        ("Ada Okafor, ada@northfield.example\n\nJonas Weber, jonas@northfield.example", ""),
        ("Ada Okafor", "address of Ada Okafor"),
        ("ada@northfield.example", "name before ada@northfield.example"),
        ("Ada, ada@x.example\nADA, Ada@x.example", "twice"),
        ("A, a@x.example\nB, b@x.example\nC, c@x.example\nD, d@x.example", "at most 3"),
        ("", "at least one"),
        ([{"name": "Ada", "email": "ada@x.example"}], ""),
        ([1, {"name": None}], "at least one"),
    ],
)
def test_people_are_a_name_and_an_address_each(asking, mara, team, word):
    found = problems_of(asking, draft_of(asking, mara, team=team)).get("team", [""])[0]
    assert word in found
    assert bool(word) == bool(found)


def test_people_come_back_as_they_were_typed(asking, mara):
    typed = "Ada Okafor, ada@northfield.example\nJonas\nfay@x.example"
    draft = draft_of(asking, mara, team=typed)
    question = forms.questions(MORE[0], draft.answers, {}, ())[1]
    assert question.written == typed


def test_an_institution_is_the_registers_or_has_a_site(asking, mara):
    import_register(ror.read(ror.SAMPLE), by=None)
    draft = draft_of(asking, mara, institution="northfield university")
    assert draft.answers["institution"] == {
        "name": "Northfield University", "ror": "https://ror.org/0u0000100", "site": "",
    }  # fmt: skip
    unknown = draft_of(asking, mara, institution={"name": "Night School", "ror": "https://ror.org/0u9999999"})
    assert "register" in problems_of(asking, unknown)["institution"][0]
    told = draft_of(asking, mara, institution={"name": "Night School", "site": "https://night.example"})
    assert "institution" not in problems_of(asking, told)


def asks_of_place(w, *, without=(), as_text=()):
    """Let the gate ask less about one's place of work, or in words."""
    spec = form_spec.research()
    kept = [dict(entry) for entry in spec[0]["fields"] if entry["name"] not in without]
    for entry in (entry for entry in kept if entry["name"] in as_text):
        entry.pop("prefill", None)
        entry.pop("choices", None)
        entry["type"] = "text"
    w.gate = actions.change_gate(by=w.manager, gate=w.gate, form_spec=[{**spec[0], "fields": kept}, *spec[1:]])


@pytest.mark.parametrize(
    ("asks", "said"),
    [
        ({"as_text": ["country"]}, {"country": "The Netherlands"}),
        ({"as_text": ["affiliation_class"]}, {"affiliation_class": "A cooperative"}),
        ({"without": ["country"]}, {}),
        ({"without": ["affiliation_class"]}, {}),
    ],
)
def test_a_form_that_asks_less_of_a_place_than_a_profile_can_be_sent(lyceum, mara, asks, said):
    asks_of_place(lyceum, **asks)
    sent = lyceum.applied(mara, **said)
    assert sent.answers["institution"]["name"] == "University of Northfield"
    assert not Affiliation.objects.filter(user=mara).exists(), "too little is known to make a profile of it"


def test_what_a_form_asks_in_its_own_words_is_left_out_of_the_place_of_work(lyceum, mara):
    asks_of_place(lyceum, as_text=["role"])
    lyceum.applied(mara, role="Professor of linguistics")
    place = Affiliation.objects.get(user=mara)
    assert (place.organisation, place.country, place.position) == ("University of Northfield", "EE", "")


def test_the_answered_institution_becomes_the_place_of_work(lyceum, mara):
    lyceum.applied(mara)
    place = Affiliation.objects.get(user=mara)
    assert (place.organisation, place.country, place.position) == ("University of Northfield", "EE", "postdoc")


@pytest.mark.parametrize("junk", [None, 7, [], [[]], {"name": 3, "ror": ["x"]}, {"id": "x"}, "\x00", "x" * 90_000])
def test_no_answer_of_any_shape_breaks_a_draft(asking, mara, junk):
    draft = draft_of(asking, mara, institution=junk, team=junk, until=junk, cv=junk)
    page = world.browser(mara).get(f"/apply/{asking.gate.slug}/more/?fix=1")
    assert page.status_code == 200
    assert not draft.answers.get("cv")


def test_the_first_application_says_where_one_works(asking, mara):
    actions.submit(by=mara, application=attached(asking, mara))
    place = Affiliation.objects.current().get(user=mara)
    assert (place.organisation, place.country, place.klass, place.is_verified) == (
        "University of Northfield", "EE", "academia", False,
    )  # fmt: skip


def test_whom_we_know_has_nine_inputs_left_and_nobody_more_than_twenty(lyceum, mara, stranger):
    import_register(ror.read(ror.SAMPLE), by=None)
    update_profile(
        by=mara,
        name="Mara",
        page="https://northfield.example/mara",
        place=Place("Northfield University", position="phd"),
    )
    mara.refresh_from_db()
    spec = lyceum.gate.form_spec
    assert form_spec.inputs_left(spec, forms.prefill(spec, mara)) <= 9
    assert form_spec.inputs_left(spec, forms.prefill(spec, stranger)) > 9
    assert len(list(form_spec.fields(spec))) <= 25
    assert len(spec) <= 5


def test_nine_inputs_and_the_form_is_complete(lyceum, mara):
    """Typed in a browser's shape, section by section: what is prefilled is sent back as it was drawn."""
    import_register(ror.read(ror.SAMPLE), by=None)
    update_profile(
        by=mara,
        name="Mara",
        page="https://northfield.example/mara",
        place=Place("Northfield University", position="phd"),
    )
    mara.refresh_from_db()
    client = world.browser(mara)
    typed = 0
    for part in lyceum.gate.form_spec:
        url = f"/apply/{lyceum.gate.slug}/{part['name']}/"
        data = {}
        known = forms.prefill(lyceum.gate.form_spec, mara)
        for entry in part["fields"]:
            if entry["type"] == "declaration":
                typed += form_spec.none_of(part) not in data
                data[form_spec.none_of(part)] = "on"
            elif entry["name"] == "institution":
                data |= {"institution": known["institution"]["name"], "institution.ror": known["institution"]["ror"]}
            elif entry["name"] in known:
                data[entry["name"]] = known[entry["name"]]
            else:
                typed += 1
                data[entry["name"]] = world.ANSWERS[entry["name"]]
        assert client.post(url, data).status_code == 302, part["name"]
    assert typed <= 9
    assert client.post(f"/apply/{lyceum.gate.slug}/check/").status_code == 302
    assert mara.applications.get().lane


def test_none_of_these_answers_no_and_a_yes_stays_yes(lyceum, mara):
    answer = world.browser(mara).post(f"/apply/{lyceum.gate.slug}/uses/", {"none_of_uses": "on", "military": "yes"})
    assert answer.status_code == 302
    kept = mara.applications.get().answers
    assert (kept["commercial"], kept["military"]) == ("no", "yes")


def test_a_pdf_is_kept_and_comes_back_as_a_file_to_save(asking, mara):
    client = world.browser(mara)
    draft_of(asking, mara)
    upload = SimpleUploadedFile("../../Mara’s <cv>.PDF.pdf", PDF, "text/html")
    answer = client.post(f"/apply/{asking.gate.slug}/more/", {**SAID, "cv": upload})
    assert answer.status_code == 302
    found = Attachment.objects.get()
    assert (found.name, found.size) == ("Mara’s cv.PDF.pdf", len(PDF))
    page = client.get(f"/apply/{asking.gate.slug}/more/").content.decode()
    assert f"/applications/{found.application_id}/files/{found.pk}/" in page
    answer = client.get(f"/applications/{found.application_id}/files/{found.pk}/")
    assert answer.content == PDF
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"].startswith("sandbox")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"MZ" + PDF, "not a whole PDF"),
        (b"<script>%PDF-%%EOF</script>", "not a whole PDF"),
        (PDF[:-8], "not a whole PDF"),
        (PDF + b"0" * (5 << 20), "larger than 5 MiB"),
        (PDF + b"0" * (9 << 20), "larger than 5 MiB"),
    ],
)
def test_another_file_is_refused_and_the_other_answers_stay(asking, mara, content, word):
    client = world.browser(mara)
    data = {"cv": SimpleUploadedFile("cv.pdf", content), **SAID}
    answer = client.post(f"/apply/{asking.gate.slug}/more/", data)
    assert answer.status_code == 422
    assert word in answer.content.decode()
    assert not Attachment.objects.exists()
    assert mara.applications.get().answers["until"] == "2027-03-31"


def test_a_new_file_replaces_one_that_was_never_sent_and_keeps_one_that_was(asking, mara):
    attached(asking, mara)
    draft = attached(asking, mara, PDF + b"2 %%EOF")
    assert Attachment.objects.count() == AttachedBytes.objects.count() == 1
    sent = actions.submit(by=mara, application=draft)
    actions.request_changes(by=asking.reviewers[0], application=sent, message="Another, please.")
    actions.attach(by=mara, application=sent, field="cv", name="cv.pdf", size=len(PDF), content=PDF)
    assert Attachment.objects.count() == 2
    again = actions.submit(by=mara, application=sent)
    last, first = again.submissions.order_by("-round")
    read = forms.read_back(last.form_spec, last.answers, first.answers)[-1][1]
    assert [answer.name for answer in read if answer.changed] == ["cv"]


def test_a_file_is_taken_back(asking, mara):
    attached(asking, mara)
    world.browser(mara).post(f"/apply/{asking.gate.slug}/more/", {**SAID, "cv.remove": "on"})
    assert not Attachment.objects.exists()
    assert not mara.applications.get().answers["cv"]


def test_who_reads_a_file(asking, harbour, mara, stranger):
    draft = attached(asking, mara)
    path = f"/applications/{draft.pk}/files/{Attachment.objects.get().pk}/"
    reviewer, recused, colleague = asking.reviewers
    assert world.browser(reviewer).get(path).status_code == 404, "nobody sees a draft"
    sent = actions.submit(by=mara, application=draft)
    actions.cast_vote(by=recused, application=sent, vote=Vote.RECUSE)
    update_profile(
        by=colleague,
        name="C",
        place=Place("University of Northfield", site="https://n.example", country="EE", klass="academia"),
    )
    assert world.browser(reviewer).get(path).status_code == 200
    assert Entry.objects.filter(event="file.read", actor_id=str(reviewer.pk)).count() == 1
    for nobody in (stranger, recused, colleague, harbour.reviewers[0], harbour.manager):
        assert world.browser(nobody).get(path).status_code == 404, nobody
    assert Client().get(path).status_code == 302


def test_nobody_answers_with_the_file_of_another(asking, mara, stranger):
    attached(asking, mara)
    theirs = {"id": str(Attachment.objects.get().pk), "name": "cv.pdf"}
    assert not draft_of(asking, stranger, cv=theirs).answers.get("cv")
    give_role(user=stranger, lab=asking.lab, role=Role.REVIEWER, by=None)
    with pytest.raises(Invalid):
        actions.attach(by=mara, application=mara.applications.get(), field="title", name="x", size=1, content=PDF)


def test_the_files_of_one_form_are_on_the_disk_while_they_are_read():
    chunk, taken = bytes(64 << 10), []
    tracemalloc.start()
    for name in ("cv", "letter", "plan", "ethics"):
        upload = BoundedUpload()
        upload.new_file(name, f"{name}.pdf", "application/pdf", None)
        for start in range(0, LARGEST, len(chunk)):
            upload.receive_data_chunk(chunk, start)
        taken.append(upload.file_complete(LARGEST))
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < LARGEST, "bytes of memory for four files of 5 MiB"
    assert [len(file.read()) for file in taken] == [LARGEST] * 4


def test_what_no_form_takes_arrives_empty_with_its_size():
    upload = BoundedUpload()
    upload.new_file("cv", "cv.pdf", "application/pdf", None)
    for start in range(0, 2 * LARGEST, 1 << 20):
        upload.receive_data_chunk(bytes(1 << 20), start)
    file = upload.file_complete(2 * LARGEST)
    assert (file.read(), file.size) == (b"", 2 * LARGEST)


def test_a_form_brings_no_more_files_than_it_has_questions(asking, mara):
    assert settings.DATA_UPLOAD_MAX_NUMBER_FILES == form_spec.INPUT_LIMIT
    files = {f"file{n}": SimpleUploadedFile("a.pdf", PDF) for n in range(form_spec.INPUT_LIMIT + 1)}
    response = world.browser(mara).post(f"/apply/{asking.gate.slug}/more/", {**SAID, **files})
    assert (response.status_code, Attachment.objects.count()) == (400, 0)
