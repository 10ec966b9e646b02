"""A folder published from a real browser: hashed there, sent in parts straight to the store, and resumed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Page, expect

from infra.walk.walker import LOOKS, Look
from releases import actions
from releases.actions import uploading
from releases.models import Model
from tests.browser.conftest import NARROW, AxeCheck, assert_no_sideways_scroll
from tests.contract import hub as hubs
from tests.portal import world
from tests.releases.folders import model_folder


@pytest.fixture
def portal(transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A running portal whose parts are small, so that a small file has several."""
    monkeypatch.setattr(uploading, "PART_BYTES", 5 << 20)
    with hubs.serving(hubs.portal()) as url:
        settings.BASE_URL = url
        yield url


@pytest.fixture
def lab(portal: str) -> world.World:
    made = world.build("lyceum")
    actions.open_model(lab=made.lab, name="mine", by=made.manager, summary="A small model.")
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A true folder, with a file of 12.5 MB, one in a subfolder, a hidden one, and one that is refused."""
    made = model_folder(tmp_path / "mine", name="mine", seed=3)
    (made / "notes.txt").write_bytes(random.Random(3).randbytes(4_000).hex().encode())
    (made / "table.txt").write_bytes(random.Random(7).randbytes(6_250_000).hex().encode())
    (made / "run.sh").write_text("#!/bin/sh\n")
    (made / ".hidden").write_text("x")
    return made


def signed_in(page: Page, url: str, user: Any) -> None:
    client = Client()
    client.force_login(user)
    name = django_settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": url}])


def choose(page: Page, url: str, folder: Path) -> None:
    page.goto(f"{url}/lyceum/mine/upload")
    page.locator("#id_folder").set_input_files(folder)
    page.get_by_role("button", name="Send").wait_for()
    page.locator("[data-send]:enabled").wait_for()


def test_a_folder_is_sent_stopped_resumed_and_becomes_a_draft(
    portal: str, lab: world.World, folder: Path, page: Page, axe_check: AxeCheck
) -> None:
    signed_in(page, portal, lab.manager)
    put: list[str] = []
    page.on("request", lambda request: put.append(request.url.partition("?")[0]) if request.method == "PUT" else None)
    broken = {"left": 1}

    def breaks(route: Any) -> None:
        """The second part of the large file does not arrive the first time."""
        if route.request.method == "PUT" and "/2?" in route.request.url and broken["left"]:
            broken["left"] -= 1
            route.abort()
        else:
            route.continue_()

    page.route("**/blobs/uploads/**", breaks)
    choose(page, portal, folder)
    assert "Programs are not published" in page.locator("tr", has_text="run.sh").inner_text()
    assert page.locator("tr", has_text=".hidden").count() == 0
    axe_check(page)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Sending stopped: the connection was lost. Press “Send” again").wait_for()
    assert "stopped: the connection was lost." in page.locator("tbody").inner_text()
    assert Model.objects.get(name="mine").tip is None
    first = list(put)
    put.clear()
    choose(page, portal, folder)
    page.get_by_label("What changed").fill("First files")
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/revisions/*", timeout=30_000)
    draft = Model.objects.get(name="mine").tip
    assert draft is not None
    sent = {file.path: file.sha256 for file in draft.files.all()}
    assert sent == {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in {"run.sh", ".hidden"}
    }
    again = set(put) & set(first)
    assert {url.rpartition("/")[2] for url in again} <= {"2"}, "what has arrived is not sent again"
    assert draft.message == "First files"


def test_who_was_signed_out_while_sending_is_told_so(portal: str, lab: world.World, folder: Path, page: Page) -> None:
    signed_in(page, portal, lab.manager)
    choose(page, portal, folder)
    page.context.clear_cookies(name=django_settings.SESSION_COOKIE_NAME)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-line]")).to_contain_text("Sending stopped: you are signed out. Sign in again")


def test_a_button_that_cannot_be_pressed_is_read_under_the_pointer_too(
    portal: str, lab: world.World, folder: Path, page: Page
) -> None:
    signed_in(page, portal, lab.manager)
    choose(page, portal, folder)
    send = page.get_by_role("button", name="Send")
    send.evaluate("button => { button.disabled = true }")
    page.mouse.move(0, 0)
    paint = "button => getComputedStyle(button).backgroundColor"
    away = send.evaluate(paint)
    send.hover(force=True)
    assert send.evaluate(paint) == away, "ink on ink"


@pytest.mark.parametrize(("status", "sent_anew"), [(503, False), (409, True)])
def test_an_end_that_is_not_told_is_asked_for_again_and_one_that_was_refused_begins_anew(
    portal: str, lab: world.World, folder: Path, page: Page, status: int, *, sent_anew: bool
) -> None:
    """A proxy that gives up with its own HTML is no word of the portal that anything was wrong with what was sent."""
    signed_in(page, portal, lab.manager)
    put: list[str] = []
    page.on("request", lambda request: put.append(request.url) if request.method == "PUT" else None)
    given = {"left": 1}

    def gives_up(route: Any) -> None:
        if given["left"]:
            given["left"] -= 1
            route.fulfill(status=status, content_type="text/html", body="<h1>Gateway</h1>")
        else:
            route.continue_()

    page.route("**/api/uploads/*/complete", gives_up)
    choose(page, portal, folder)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Sending stopped").wait_for()
    put.clear()
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/revisions/*", timeout=30_000)
    begun = {link.split("?")[0].rpartition("/")[0] for link in put}
    large = actions.files_of(actions.head_of(Model.objects.get(name="mine"), "main"))
    assert (len(begun) == len(large)) == sent_anew


def test_a_browser_that_can_note_nothing_more_sends_all_the_same_and_forgets_what_is_over(
    portal: str, lab: world.World, folder: Path, page: Page
) -> None:
    signed_in(page, portal, lab.manager)
    page.goto(f"{portal}/lyceum/mine/upload")
    over, lasting = '{"until": 1}', '{"until": 9e15}'
    notes = {"weighbridge-upload:a": over, "weighbridge-upload:b": lasting, "somebody else's": over}
    page.evaluate("(notes) => Object.assign(localStorage, notes)", notes)
    full = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };"
    page.add_init_script(full)
    choose(page, portal, folder)
    assert set(page.evaluate("Object.keys(localStorage)")) == {"weighbridge-upload:b", "somebody else's"}
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/revisions/*", timeout=30_000)
    assert Model.objects.get(name="mine").revisions.count() == 1


def test_the_worker_agrees_with_known_answers(portal: str, lab: world.World, page: Page, tmp_path: Path) -> None:
    signed_in(page, portal, lab.manager)
    page.goto(f"{portal}/lyceum/mine/upload")
    lengths = [0, 1, 3, 55, 56, 63, 64, 65, 119, 120, 1000, (4 << 20) - 1, 4 << 20, (4 << 20) + 61]
    told = page.evaluate(
        """async (lengths) => {
          const source = document.getElementById("upload").dataset.worker;
          const hash = (blob) => new Promise((resolve) => {
            const worker = new Worker(source);
            worker.onmessage = ({ data }) => data.read || (worker.terminate(), resolve(data.sha256));
            worker.postMessage(blob);
          });
          const bytes = (n) => Uint8Array.from({ length: n }, (_, i) => (i * 7 + (i >> 8)) & 255);
          return Promise.all(lengths.map((n) => hash(new Blob([bytes(n)]))));
        }""",
        lengths,
    )
    contents = [bytes((i * 7 + (i >> 8)) & 255 for i in range(n)) for n in lengths]
    assert told == [hashlib.sha256(content).hexdigest() for content in contents]


@pytest.mark.parametrize("look", [LOOKS[0], NARROW], ids=lambda look: look.name)
def test_the_pages_fit_and_can_be_read(
    portal: str, lab: world.World, folder: Path, open_page: Callable[[Look], Page], axe_check: AxeCheck, look: Look
) -> None:
    page = open_page(look)
    signed_in(page, portal, lab.manager)
    for path in ("/publish/", "/lyceum/mine/upload"):
        page.goto(portal + path)
        axe_check(page)
        assert_no_sideways_scroll(page)
    choose(page, portal, folder)
    axe_check(page)
    assert_no_sideways_scroll(page)


def drop(page: Page, *what: Path, on: str) -> None:
    """Folders and files of this machine, dragged by the browser's own input onto what the selector names."""
    box = page.locator(on).bounding_box()
    assert box is not None
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": list(map(str, what)), "dragOperationsMask": 1}
    hand = page.context.new_cdp_session(page)
    for step in ("dragEnter", "dragOver", "drop"):
        hand.send("Input.dispatchDragEvent", {"type": step, **at, "data": data})


