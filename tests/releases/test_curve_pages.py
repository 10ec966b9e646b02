"""The picture of curves for its readers: page, JSON, CSV, SVG; what each shows follows from the same points."""

from __future__ import annotations

import csv
import io
import json
import re
import zlib
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from django.test import Client

from portal.outbox.models import Message
from releases.actions import open_family
from releases.curve_models import Recording
from releases.curves import carried
from releases.curves.actions import import_curves, take_back_curves
from releases.curves.drawing import LEFT, RIGHT
from releases.logbook_models import Entry, Kind, Logbook, Run
from releases.models import Model
from tests.portal import world
from tests.releases.conftest import Publish
from tests.releases.test_curve_import import lines, restarted

PAGE = "/lyceum/pico-1m/curves"


@pytest.fixture
def book(lyceum: world.World, publish: Publish) -> Logbook:
    model = publish(lyceum, "pico-1m")
    made, _ = Logbook.objects.get_or_create(model=model, defaults={"title": "Logbook of pico-1m"})
    import_curves(logbook=made, run="r", file=lines(restarted()), source="metrics.jsonl", by=lyceum.manager)
    told = [
        ("r", 1, Kind.LAUNCH, "Begun"),
        ("r", 100, Kind.HARDWARE, "A disk died"),
        ("r.1", 80, Kind.RESTART, "Resumed"),
        ("r.2", 120, Kind.ROLLBACK, "Rolled back"),
    ]
    for order, (run, step, kind, title) in enumerate(told, 1):
        made.entries.create(
            run=Run.objects.get(name=run), order=order, step=step, kind=kind, title=title, text=f"{title}, in full."
        )
    return made


def numbers(path: str) -> list[tuple[float, float]]:
    """The points of a path of moves, each with steps from point to point behind it."""
    found = []
    for begun in path.split("M")[1:]:
        first, _l, steps = begun.partition("l")
        x, y = map(float, first.removesuffix("h1.5").split())
        found.append((x, y))
        each = list(map(float, steps.split()))
        for dx, dy in zip(each[::2], each[1::2], strict=True):
            x, y = x + dx, y + dy
            found.append((x, y))
    return found


def drawn(text: str, series: str) -> list[str]:
    return re.findall(rf'<path class="(?:l|dis)[^"]*" data-series="{series}" d="([^"]+)"', text)


@pytest.mark.django_db
def test_anybody_sees_the_figure_without_script(book: Logbook, client: Client) -> None:
    page = client.get(PAGE).content.decode()
    assert len(drawn(page, "loss")) == 2, "what was kept, and what was thrown away"
    for number, title in enumerate(("Begun", "A disk died", "Resumed", "Rolled back"), 1):
        assert f'aria-label="{number} {title}"' in page
    assert "80" in page.partition('id="derived"')[2], "goodput of four fifths"


@pytest.mark.django_db
def test_the_figure_and_the_table_under_it_agree(book: Logbook, client: Client) -> None:
    """Least and greatest of each twentieth, from the table; from the heights in the figure, the same."""
    page = client.get(PAGE, {"axis": "tokens", "series": "loss"}).content.decode()
    rows = re.findall(
        r"<tr><th scope=\"row\">(.*?) – (.*?)</th><td class=\"num\">(.*?)</td></tr>",
        page.partition('id="behind"')[2].partition("</table>")[0],
    )
    assert len(rows) == 20
    points = [point for path in drawn(page, "loss") for point in numbers(path)]
    first, last = float(rows[0][0].replace(",", "")), float(rows[-1][1].replace(",", ""))
    assert (first, last) == (10, 2000)
    scale = (RIGHT - LEFT) / 20
    ticks = {
        float(label): float(at)
        for at, label in re.findall(r'<text class="end" x="48" y="([\d.]+)" dy="4">([\d.]+)</text>', page)
    }
    (low, low_y), (high, high_y) = min(ticks.items()), max(ticks.items())
    for at, (_from, _to, bounds) in enumerate(rows):
        least, greatest = (float(each) for each in bounds.split(" – "))
        heights = [y for x, y in points if LEFT + at * scale - 0.06 <= x <= LEFT + (at + 1) * scale + 0.06]
        for value, height in ((greatest, min(heights)), (least, max(heights))):
            read = low * (high / low) ** ((height - low_y) / (high_y - low_y))
            assert read == pytest.approx(value, rel=0.005), "the scale is logarithmic"


