"""The deeds of the walk: what people do on a page, so that the next pages have something to show."""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urljoin

from playwright.sync_api import Page

CARD = "---\nlicense: other\nlanguage: en\n---\n\n# Pico next\n\nA small model that opens on a day.\n"


def name_model(page: Page) -> None:
    """Make the model `pico-next-9m`; its page of upload follows."""
    page.get_by_label("Name").fill("pico-next-9m")
    page.get_by_label("Summary").fill("A small model that opens on a day.")
    with page.expect_navigation():
        page.get_by_role("button", name="Make it, then choose files").click()


def send_folder(page: Page) -> None:
    """Choose a folder, send it, and wait until its revision stands."""
    with tempfile.TemporaryDirectory() as kept:
        page.locator("#id_folder").set_input_files(_folder(Path(kept) / "pico-next-9m"))
        page.locator("[data-send]:enabled").wait_for()
        page.get_by_role("button", name="Send").click()
        page.wait_for_url("**/revisions/*", timeout=60_000)


def plan_opening(page: Page) -> None:
    """Open it in thirty days, with one approval, and say so to everybody."""
    day = datetime.now(UTC) + timedelta(days=30)
    page.get_by_label("Not before, in UTC").fill(f"{day:%Y-%m-%dT12:00}")
    page.get_by_role("checkbox").first.check()
    page.get_by_label("Approvals needed").fill("1")
    page.get_by_label("Announce it").check()
    with page.expect_navigation():
        page.get_by_role("button", name="Plan the opening").click()


def press(name: str) -> Callable[[Page], None]:
    """Make the deed of pressing the first button of this name."""

    def press(page: Page) -> None:
        page.locator("main").get_by_role("button", name=name).first.click()
        page.wait_for_load_state()

    return press


def leave_purpose_empty(page: Page) -> None:
    """Go past the part that is known already, and send the next one as it is."""
    for _part in range(2):
        page.get_by_role("button", name="Save and continue").click()
        page.wait_for_load_state()


def stop_release(page: Page) -> None:
    """Stop a release, with a reason."""
    page.get_by_label("Reason").fill("A file of the training data was under an embargo. Delete copies made this week.")
    page.get_by_role("button", name="Stop it for everybody").click()
    page.wait_for_load_state()


def ask_as_a_program(page: Page) -> None:
    """Type the code that a program shows for its sign-in."""
    told = page.request.post(urljoin(page.url, "/oauth/device"), form={"client_id": "weighbridge"}).json()
    page.get_by_label("Code").fill(told["user_code"])
    press("Go on")(page)


def pick_all(verb: str) -> Callable[[Page], None]:
    """Make the deed of ticking every row of a list and pressing the button of this name."""

    def pick(page: Page) -> None:
        for box in page.locator("main input[name=pick]").all():
            box.check()
        page.get_by_role("button", name=verb).last.click()
        page.wait_for_load_state()

    return pick


def raise_erratum(page: Page) -> None:
    """Publish an erratum of a revision."""
    page.get_by_label("How serious").select_option("serious")
    page.get_by_label("In one line").fill("Its tokenizer marks no end of a text")
    page.get_by_label("What is wrong, and what to do").fill("The end of text is not marked. Add it yourself, or wait.")
    page.get_by_role("button", name="Publish erratum").click()
    page.wait_for_load_state()


def reproduce(page: Page) -> None:
    """Report that a score was measured again, and differs."""
    for label, said in {
        "Value that you measured": "1.45", "Tolerance": "0.05", "Environment": "torch 2.13.0, one thread, float32",
        "Command": "python -m releases.training evaluate pico-opt-1m",
    }.items():  # fmt: skip
        page.get_by_label(label).first.fill(said)
    page.get_by_role("button", name="Send report").click()
    page.wait_for_load_state()


def report_harm(page: Page) -> None:
    """Report a harm, as somebody without an account."""
    page.get_by_label("harmful or hateful output").check()
    page.get_by_label("What happened").fill(
        "Asked to go on with a list of names, it wrote a slur. I saw it twice today."
    )
    page.get_by_label("my words too, with the answer").check()
    page.wait_for_timeout(3_500)  # the form takes nothing that came quicker than a person
    page.get_by_role("button", name="Send report").click()
    page.wait_for_load_state()


def answer_harm(page: Page) -> None:
    """Answer the report, for everybody to read."""
    page.get_by_label("Answer").fill(
        "The word stands in the sources of the training text. We have taken that file out."
    )
    page.get_by_role("button", name="Answer", exact=True).click()
    page.wait_for_load_state()


def try_rules(page: Page) -> None:
    """Try a triage rule on past applications."""
    page.get_by_label("Rules", exact=True).fill("block far when answer country is KP: Barred by the agreement\n")
    page.get_by_role("button", name="Try on past applications").click()
    page.wait_for_load_state()


def ask_query_time(page: Page) -> None:
    """Ask the lab for more query time."""
    page.get_by_label("Tokens in all").fill("20000000")
    page.get_by_label("What it is for").fill("Six evaluations of each checkpoint, 3,000 prompts of 1,000 tokens each.")
    page.get_by_label("What came of the use so far").fill("How small models forget, https://papers.example/17")
    page.get_by_role("button", name="Send to the lab").click()
    page.wait_for_load_state()


