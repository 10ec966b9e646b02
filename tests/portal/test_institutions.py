"""The register of institutions: imported from a dump, found while one types, chosen as a place of work."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from portal.audit.models import Entry
from portal.errors import Invalid
from portal.people import ror
from portal.people.affiliation_actions import Place, affiliate
from portal.people.institution_actions import import_register
from portal.people.models import Affiliation, Institution

pytestmark = pytest.mark.django_db

NORTHFIELD = "https://ror.org/0u0000100"
TEACHERS = "https://ror.org/0u0001500"
SALTMARSH = "https://ror.org/0u0000600"


def sample() -> list[dict]:
    return json.loads(ror.SAMPLE.read_text(encoding="utf-8"))


@pytest.fixture
def register(db):
    return import_register(ror.read(ror.SAMPLE), by=None)


@pytest.fixture
def browser(mara):
    client = Client()
    client.force_login(mara)
    return client


def test_the_sample_cannot_be_taken_for_the_register():
    for raw in sample():
        assert ror.ID.fullmatch(raw["id"])
        assert "u" in raw["id"].rpartition("/")[2], "a letter that ROR never uses"
        assert all(domain.endswith(".example") for domain in raw["domains"])


def test_a_dump_is_imported_once_and_a_second_run_changes_nothing(register):
    assert (register.added, register.changed, register.faults) == (16, 0, [])
    again = import_register(ror.read(ror.SAMPLE), by=None)
    assert (again.added, again.changed, again.same) == (0, 0, 16)
    place = Institution.objects.get(ror=NORTHFIELD)
    assert (place.name, place.country, place.city, place.domains, place.types) == (
        "Northfield University", "NL", "Noordveld", ["northfield.example"], ["education", "funder"],
    )  # fmt: skip
    assert Entry.objects.filter(event="institutions.imported").count() == 2


def test_what_changed_and_what_was_withdrawn_is_counted(register):
    records = sample()
    records[0]["names"][0]["value"] = "Northfield State University"
    records[1]["status"] = "withdrawn"
    report = import_register(iter(records), by=None)
    assert (report.added, report.changed, report.withdrawn) == (0, 2, 1)
    assert [hit.name for hit in Institution.objects.matching("northfield state")] == ["Northfield State University"]


def test_an_import_that_broke_off_goes_on_when_it_is_run_again():
    import_register(iter(sample()[:5]), by=None)
    report = import_register(ror.read(ror.SAMPLE), by=None)
    assert (report.added, report.same) == (11, 5)


def test_what_an_import_did_before_it_broke_off_is_on_the_trail(monkeypatch, tmp_path):
    """Each transaction leaves its own entry: a killed import changed the table, and nothing told of it."""
    monkeypatch.setattr("portal.people.institution_actions.BATCH", 5)
    half = tmp_path / "half.json"
    half.write_text(json.dumps(sample()[:12])[:-1], encoding="utf-8")
    with pytest.raises(
        CommandError,
        match=r"breaks off before its list ends\. .* 10 institutions were added and 0 changed; import a whole file",
    ):
        call_command("import_ror", str(half))
    told = list(Entry.objects.filter(event__startswith="institutions.").order_by("pk").values_list("event", "data"))
    part = {"added": 5, "changed": 0, "withdrawn": 0}
    assert told == [("institutions.written", part), ("institutions.written", part)]
    import_register(ror.read(ror.SAMPLE), by=None)
    again = Entry.objects.filter(event__startswith="institutions.").order_by("pk")[2:]
    assert [(entry.event, entry.data["added"]) for entry in again] == [
        ("institutions.written", 5), ("institutions.written", 1), ("institutions.imported", 6),
    ]  # fmt: skip


def test_a_record_out_of_shape_is_left_out_with_its_reason_and_the_rest_goes_in():
    records = sample()
    records[2]["id"] = "https://example.org/1"
    records[3]["names"] = "Northfield"
    records[4]["status"] = "asleep"
    del records[5]["names"][0]["value"]
    records[6]["locations"] = [None]
    report = import_register(iter(records), by=None)
    assert report.added == 11
    assert len(report.faults) == 5
    assert "no ROR id" in report.faults[0]


@pytest.mark.parametrize(
    ("content", "word"),
    [("{}", "one JSON list"), ("", "one JSON list"), ('[{"id": 1}, {"id"', "breaks off"), ("[nonsense]", "breaks off")],
)
def test_a_file_that_is_no_dump_says_so(tmp_path, content, word):
    path = tmp_path / "dump.json"
    path.write_text(content)
    with pytest.raises(Invalid, match=word):
        list(ror.read(path))


def test_the_reader_holds_a_piece_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(ror, "CHUNK", 100)
    assert list(ror.read(ror.SAMPLE)) == sample()


def test_the_command_reads_the_published_zip_and_names_a_missing_file(tmp_path):
    path = tmp_path / "v2.1-ror-data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("v1-ror-data.json", "[]")
        archive.writestr("v2.1-ror-data_schema_v2.json", ror.SAMPLE.read_text(encoding="utf-8"))
    out = io.StringIO()
    call_command("import_ror", str(path), stdout=out)
    assert out.getvalue() == "16 added, 0 changed (0 withdrawn), 0 as they were\n"
    with pytest.raises(CommandError, match="There is no file"):
        call_command("import_ror", str(tmp_path / "nothing.json"))


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("northf", "Northfield Institute of Technology"),
        ("university north", "Northfield University"),
        ("NFU", "Northfield University"),
        ("sao vicente", "University of São Vicente do Sul"),
        ("universität österb", None),
        ("osterberg", "Österberg University of Applied Sciences"),
        ("saltmarsh.example", "University of Saltmarsh"),
        ("moodo", None),
        ("mõõtude", "Ministry of Measures and Weights"),
        ("क्विलॉन", "Quillon Polytechnic"),
    ],
)
def test_an_institution_is_found_by_beginning_word_acronym_domain_and_without_accents(register, typed, first):
    hits = [hit.name for hit in Institution.objects.matching(typed)]
    assert hits[:1] == ([first] if first else [])


@pytest.mark.parametrize("typed", ["", "n", "%", "__", "\\", "' OR 1=1 --", "xq & zz | !", ":*", "\x00", "x" * 5000])
def test_nothing_that_is_typed_is_a_pattern_or_an_error(register, browser, typed):
    answer = browser.get(
        "/institutions/", {"list": "organisation", "organisation": typed}, headers={"HX-Request": "true"}
    )
    assert answer.status_code == 200
    assert b"role" not in answer.content


def test_closed_and_withdrawn_institutions_are_not_offered(register):
    assert Institution.objects.matching("norrland") == []
    assert Institution.objects.matching("teachers") == []


def test_a_search_is_two_queries_and_ten_hits_at_most(register, django_assert_max_num_queries):
    Institution.objects.bulk_create(
        _numbered(Institution(ror=f"https://ror.org/0u9{n:04d}00", name=f"University of Place {n}")) for n in range(40)
    )
    with django_assert_max_num_queries(2):
        assert len(Institution.objects.matching("university")) == 10
    with django_assert_max_num_queries(2):
        assert len(Institution.objects.matching("place 1")) == 10


def _numbered(row: Institution) -> Institution:
    row.index()
    return row


def test_the_search_answers_people_who_are_signed_in_and_only_so_often(register, browser):
    assert Client().get("/institutions/?q=northf").status_code == 302
    answers = [browser.get("/institutions/?q=northf") for _ in range(121)]
    assert [answer.status_code for answer in answers] == [200] * 120 + [429]
    assert answers[120]["Retry-After"] == "60"


def test_a_listed_institution_brings_its_name_country_and_class(register, mara):
    place = affiliate(by=mara, place=Place("northf", ror=NORTHFIELD, position="postdoc"))
    assert (place.organisation, place.country, place.klass, place.contested) == (
        "Northfield University", "NL", "academia", "",
    )  # fmt: skip


def test_the_exact_name_is_enough_and_a_name_of_two_is_not(register, mara):
    assert affiliate(by=mara, place=Place("northfield UNIVERSITY")).institution.ror == NORTHFIELD
    Institution.objects.create(ror="https://ror.org/0u0009900", name="Northfield University", country="US")
    assert Institution.objects.named("Northfield University") is None


def test_a_withdrawn_institution_stands_for_its_successor(register, mara):
    assert affiliate(by=mara, place=Place("", ror=TEACHERS)).institution.ror == SALTMARSH


@pytest.mark.parametrize("identity", ["https://ror.org/0u0001600", "https://ror.org/0u9999999", "nonsense"])
def test_a_closed_or_unknown_id_is_refused_beside_the_field(register, mara, identity):
    with pytest.raises(Invalid) as refused:
        affiliate(by=mara, place=Place("Mines", ror=identity))
    assert "organisation" in refused.value.fields


def test_a_class_other_than_the_registers_wants_its_reason(register, mara):
    with pytest.raises(Invalid) as refused:
        affiliate(by=mara, place=Place("Borealis Analytics", klass="academia"))
    assert "industry research" in refused.value.fields["contested"][0]
    place = affiliate(
        by=mara, place=Place("Borealis Analytics", klass="academia", contested="I am in its open institute.")
    )
    assert (place.klass, place.contested) == ("academia", "I am in its open institute.")


def test_an_institution_that_is_not_listed_needs_name_site_and_country(mara):
    with pytest.raises(Invalid) as refused:
        affiliate(by=mara, place=Place("Night School", klass="academia"))
    assert set(refused.value.fields) == {"site", "country"}
    place = affiliate(
        by=mara, place=Place("Night School", site="https://night.example", country="EE", klass="academia")
    )
    assert place.institution is None


def test_one_has_one_present_place_and_the_history_stays(register, mara):
    affiliate(by=mara, place=Place("Northfield University"))
    affiliate(by=mara, place=Place("Northfield University", position="phd"))
    affiliate(by=mara, place=Place("University of Saltmarsh"))
    assert [row.organisation for row in Affiliation.objects.filter(user=mara).order_by("starts_at")] == [
        "Northfield University", "University of Saltmarsh",
    ]  # fmt: skip
    assert Affiliation.objects.current().get(user=mara).organisation == "University of Saltmarsh"


def test_without_script_the_button_searches_and_a_choice_is_taken(register, browser, mara):
    page = browser.post(
        "/me/profile/", {"name": "Mara", "organisation": "northf", "find": "organisation"}
    ).content.decode()
    assert f'type="radio" name="pick" value="{NORTHFIELD}"' in page
    assert not Affiliation.objects.exists()
    answer = browser.post("/me/profile/", {"name": "Mara", "organisation": "northf", "pick": NORTHFIELD})
    assert answer.status_code == 302
    assert Affiliation.objects.get(user=mara).institution.ror == NORTHFIELD
