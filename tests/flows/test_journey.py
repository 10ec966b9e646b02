"""Publish → apply → approve → sign → download → query → revoke, on the running portal, with unmodified clients.

Each test is one leg and needs the legs before it: they run in order, in one process.
"""

import hashlib
import json
import os
import re
import secrets
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from inference.demo.access import RESEARCHER
from tests.flows.visitor import Page, Visitor
from tests.stack import ROOT, Stack

pytestmark = pytest.mark.stack

PASSWORD = "a long pass phrase for a test"
NAME = "Wanda Voss"


@dataclass
class Applicant:
    """What one person has gathered on the way."""

    email: str = field(default_factory=lambda: f"wanda.{secrets.token_hex(4)}@university.example")
    application: str = ""
    download: str = ""
    query: str = ""
    tokens: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def wanda() -> Applicant:
    return Applicant()


@pytest.fixture(scope="module")
def her(stack: Stack, wanda: Applicant) -> Visitor:
    """Her browser, signed in once she has an account."""
    return Visitor(stack.base_url)


def _staff(stack: Stack, number: int) -> Visitor:
    visitor = Visitor(stack.base_url)
    emails = [user["email"] for user in stack.demo["users"] if user["role"] == "reviewer"]
    visitor.sign_in(emails[number], stack.password(emails[number]))
    return visitor


def test_sign_up_sends_a_link_that_verifies(stack: Stack, her: Visitor, wanda: Applicant) -> None:
    page = her.open("/account/signup/")
    page = her.send(page, email=wanda.email, name=NAME, password1=PASSWORD)
    assert "/account/confirm-email/" in page.path
    link = her.mail_to(wanda.email, r"http://[^\s\"<]+/account/confirm-email/[^\s\"<]+/")
    assert link.startswith(stack.base_url)
    confirm = her.open(link)
    her.send(confirm)
    assert her.open("/me/").path == "/me/"


def test_a_stranger_is_refused_with_our_words_and_the_way_to_apply(stack: Stack, her: Visitor, tmp_path: Path) -> None:
    token = _make_token(her, "stranger's laptop", "dl")
    done = _hf(stack, token, stack.model(gated=True), tmp_path)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "/apply/" in said, said
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("*.safetensors"))


def test_applying_keeps_drafts_and_names_what_is_missing(stack: Stack, her: Visitor, wanda: Applicant) -> None:
    gate = stack.model(gated=True).split("/")[1]
    page = her.open(f"/apply/{gate}/")
    for _ in range(12):
        if "Send application" in page.html:
            break
        page = her.send(page, **_answers(page))
    assert "Send application" in page.html
    page = her.send(page)
    assert re.fullmatch(r"/applications/[0-9a-f-]{36}/", page.path), page.path
    wanda.application = page.path.split("/")[2]
    assert her.mail_to(wanda.email, wanda.application)


def _answers(page: Page) -> dict[str, Any]:
    """What the questions of this page want, among everything there is to say."""
    known = {**RESEARCHER, "legal_name": NAME, "institution": "University of Saltmarsh"}
    form = page.form_with("csrfmiddlewaretoken")
    return {name: known[name] for name in form.names if name in known}


def test_one_approval_is_not_enough(stack: Stack, her: Visitor, wanda: Applicant) -> None:
    reviewer = _staff(stack, 0)
    assert wanda.application in reviewer.open("/review/").html
    page = reviewer.open(f"/review/{wanda.application}/")
    reviewer.send(page, button="approve", note="Sound.", version=page.form_with("version").values["version"])
    assert "Sign agreement" not in her.open(f"/applications/{wanda.application}/").html
    again = reviewer.open(f"/review/{wanda.application}/")
    assert not [form for form in again.forms if "approve" in form.buttons], "nobody votes twice"