def test_a_folder_that_is_dropped_is_listed_and_sent_with_its_paths(
    portal: str, lab: world.World, folder: Path, page: Page
) -> None:
    (folder / "more").mkdir(exist_ok=True)
    (folder / "more" / "deep.txt").write_text("deep")
    (folder / "table.txt").unlink()
    signed_in(page, portal, lab.manager)
    page.goto(f"{portal}/lyceum/mine/upload")
    drop(page, folder, on="[data-drop]")
    page.locator("[data-send]:enabled").wait_for()
    assert "Programs are not published" in page.locator("tr", has_text="run.sh").inner_text()
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/revisions/*", timeout=30_000)
    draft = Model.objects.get(name="mine").tip
    assert draft is not None
    kept = dict(draft.files.values_list("path", "blob_id"))
    assert kept["more/deep.txt"] == hashlib.sha256(b"deep").hexdigest()
    assert kept["notes.txt"] == hashlib.sha256((folder / "notes.txt").read_bytes()).hexdigest()
    assert not {"run.sh", ".hidden"} & kept.keys()


def test_what_lies_in_a_folder_is_dropped_with_the_paths_that_the_folder_gives_it(
    portal: str, lab: world.World, folder: Path, page: Page
) -> None:
    signed_in(page, portal, lab.manager)
    (folder / "more").mkdir()
    (folder / "more" / "deep.txt").write_text("deep")
    choose(page, portal, folder)
    listed = page.locator("[data-list] tbody tr")
    chosen = sorted(listed.all_inner_texts())
    assert any("more/deep.txt" in row for row in chosen)
    page.goto(f"{portal}/lyceum/mine/upload")
    drop(page, *folder.iterdir(), on="[data-drop]")
    page.locator("[data-send]:enabled").wait_for()
    assert sorted(listed.all_inner_texts()) == chosen


def test_what_is_dropped_beside_the_place_for_it_is_not_taken(
    portal: str, lab: world.World, folder: Path, page: Page
) -> None:
    signed_in(page, portal, lab.manager)
    page.goto(f"{portal}/lyceum/mine/upload")
    page.locator("[data-drop]").wait_for()
    drop(page, folder / "notes.txt", on="h1")
    page.wait_for_timeout(500)
    page.goto(f"{portal}/lyceum/mine/upload")  # the browser may have opened the file itself
    assert page.locator("[data-send]:enabled").count() == 0
    assert not Model.objects.get(name="mine").revisions.exists()


def test_what_is_left_out_for_its_name_is_named_and_a_folder_without_files_is_told(
    portal: str, lab: world.World, folder: Path, tmp_path: Path, page: Page
) -> None:
    (folder / ".git" / "objects").mkdir(parents=True)
    for path in (".git/config", ".git/objects/a", "more/.DS_Store"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "dots").mkdir()
    for n in range(12):
        (tmp_path / "dots" / f".{n:02}").write_text("x")
    signed_in(page, portal, lab.manager)
    page.goto(f"{portal}/lyceum/mine/upload")
    left, line = page.locator("[data-left]"), page.locator("[data-line]")
    drop(page, folder, on="[data-drop]")
    dotted = "Names that begin with a dot are not published."
    expect(left).to_have_text(f"Left out: .git/, .hidden, more/.DS_Store. {dotted}")
    page.locator("[data-send]:enabled").wait_for()
    drop(page, tmp_path / "empty", on="[data-drop]")
    expect(line).to_have_text("There is no file in it.")
    expect(left).to_be_empty()
    assert page.locator("[data-list]").is_hidden()
    drop(page, tmp_path / "dots", on="[data-drop]")
    expect(left).to_contain_text(f".09, and 2 more. {dotted}")
    expect(line).to_have_text("None of these files can be published.")


def test_odd_names_and_an_empty_file_become_a_draft_and_names_that_are_one_elsewhere_are_told_first(
    portal: str, lab: world.World, folder: Path, page: Page
) -> None:
    odd = {
        "u\u0308ber.txt": "über.txt",
        "a b.txt": "a b.txt",
        "50%.txt": "50%.txt",
        "a#b?.txt": "",
        "x#y.txt": "x#y.txt",
    }
    for name in odd:
        (folder / name).write_text(name)
    (folder / "nothing.txt").write_text("")
    (folder / "Notes.txt").write_text("A")
    signed_in(page, portal, lab.manager)
    page.goto(f"{portal}/lyceum/mine/upload")
    drop(page, folder, on="[data-drop]")
    page.locator("[data-send]:enabled").wait_for()
    assert page.locator("tr", has_text="are the same on some systems").count() == 2
    assert "cannot be written on every system" in page.locator("tr", has_text="a#b?.txt").inner_text()
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/revisions/*", timeout=30_000)
    draft = Model.objects.get(name="mine").tip
    assert draft is not None
    sizes = dict(draft.files.values_list("path", "size"))
    assert {*filter(None, odd.values()), "nothing.txt"} <= sizes.keys()
    assert sizes["nothing.txt"] == 0
    assert not {"notes.txt", "Notes.txt"} & sizes.keys()


def test_who_was_overtaken_by_another_draft_is_told_to_load_the_page_and_not_to_press_again(
    portal: str, lab: world.World, folder: Path, page: Page
) -> None:
    signed_in(page, portal, lab.manager)
    (folder / "table.txt").unlink()
    choose(page, portal, folder)
    other = page.context.new_page()
    choose(other, portal, folder)
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/revisions/*", timeout=30_000)
    choose(page, portal, folder)  # both see that draft as the newest
    choose(other, portal, folder)
    for mine in (page, other):
        (folder / "notes.txt").write_text("of one tab" if mine is page else "of the other")
        choose(mine, portal, folder) if mine is page else mine.locator("#id_folder").set_input_files(folder)
        mine.locator("[data-send]:enabled").wait_for()
        mine.get_by_role("button", name="Send").click()
        if mine is page:
            page.wait_for_url("**/revisions/*", timeout=30_000)
    expect(other.locator("[data-line]")).to_contain_text("No draft was made: There is a newer draft")
    assert other.locator("[data-send]:enabled").count() == 0
    choose(other, portal, folder)
    other.get_by_role("button", name="Send").click()
    other.wait_for_url("**/revisions/*", timeout=30_000)


def test_what_is_chosen_while_files_are_sent_does_not_take_their_place(
    portal: str, lab: world.World, folder: Path, tmp_path: Path, page: Page
) -> None:
    signed_in(page, portal, lab.manager)
    choose(page, portal, folder)
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/blobs/uploads/**", hold)
    with page.expect_request(lambda request: request.method == "PUT"):
        page.get_by_role("button", name="Send").click()
    assert page.locator("#id_folder").is_disabled()
    listed = page.locator("[data-list] tbody tr")
    before = listed.count()
    drop(page, tmp_path, on="[data-drop]")
    page.evaluate("() => fetch(location)")  # what was dropped would have been read and listed by now
    assert listed.count() == before
    page.unroute("**/blobs/uploads/**")  # and those that were held go on
    page.wait_for_url("**/revisions/*", timeout=30_000)
    draft = Model.objects.get(name="mine").tip
    assert draft is not None
    assert draft.files.filter(path="notes.txt").exists()