@pytest.mark.django_db
def test_the_answer_for_programs_has_the_same_points(book: Logbook, client: Client) -> None:
    told = client.get(PAGE + ".json", {"axis": "step", "series": "loss", "from": 90, "to": 130, "width": 300}).json()
    assert (told["axis"], told["from"], told["to"], told["whole"]) == ("step", 90, 130, [1, 200])
    (panel,) = told["panels"]
    assert [(line["run"], line["x"][0], line["x"][-1], line["kept"]) for line in panel["lines"]] == [
        ("r", 90, 100, 0),
        ("r.1", 90, 130, 31),
        ("r.2", 121, 130, 10),
    ]
    assert all(y == 5 - x / 100 for line in panel["lines"] for x, y in zip(line["x"], line["y"], strict=True))
    assert (panel["first"], panel["last"]) == (4.1, 3.7)
    assert [mark["title"] for mark in told["marks"]] == ["A disk died", "Rolled back"]


def noisy(steps: int) -> io.BytesIO:
    """A loss that goes up and down, at each step."""
    rows = ({"step": n, "loss": 2 + (n * 7919 % 1000) / 1000} for n in range(1, steps + 1))
    return io.BytesIO("\n".join(map(json.dumps, rows)).encode())


@pytest.mark.django_db
def test_a_long_line_is_drawn_where_its_points_are_and_packs_well(
    book: Logbook, client: Client, lyceum: world.World
) -> None:
    import_curves(logbook=book, run="r", file=noisy(4_000), source="m.jsonl", by=lyceum.manager, replace=True)
    query = {"series": "loss", "axis": "step"}
    told = client.get(PAGE + ".json", query).json()
    (path,) = (path for path in drawn(client.get(PAGE, query).content.decode(), "loss") if path.count(" ") > 1_000)
    places = [LEFT + (x - 1) / 3_999 * (RIGHT - LEFT) for line in told["panels"][0]["lines"] for x in line["x"]]
    points = numbers(path)
    assert len(points) > 1_200
    assert all(min(abs(x - place) for place in places) < 0.06 for x, _y in points[:: len(points) // 50])
    assert points[-1][0] == pytest.approx(RIGHT, abs=0.06), "no step's rounding adds up"
    assert len(zlib.compress(path.encode())) / len(points) < 4, "bytes a point"


@pytest.mark.django_db
def test_one_point_and_many_at_one_place_are_seen(book: Logbook, client: Client, lyceum: world.World) -> None:
    rows = [{"step": 1, "val_loss": 4.0}, *({"step": 100 + n / 10_000, "grad_norm": 1.0} for n in range(4))]
    more = io.BytesIO("\n".join(map(json.dumps, rows)).encode())
    import_curves(logbook=book, run="r", file=more, source="more.jsonl", by=lyceum.manager)
    for series in ("val_loss", "grad_norm"):
        paths = drawn(client.get(PAGE, {"series": f"loss,{series}"}).content.decode(), series)
        assert [path for path in paths if path.endswith("h1.5")], series


@pytest.mark.django_db
def test_the_answer_says_whole_numbers_as_such_and_nothing_between(book: Logbook, client: Client) -> None:
    query = {"series": "loss", "axis": "step", "from": 128, "to": 130}
    text = client.get(PAGE + ".json", query).content.decode()
    assert '"x":[128,129,130],"y":[3.7' in text
    more = client.get(PAGE + ".json", {"axis": "at"}).json()
    assert more["panels"][0]["lines"][0]["x"], "moments have fractions"


@pytest.mark.django_db
def test_every_point_is_in_the_csv(book: Logbook, client: Client) -> None:
    answer = client.get(PAGE + ".csv", {"series": "loss", "from": 95, "to": 121})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
    assert [row["step"] for row in rows if row["run"] == "r"] == [str(step) for step in range(95, 101)]
    assert {row["kept"] for row in rows if row["run"] == "r"} == {"no"}
    assert [row["kept"] for row in rows if row["run"] == "r.1"] == ["yes"] * 26 + ["no"]
    assert rows[0]["time"].endswith("Z")


@pytest.mark.django_db
def test_the_figure_is_a_file_of_its_own(book: Logbook, client: Client) -> None:
    answer = client.get(PAGE + ".svg", {"series": "loss,lr"})
    assert answer["Content-Type"] == "image/svg+xml"
    text = answer.content.decode()
    __import__("xml.etree.ElementTree").etree.ElementTree.fromstring(text)
    assert drawn(text, "lr")
    assert "Rolled back" in text


@pytest.mark.django_db
def test_a_closer_look_as_a_file_has_the_entries_that_the_page_has(
    book: Logbook, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("releases.curves.marks.MOST", 1)
    close = {"from": 110, "to": 125}
    assert 'aria-label="4 Rolled back"' in client.get(PAGE, close).content.decode()
    text = client.get(PAGE + ".svg", close).content.decode()
    assert "Rolled back" in text, "not cut off by the entries before the window"
    assert "Begun" not in text


@pytest.mark.django_db
def test_an_unchanged_picture_is_not_drawn_again(book: Logbook, client: Client, lyceum: world.World) -> None:
    etag = client.get(PAGE + ".json")["ETag"]
    assert client.get(PAGE + ".json", HTTP_IF_NONE_MATCH=etag).status_code == 304
    more = io.BytesIO(json.dumps({"step": 1, "val_loss": 4.0}).encode())
    import_curves(logbook=book, run="r", file=more, source="more.jsonl", by=lyceum.manager)
    assert client.get(PAGE + ".json", HTTP_IF_NONE_MATCH=etag).status_code == 200


@pytest.mark.django_db
def test_a_copy_that_is_kept_elsewhere_is_old_once_an_earlier_file_was_taken_back(
    book: Logbook, client: Client, lyceum: world.World
) -> None:
    more = lines([{"step": n, "wps": n} for n in range(9)])
    import_curves(logbook=book, run="r", file=more, source="more.jsonl", by=lyceum.manager)
    etag = client.get(PAGE + ".json")["ETag"]
    first = Recording.objects.order_by("pk")[0]
    take_back_curves(logbook=book, sha256=first.sha256, by=lyceum.manager)
    fresh = client.get(PAGE + ".json", HTTP_IF_NONE_MATCH=etag)
    assert fresh.status_code == 200
    assert [panel["name"] for panel in fresh.json()["panels"]] == ["tokens_per_s"]
    assert client.get(PAGE + ".json", HTTP_IF_NONE_MATCH=fresh["ETag"]).status_code == 304


@pytest.mark.parametrize(
    "values",
    [
        {"loss": [1e-300, 1e300]}, {"loss": [1.0, 1.7e308]}, {"loss": [5e-324, 1e-323]}, {"loss": [5e-324, 1.7e308]},
        {"lr": [-1.7e308, 1.7e308]}, {"lr": [0.0, 1.7e308]}, {"lr": [0.0, 5e-324]}, {"loss": [2.5, 2.5]},
    ],
    ids=str,
)  # fmt: skip
def test_values_as_large_and_as_small_as_floats_are_drawn(
    lyceum: world.World, publish: Publish, client: Client, values: dict[str, list[float]]
) -> None:
    made, _ = Logbook.objects.get_or_create(model=publish(lyceum, "pico-1m"), defaults={"title": "L"})
    (name, numbers_of) = next(iter(values.items()))
    rows: list[dict[str, object]] = [{"step": n, "ts": 1.7e9 + n, name: value} for n, value in enumerate(numbers_of)]
    import_curves(logbook=made, run="r", file=lines(rows), source="metrics.jsonl", by=None)
    for address in (PAGE, f"{PAGE}?axis=at", f"{PAGE}.svg", f"{PAGE}.json"):
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert not re.search(r"[\" ](nan|inf)[\" M]", answer.content.decode()), address
    ((_x1, first), (_x2, last)) = numbers(drawn(client.get(PAGE).content.decode(), name)[0])
    assert first >= last, "the larger value stands no lower"


def test_names_and_texts_with_signs_of_a_terminal_make_no_broken_file(
    lyceum: world.World, publish: Publish, client: Client
) -> None:
    made, _ = Logbook.objects.get_or_create(model=publish(lyceum, "pico-1m"), defaults={"title": "L"})
    import_curves(logbook=made, run="r", file=lines(restarted()), source="metrics.jsonl", by=None)
    made.entries.create(order=1, step=5, kind=Kind.NOTE, title="bell \x07", text="\x1b[31mred\x1b[0m")
    assert "bell \ufffd" in "".join(ElementTree.fromstring(client.get(f"{PAGE}.svg").content).itertext())
    feed = ElementTree.fromstring(client.get("/lyceum/pico-1m/logbook.atom").content)
    assert "\ufffd[31mred\ufffd[0m" in "".join(feed.itertext())


def test_a_run_whose_name_is_a_formula_is_a_text_in_the_csv(book: Logbook, client: Client, lyceum: world.World) -> None:
    run = '=HYPERLINK("https://a.example")'
    import_curves(logbook=book, run=run, file=lines([{"step": 1, "lr": -0.5}]), source="m.jsonl", by=lyceum.manager)
    text = b"".join(client.get(f"{PAGE}.csv?series=lr").streaming_content).decode()  # type: ignore[attr-defined]
    rows = [row for row in csv.DictReader(io.StringIO(text)) if "HYPERLINK" in row["run"]]
    assert [(row["run"], row["value"]) for row in rows] == [(f"'{run}", "-0.5")]


def test_a_picked_entry_stands_beside_the_figure(book: Logbook, client: Client) -> None:
    assert "A disk died, in full." in client.get(PAGE, {"pick": 2}).content.decode()
    assert "A disk died, in full." not in client.get(PAGE, {"pick": 3}).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    [
        {"axis": "nonsense"},
        {"from": "x", "to": "1e999"},
        {"from": "9", "to": "3"},
        {"series": "a,b\0"},
        {"width": "-4"},
        {"pick": "99999999999"},
        {"axis": "at", "from": "2023-11-14T22:13"},
    ],
)
def test_an_address_that_makes_no_sense_still_shows_a_picture(
    book: Logbook, client: Client, query: dict[str, str]
) -> None:
    for form in ("", ".json", ".svg", ".csv"):
        assert client.get(PAGE + form, query).status_code == 200, (form, query)


@pytest.mark.django_db
def test_a_model_without_curves_says_how_they_come(lyceum: world.World, publish: Publish, client: Client) -> None:
    publish(lyceum, "bare-1m")
    assert "No curves yet" in client.get("/lyceum/bare-1m/curves").content.decode()
    assert client.get("/lyceum/bare-1m/curves.json").status_code == 404


@pytest.mark.django_db
def test_nobody_else_sees_the_curves_of_what_is_not_published(
    book: Logbook, client: Client, lyceum: world.World, harbour: world.World
) -> None:
    Model.objects.filter(name="pico-1m").update(main=None, opened_at=None)
    for person, status in ((None, 404), (harbour.manager, 404), (lyceum.manager, 200)):
        if person:
            client.force_login(person)
        for form in ("", ".json", ".csv", ".svg"):
            assert client.get(PAGE + form).status_code == status
    assert "private" in client.get(PAGE + ".json")["Cache-Control"]


@pytest.mark.django_db
def test_the_page_asks_as_many_queries_with_many_entries(
    book: Logbook, client: Client, django_assert_max_num_queries: object
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get(PAGE)
    with CaptureQueriesContext(connection) as few:
        client.get(PAGE)
    run = Run.objects.get(name="r.2")
    for order in range(5, 60):
        book.entries.create(run=run, order=order, step=130 + order, kind=Kind.NOTE, title=f"Note {order}")
    with CaptureQueriesContext(connection) as many:
        client.get(PAGE)
    assert len(many) <= len(few)


@pytest.mark.django_db
def test_a_published_revision_brings_its_own_numbers(lyceum: world.World, publish: Publish, client: Client) -> None:
    model = publish(lyceum, "with-1m", **{"records__metrics.jsonl": lines(restarted()).getvalue()})
    (message,) = Message.objects.filter(topic="curves.record")
    carried.published(message.payload)
    carried.published(message.payload)
    (recording,) = Recording.objects.all()
    assert (recording.logbook.model, recording.rows) == (model, 250)
    assert "/lyceum/with-1m/curves" in client.get("/lyceum/with-1m").content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "entry", ['"after": {"loss": NaN}', '"ts_raw": "0001-01-01 00:00 +14:00"', '"run": "r", "after": {"step": 1e999}'], ids=str
)  # fmt: skip
def test_a_published_log_that_says_what_json_or_the_calendar_lacks_comes_with_its_numbers(
    lyceum: world.World, publish: Publish, entry: str
) -> None:
    log = f'{{"title": "It diverged", {entry}}}\n'
    files = {"records__logbook.jsonl": log.encode(), "records__metrics.jsonl": lines(restarted()).getvalue()}
    model = publish(lyceum, "with-1m", **files)
    (message,) = Message.objects.filter(topic="curves.record")
    carried.published(message.payload)
    book = Logbook.objects.get(model=model)
    assert (book.entries.count(), book.recordings.count(), book.frozen_at is None) == (1, 1, False)


@pytest.mark.django_db
def test_a_record_that_cannot_be_read_is_passed_over(lyceum: world.World, publish: Publish, client: Client) -> None:
    publish(lyceum, "with-1m", **{"records__metrics.jsonl": b"{broken"})
    carried.published(Message.objects.get(topic="curves.record").payload)
    assert not Recording.objects.exists()
    assert "/lyceum/with-1m/curves" not in client.get("/lyceum/with-1m").content.decode()


def linked(client: Client, page: str, to: str) -> bool:
    """Whether the page has a link to this address."""
    answer = client.get(page)
    assert answer.status_code == 200, page
    return f'href="{to}"' in answer.content.decode()


@pytest.mark.django_db
def test_curves_and_logbook_lead_to_one_another(book: Logbook, lyceum: world.World, client: Client) -> None:
    """From the family's page, its logbook, an entry; and back from the picture, with and without its script."""
    family = open_family(lab=lyceum.lab, slug="pico", title="Pico", by=lyceum.manager)
    Model.objects.update(family=family)
    Logbook.objects.update(family=family)
    for page in ("/families/lyceum/pico/", "/families/lyceum/pico/logbook/", "/families/lyceum/pico/curves"):
        assert linked(client, page, PAGE), page
    assert linked(client, "/lyceum/pico-1m/logbook", PAGE)
    assert linked(client, "/lyceum/pico-1m/logbook/2", f"{PAGE}?pick=2#picked")
    assert linked(client, f"{PAGE}?pick=2", "/lyceum/pico-1m/logbook/2")
    for mark in client.get(f"{PAGE}.json").json()["marks"]:
        assert mark["url"] == f"/lyceum/pico-1m/logbook/{mark['number']}"


@pytest.mark.django_db
def test_a_familys_own_curves_and_logbook_lead_to_one_another(lyceum: world.World, client: Client) -> None:
    family = open_family(lab=lyceum.lab, slug="pico", title="Pico", by=lyceum.manager)
    own = Logbook.objects.create(family=family, title="Logbook of Pico")
    for page in ("/families/lyceum/pico/", "/families/lyceum/pico/logbook/"):
        assert not linked(client, page, "/families/lyceum/pico/curves"), "nothing is drawn yet"
    import_curves(logbook=own, run="r", file=lines(restarted()), source="metrics.jsonl", by=lyceum.manager)
    own.entries.create(order=1, step=3, kind=Kind.LAUNCH, title="Begun", text="Begun.")
    for page in ("/families/lyceum/pico/", "/families/lyceum/pico/logbook/"):
        assert linked(client, page, "/families/lyceum/pico/curves"), page
    assert linked(client, "/families/lyceum/pico/curves", "/families/lyceum/pico/logbook/")
    assert linked(client, "/families/lyceum/pico/curves?pick=1", "/families/lyceum/pico/logbook/1/")


@pytest.mark.django_db
def test_the_curves_of_a_draft_are_not_named_on_the_familys_pages(
    lyceum: world.World, client: Client, publish: Publish
) -> None:
    family = open_family(lab=lyceum.lab, slug="pico", title="Pico", by=lyceum.manager)
    model = publish(lyceum, "pico-2m", family=family)
    Model.objects.filter(pk=model.pk).update(opened_at=None, main=None)
    made, _ = Logbook.objects.get_or_create(model=model, defaults={"title": "Logbook of pico-2m", "family": family})
    import_curves(logbook=made, run="r", file=lines(restarted()), source="metrics.jsonl", by=lyceum.manager)
    for page in ("/families/lyceum/pico/", "/families/lyceum/pico/logbook/", "/families/lyceum/pico/curves"):
        assert not linked(client, page, "/lyceum/pico-2m/curves"), page


@pytest.mark.django_db
def test_the_ends_of_a_range_are_moments_on_the_clock_and_numbers_elsewhere(book: Logbook, client: Client) -> None:
    """A moment is chosen in the browser's own field, as the reader writes moments, and not typed as programs do."""
    clock, steps = (client.get(PAGE, {"axis": axis}).content.decode() for axis in ("at", "step"))
    for name in ("from", "to"):
        assert re.search(rf'<input type="datetime-local" step="1" name="{name}" value="\d{{4}}-\d\d-\d\dT', clock)
        assert re.search(rf'<input inputmode="decimal" name="{name}" value="\d', steps)
    assert "Times are UTC" in clock
    assert "Times are UTC" not in steps


@pytest.fixture
def long(book: Logbook) -> Logbook:
    """Six thousand notes in the first run, and after them why a third restart came."""
    runs = {run.name: run for run in book.runs.all()}
    book.entries.filter(order__gt=1).delete()
    notes = [
        Entry(logbook=book, run=runs["r"], order=order, step=1 + order * 96 // 6_001, title=f"Note {order}")
        for order in range(2, 6_002)
    ]
    book.entries.bulk_create(notes)
    for order, (run, step, kind, title) in enumerate(
        [("r", 100, Kind.HARDWARE, "A disk died"), ("r.1", 80, Kind.RESTART, "Resumed")], 6_002
    ):
        book.entries.create(run=runs[run], order=order, step=step, kind=kind, title=title)
    return book


@pytest.mark.django_db
def test_the_last_entries_of_a_long_logbook_tell_causes_and_stand_on_the_picture(long: Logbook, client: Client) -> None:
    page = " ".join(client.get(PAGE).content.decode().split())
    assert "hardware: 1" in page.partition('id="derived"')[2], (
        "the cause of a restart is found behind thousands of entries"
    )
    assert "A disk died" in client.get(PAGE, {"pick": 6_002}).content.decode().partition('id="picked"')[2]
    told = client.get(PAGE + ".json", {"axis": "step", "from": 99, "to": 110}).json()
    assert [mark["title"] for mark in told["marks"]] == ["A disk died"]


@pytest.mark.django_db
def test_of_too_many_marks_those_that_stand_together_are_one_over_the_whole_axis(long: Logbook, client: Client) -> None:
    told = client.get(PAGE + ".json", {"axis": "step"}).json()
    assert len(told["marks"]) <= 400
    assert told["marks"][-1]["title"] == "A disk died"
    assert sum(mark["more"] for mark in told["marks"]) == told["marks_left_out"] == 6_003 - len(told["marks"])
    page = client.get(PAGE, {"axis": "step"}).content.decode()
    counted = re.findall(r'<text class="mid" y="-10">\d+(?:\+(\d+))?</text>', page)
    assert len(counted) + sum(int(more or 0) for more in counted) == 6_003, "no entry is left out in silence"


@pytest.mark.django_db
def test_marks_stay_over_their_places_and_within_the_figure(book: Logbook, client: Client) -> None:
    run = Run.objects.get(name="r.2")
    for order in range(5, 85):
        book.entries.create(run=run, order=order, step=116 + order, kind=Kind.NOTE, title=f"Note {order}")
    page = client.get(PAGE, {"axis": "step"}).content.decode()
    stems = re.findall(r'<path class="stem[^"]*" d="M([\d.]+) 28L([\d.]+) 40', page)
    assert len(stems) > 10
    assert max(float(x) - float(stem) for x, stem in stems) < 25
    assert max(float(x) for x, _stem in stems) <= RIGHT + 12


@pytest.mark.django_db
def test_labels_of_marks_do_not_run_into_one_another(long: Logbook, client: Client) -> None:
    page = client.get(PAGE, {"axis": "step"}).content.decode()
    lane = re.findall(r'transform="translate\(([\d.]+) 20\)".*?<text class="mid" y="-10">([\d+]+)</text>', page, re.S)
    assert len(lane) > 3
    for (x, label), (following, label_after) in pairwise(lane):
        assert float(following) - float(x) >= 6 * (len(label) + len(label_after)) / 2, (label, label_after)