def note(page: Page) -> None:
    """Leave a note to the other reviewers."""
    page.get_by_label("Note to the reviewers").fill("I know the cluster: two administrators, and both answer mail.")
    page.get_by_role("button", name="Add note").click()
    page.wait_for_load_state()


def new_token(page: Page) -> None:
    """Make an access token."""
    page.get_by_label("Name").fill("cluster-batch")
    page.get_by_role("button", name="Create token").click()
    page.wait_for_load_state()


def type_institution(page: Page) -> None:
    """Type the beginning of an institution, until the register offers some."""
    page.locator("#id_organisation").fill("")
    page.locator("#id_organisation").press_sequentially("northf")
    page.get_by_role("option").first.wait_for()


def refused_address(page: Page) -> None:
    """Show an address that anybody can have."""
    page.get_by_label("Address at your institution").fill("noor.bakker@gmail.com")
    page.get_by_role("button", name="Send the link").click()
    page.wait_for_load_state()


def open_first(page: Page) -> None:
    """Open the first part of the page that is folded."""
    page.locator("main details summary").first.click()


def new_webhook(page: Page) -> None:
    """Add a webhook of one event."""
    page.get_by_role("textbox", name="Address").fill("https://lab.example/hooks")
    page.get_by_label("grant.given").check()
    page.get_by_role("button", name="Add webhook").click()
    page.wait_for_load_state()


def name_member(page: Page) -> None:
    """Name somebody of the team."""
    page.get_by_label("Name", exact=True).fill("Noor Bakker")
    page.get_by_label("Address").fill("stranger@northfield.example")
    page.get_by_role("button", name="Ask them by mail").click()
    page.wait_for_load_state()


def name_nobody(page: Page) -> None:
    """Send the form of the team empty."""
    page.get_by_role("button", name="Ask them by mail").click()
    page.wait_for_load_state()


def approve(page: Page) -> None:
    """Vote for an application, with a note."""
    page.get_by_label("Note with your vote").fill(
        "The method is sound, and the machine is under the group's own control."
    )
    page.get_by_role("button", name="Approve").click()
    page.wait_for_load_state()


def sign(page: Page) -> None:
    """Sign the agreement."""
    page.get_by_label("Type your full name").fill("Tomas Hale")
    page.get_by_label("In what capacity?").fill("for myself, doctoral student, Northfield University")
    page.get_by_role("button", name="Sign agreement").click()
    page.wait_for_load_state()


def empty_draft(page: Page) -> None:
    """Save a draft of an agreement without its text."""
    page.get_by_label("Text", exact=True).fill("")
    page.get_by_label("Date of grace").fill("")
    page.get_by_role("button", name="Save draft").click()
    page.wait_for_load_state()


def write_draft(page: Page) -> None:
    """Write the next version of an agreement, and go on to publish it."""
    text = page.get_by_label("Text", exact=True)
    changed = text.input_value().replace("noncommercial research", "noncommercial research and teaching")
    text.fill(
        changed + "\n\n## Teaching\n\nStudents of a course sign in their own names before they use the weights.\n"
    )
    page.get_by_role("button", name="Save, then review and publish").click()
    page.wait_for_load_state()


def report(page: Page) -> None:
    """Send the report of a renewal."""
    page.get_by_label("Publications and releases").fill("A preprint on exact copies, and the code behind it.")
    page.get_by_label("Changes in team or custody").fill("One new member; the weights stay on the same machine.")
    page.get_by_role("button", name="Send report and renew").click()
    page.wait_for_load_state()


def revoke(page: Page) -> None:
    """Revoke a grant, with a reason."""
    page.get_by_label("Reason").fill("The thesis is finished, and the group has left the university's cluster.")
    page.get_by_role("button", name="Revoke grant").click()
    page.wait_for_load_state()


def no_allowance(page: Page) -> None:
    """Set an allowance that is none."""
    page.get_by_text("Set the allowance").click()
    page.get_by_label("Tokens a day").fill("-1")
    page.get_by_role("button", name="Set allowance").click()
    page.wait_for_load_state()


def attest(page: Page) -> None:
    """Attest that every copy is deleted."""
    page.get_by_label("Type your full name").fill("Tomas Hale")
    page.get_by_role("button", name="Attest and close out").click()
    page.wait_for_load_state()


def break_form(page: Page) -> None:
    """Put a form with two faults in force."""
    text = page.get_by_label("Form", exact=True)
    text.fill(
        text.input_value()
        .replace("type: long_text", "type: essay", 1)
        .replace("required: true", "required: perhaps", 1)
    )
    page.get_by_role("button", name="Put in force").click()
    page.wait_for_load_state()


def change_form(page: Page) -> None:
    """Put a form with one other word in force."""
    text = page.get_by_label("Form", exact=True)
    text.fill(text.input_value().replace("Two or three sentences", "Three sentences"))
    page.get_by_role("button", name="Put in force").click()
    page.wait_for_load_state()


def _folder(folder: Path) -> Path:
    """A model that could be published: a card, a config, one tensor."""
    folder.mkdir()
    head = json.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": "opt", "architectures": ["OPTForCausalLM"]}))
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + bytes(16))
    return folder