def test_the_second_approval_opens_signing(stack: Stack, her: Visitor, wanda: Applicant) -> None:
    reviewer = _staff(stack, 1)
    page = reviewer.open(f"/review/{wanda.application}/")
    reviewer.send(page, button="approve", version=page.form_with("version").values["version"])
    link = her.mail_to(wanda.email, rf"/applications/{wanda.application}/sign/")
    page = her.open(link)
    signed = her.send(page, typed_name=NAME, capacity="for myself, doctoral student")
    assert signed.status == 200
    assert her.mail_to(wanda.email, r"/receipts/[0-9a-f-]{36}/")


def _make_token(visitor: Visitor, label: str, kind: str) -> str:
    page = visitor.open("/me/tokens/")
    form = page.form_with("label", "kind")
    answers = {"label": label, "kind": kind}
    if "project" in form.names:
        options = re.findall(r'<option value="([^"]+)"[^>]*>([^<]*)', page.html)
        granted = [value for value, words in options if "copy code" in words]
        answers["project"] = granted[0] if granted else (form.values.get("project") or [""])[0]
    shown = visitor.send(page, **answers)
    found = re.search(rf"wb_{kind}_[0-9A-Za-z]{{38}}", shown.html)
    assert found, shown.text[:500]
    assert found.group(0) not in visitor.open("/me/tokens/").html, "a secret is shown once"
    return found.group(0)


def _hf(stack: Stack, token: str, model: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`hf download`, as anybody would."""
    env = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "HF_HOME": str(folder / "hf"),
        "HF_ENDPOINT": stack.base_url, "HF_TOKEN": token, "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    }  # fmt: skip
    command = [str(ROOT / ".venv/bin/hf"), "download", model, "--local-dir", str(folder / "out")]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)


def test_every_file_comes_down_as_the_archive_holds_it(
    stack: Stack, her: Visitor, wanda: Applicant, tmp_path: Path
) -> None:
    wanda.download = _make_token(her, "workstation", "dl")
    model = stack.model(gated=True)
    done = _hf(stack, wanda.download, model, tmp_path)
    assert done.returncode == 0, done.stderr
    folder = Path(os.environ.get("SEED_ARCHIVES") or ROOT / "releases" / "seed")
    manifest = json.loads((folder / "manifest.json").read_text())["models"]
    wanted = next(entry["files"] for entry in manifest if entry["name"] == model.split("/")[1])
    got = {
        path.relative_to(tmp_path / "out").as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }
    assert got == {path: facts["sha256"] for path, facts in wanted.items()}


def test_each_download_is_in_the_ledger_before_its_link(stack: Stack, wanda: Applicant) -> None:
    script = (
        "from releases.models import Download; from portal.tokens.models import AccessToken\n"
        "from portal.tokens.secrets import digest; import sys\n"
        "token = AccessToken.objects.get(digest=digest(sys.stdin.read()))\n"
        "print(Download.objects.filter(token_id=token.pk).count())"
    )
    rows = int(stack.manage("shell", "-v", "0", "-c", script, stdin=wanda.download).split()[-1])
    assert rows >= 1


def test_revoking_her_token_refuses_the_next_download_within_a_second(
    stack: Stack, her: Visitor, wanda: Applicant
) -> None:
    url = f"{stack.base_url}/{stack.model(gated=True)}/resolve/main/config.json"
    headers = {"Authorization": f"Bearer {wanda.download}"}
    assert httpx.get(url, headers=headers, follow_redirects=True).status_code == 200
    page = her.open("/me/tokens/")
    link = next(
        href for href in re.findall(r'href="(/me/tokens/[^"]+/revoke/)" aria-label="Revoke workstation', page.html)
    )
    her.send(her.open(link))
    began = time.monotonic()
    answer = httpx.get(url, headers=headers)
    assert answer.status_code == 401
    assert time.monotonic() - began < 1


def test_the_audit_chain_holds_all_of_it(stack: Stack, wanda: Applicant) -> None:
    assert "verified" in stack.manage("verify_audit").lower() or "entries" in stack.manage("verify_audit").lower()
