"""The wire itself: statuses, headers and shapes, as written in docs/hub.md; asked with a bare HTTP client."""

from __future__ import annotations

import http.client
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from portal.access import actions as access
from portal.access.application_models import Decline
from portal.access.models import Grant
from portal.switches.models import Switch, flip
from releases import actions
from releases.ingest import ingest
from releases.models import Download, Ref
from tests.contract import clients
from tests.contract.hub import Hub
from tests.portal import world
from tests.releases.folders import model_folder

FILE = "/lyceum/gated/resolve/main/model.safetensors"


def ask(
    url: str, target: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """One request with exactly this target; no redirect is followed."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    connection.putrequest(method, target, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value.encode("latin-1"))
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    connection.close()
    return found


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_late_redirect(hub: Hub) -> None:
    holder = bearer(hub.token(hub.researcher))
    digest = clients.digests(hub.folder / "gated")["model.safetensors"]
    status, said, body = ask(hub.url, FILE, "HEAD", **holder)
    assert (status, body) == (200, b"")
    assert said["x-repo-commit"] == hub.gated.main.commit
    assert said["x-linked-etag"].strip('"') == said["etag"].strip('"') == digest
    assert (
        said["x-linked-size"] == said["content-length"] == str((hub.folder / "gated/model.safetensors").stat().st_size)
    )
    assert Download.objects.count() == 0, "HEAD gives nothing out"
    status, told, _ = ask(hub.url, FILE, **holder, Range="bytes=5-")
    assert status == 302
    assert told["location"].startswith(f"/blobs/{digest}?")
    assert not any(name.startswith("x-xet") for name in told)
    row = Download.objects.get()
    assert (row.path, row.wanted, row.user_id, row.gate) == (
        "model.safetensors",
        "bytes=5-",
        str(hub.researcher.pk),
        hub.world.gate.slug,
    )
    assert 0 < (row.link_ends_at - row.at).total_seconds() <= 120
    assert ask(hub.url, told["location"])[0] == 200, "the link carries its own right and needs no token"


def test_a_regular_files_etag_is_gits(hub: Hub) -> None:
    said = ask(hub.url, "/lyceum/open/resolve/main/config.json", "HEAD")[1]
    assert re.fullmatch(r'"[0-9a-f]{40}"', said["etag"])
    assert "x-linked-etag" not in said


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_gate_comes_before_existence_and_tells_nothing(hub: Hub, method: str) -> None:
    stranger = bearer(hub.token(hub.stranger))
    apply = f"{hub.url}/apply/{hub.world.gate.slug}/"
    for headers, status in (({}, 401), (stranger, 403)):
        answers = [
            ask(hub.url, f"/lyceum/gated/resolve/{revision}/{path}", method, **headers)
            for revision in ("main", "nowhere", hub.gated.main.commit)
            for path in ("model.safetensors", "nothing.bin")
        ]
        assert {a[0] for a in answers} == {status}
        for _, said, _ in answers:
            assert said["x-error-code"] == "GatedRepo"
            assert apply in said["x-error-message"]
            assert apply in said["x-hf-warning"]
            assert said["x-error-message"].isascii()
            assert not {"x-linked-size", "x-linked-etag", "etag", "location"} & said.keys()
    assert Download.objects.count() == 0


def test_each_state_is_told_in_words_and_with_an_address_of_its_own(hub: Hub) -> None:
    """Applied, declined, ended; an agreement that changed is in tests/inference/test_agreement_refusals.py."""
    waiting, declined, ended = (world.person(name) for name in ("Wanda Waits", "Dora Declined", "Egon Ended"))
    application, refused = hub.world.applied(waiting), hub.world.applied(declined)
    access.decline(by=hub.world.reviewers[0], application=refused, reason=Decline.PURPOSE, message="It is a product.")
    grant = hub.world.granted(ended)
    Grant.objects.filter(pk=grant.pk).update(ends_at=grant.starts_at + timedelta(milliseconds=1))
    expected = {
        waiting: ("pending", "waiting for review", application.get_absolute_url()),
        declined: ("declined", "declined", refused.get_absolute_url()),
        ended: ("expired", "ended on", f"/apply/{hub.world.gate.slug}/"),
    }
    for person, (topic, words, address) in expected.items():
        status, said, _ = ask(hub.url, FILE, "HEAD", **bearer(hub.token(person)))
        assert (status, said["x-error-code"]) == (403, "GatedRepo")
        assert said["x-hf-warning"].startswith(f"{topic}; "), said
        assert words in said["x-error-message"]
        assert hub.url + address in said["x-hf-warning"]


def test_revoking_a_token_works_on_the_next_request(hub: Hub) -> None:
    from portal.tokens import actions as tokens
    from portal.tokens.models import AccessToken

    secret = hub.token(hub.researcher)
    assert ask(hub.url, FILE, "HEAD", **bearer(secret))[0] == 200
    tokens.revoke(by=hub.researcher, token=AccessToken.objects.latest("created_at"))
    assert ask(hub.url, FILE, "HEAD", **bearer(secret))[0] == 401


def test_an_expired_link_is_refused_and_a_new_one_is_one_request_away(hub: Hub, settings: Any) -> None:
    import time

    settings.DOWNLOAD_LINK_S = 1
    holder = bearer(hub.token(hub.researcher))
    link = ask(hub.url, FILE, **holder)[1]["location"]
    assert ask(hub.url, link)[0] == 200
    time.sleep(2.1)
    assert ask(hub.url, link)[0] == 403
    assert ask(hub.url, ask(hub.url, FILE, **holder)[1]["location"], Range="bytes=10-19")[0] == 206


def test_the_switch_closes_the_door(hub: Hub) -> None:
    flip(switch=Switch.DOWNLOAD, on=False, reason="a drill", by=None)
    status, said, _ = ask(hub.url, "/lyceum/open/resolve/main/config.json", "HEAD")
    assert (status, said["x-error-code"]) == (403, "GatedRepo")
    assert "paused" in said["x-error-message"]
    assert ask(hub.url, "/lyceum/open/resolve/main/README.md", "HEAD")[0] == 200


ODD = [
    "a b.txt",
    "ünï/ç é.txt",
    "100%.txt",
    "a#b.txt",
    "a+b&c=d.txt",
    "%2F.txt",
    "sub/dir/deep.txt",
    "日本語.txt",
    "a;b.txt",
    "semi'quote.txt",
]


def test_odd_names_and_encoded_slashes(hub: Hub, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "odd")
    for name in ODD:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    model = actions.open_model(lab=hub.world.lab, name="odd", by=hub.world.manager)
    revision = ingest(folder, model=model, by=hub.world.manager, publish=True)
    Ref.objects.create(model=model, kind="branch", name="feat/x", revision=revision)
    for name in ODD:
        for written in (quote(name), quote(name, safe="")):
            status, said, _ = ask(hub.url, f"/lyceum/odd/resolve/feat%2Fx/{written}")
            assert status == 302, (name, written)
            assert ask(hub.url, said["location"])[2].decode() == name
    assert ask(hub.url, "/lyceum/odd/resolve/feat/x/a%20b.txt")[0] == 404, "an unencoded slash ends the revision"
    listed = json.loads(ask(hub.url, "/api/models/lyceum/odd/tree/feat%2Fx/sub%2Fdir")[2])
    assert [entry["path"] for entry in listed] == ["sub/dir/deep.txt"]
    assert json.loads(ask(hub.url, "/api/models/lyceum/odd/revision/feat%2fx")[2])["sha"] == revision.commit
    names = {e["path"] for e in json.loads(ask(hub.url, "/api/models/lyceum/odd/tree/main?recursive=true")[2])}
    assert set(ODD) <= names
    assert [b["name"] for b in json.loads(ask(hub.url, "/api/models/lyceum/odd/refs")[2])["branches"]] == [
        "main",
        "feat/x",
    ]
    client = clients.Client(clients.installed(), tmp_path / "home", hub.url)
    done = client.hf("download", "lyceum/odd", "--revision", "feat/x", "--local-dir", str(tmp_path / "got"))
    assert done.returncode == 0, done.stderr
    assert clients.digests(tmp_path / "got") == clients.digests(folder)


def test_the_tree_comes_in_pages(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    (folder / "part").mkdir(parents=True)
    for n in range(1, 1_002):
        (folder / "part" / f"{n:05d}.txt").write_text(str(n % 4 + 3))  # a pickle may begin with 0, 1 or 2
    model = actions.open_model(lab=hub.world.lab, name="many", by=hub.world.manager)
    ingest(folder, model=model, by=hub.world.manager, publish=True)
    seen: list[str] = []
    target, pages = "/api/models/lyceum/many/tree/main?recursive=true&expand=false", 0
    while target:
        _, said, body = ask(hub.url, target)
        seen += [entry["path"] for entry in json.loads(body)]
        pages += 1
        found = re.match(r'<(.+)>; rel="next"', said.get("link", ""))
        assert found is None or found.group(1).startswith(hub.url + "/"), "the token is sent there again"
        target = found.group(1).removeprefix(hub.url) if found else ""
    assert pages == 2
    assert len(seen) == len(set(seen)) == 1_002
    assert seen == sorted(seen)


def test_paths_info_reads_forms_and_json(hub: Hub) -> None:
    target = "/api/models/lyceum/gated/paths-info/main"
    form = ask(
        hub.url,
        target,
        "POST",
        b"paths=config.json&paths=eval&paths=no&expand=true",
        Content_Type="application/x-www-form-urlencoded",
    )
    assert [(e["path"], e["type"], e["lastCommit"]["id"]) for e in json.loads(form[2])] == [
        ("config.json", "file", hub.gated.main.commit), ("eval", "directory", hub.gated.main.commit),
    ]  # fmt: skip
    asked = json.dumps({"paths": ["model.safetensors"]}).encode()
    found = json.loads(ask(hub.url, target, "POST", asked, Content_Type="application/json")[2])
    assert found[0]["lfs"]["pointerSize"] > 120
    for wrong in (b"{", b"[]", b'{"paths": 3}', b'{"paths": ["a\\u0000"]}', b"\xff"):
        assert ask(hub.url, target, "POST", wrong, Content_Type="application/json")[0] == 400


def test_a_body_that_is_too_large_is_refused(hub: Hub) -> None:
    huge = b"paths=" + b"a" * 3_000_000
    status, said, _ = ask(
        hub.url,
        "/api/models/lyceum/open/paths-info/main",
        "POST",
        huge,
        Content_Type="application/x-www-form-urlencoded",
    )
    assert status in {400, 413}
    assert "json" in said["content-type"]


def test_a_session_is_not_a_token(hub: Hub) -> None:
    """Doors of the Hub do not read the cookie: another site's page cannot spend it, and programs cannot lean on it."""
    from django.test import Client

    browser = Client()
    browser.force_login(hub.researcher)
    cookie = browser.cookies["session"].value
    assert ask(hub.url, FILE, "HEAD", Cookie=f"session={cookie}")[0] == 401


def test_who_am_i_lists_only_labs_with_a_role_today(hub: Hub) -> None:
    said = json.loads(ask(hub.url, "/api/whoami-v2", **bearer(hub.token(hub.researcher)))[2])
    assert (said["name"], said["orgs"], said["auth"]["accessToken"]["role"]) == (hub.researcher.email, [], "read")
    staff = json.loads(ask(hub.url, "/api/whoami-v2", **bearer(hub.token(hub.world.manager)))[2])
    assert [org["name"] for org in staff["orgs"]] == ["lyceum"]
    assert ask(hub.url, "/api/whoami-v2")[0] == 401


def test_harnesses_and_auth_check(hub: Hub) -> None:
    assert json.loads(ask(hub.url, "/api/agent-harnesses")[2]) == {"standardEnvVars": [], "harnesses": {}}
    assert ask(hub.url, "/api/models/lyceum/gated/auth-check")[0] == 401
    assert ask(hub.url, "/api/models/lyceum/gated/auth-check", **bearer(hub.token(hub.researcher)))[2] == b"OK"
