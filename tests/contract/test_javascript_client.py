"""Hugging Face's client for JavaScript against the portal: reading, what is gated, publishing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from portal.tokens import secrets
from portal.tokens.scopes import Kind
from releases.models import Download, Model
from tests.contract import javascript
from tests.contract.hub import Hub
from tests.contract.test_hub_wire import ask, bearer

READ = """
import {createHash} from "node:crypto";
const repo = {type: "model", name: "lyceum/open"}, told = {};
const all = async (list) => { const found = []; for await (const one of list) found.push(one); return found };
told.models = (await all(hub.listModels({hubUrl, search: {owner: "lyceum"}}))).map(one => one.name);
told.info = (await hub.modelInfo({hubUrl, name: repo.name, additionalFields: ["sha"]})).sha;
told.files = (await all(hub.listFiles({hubUrl, repo, recursive: true}))).filter(one => one.type === "file").map(one => one.path);
told.commits = await hub.countCommits({hubUrl, repo});
told.there = await hub.fileExists({hubUrl, repo, path: "config.json"});
told.absent = await hub.fileExists({hubUrl, repo, path: "none.json"});
const weights = await hub.downloadFile({hubUrl, repo, path: "model.safetensors"});
told.sha256 = createHash("sha256").update(Buffer.from(await weights.arrayBuffer())).digest("hex");
told.pointer = await (await hub.downloadFile({hubUrl, repo, path: "model.safetensors", raw: true})).text();
told.small = JSON.parse(await (await hub.downloadFile({hubUrl, repo, path: "config.json", raw: true})).text());
told.parameters = (await hub.parseSafetensorsMetadata({hubUrl, repo: repo.name, computeParametersCount: true})).parameterCount;
told.snapshot = await hub.snapshotDownload({hubUrl, repo, cacheDir: process.env.HF_HOME});
told.spaces = (await all(hub.listSpaces({hubUrl}))).length + (await all(hub.listDatasets({hubUrl}))).length;
console.log("\\n" + JSON.stringify(told));
"""
GATED = """
const repo = {type: "model", name: "lyceum/gated"};
try {
  await hub.checkRepoAccess({hubUrl, repo, accessToken});
  const file = await hub.downloadFile({hubUrl, repo, path: "model.safetensors", accessToken});
  console.log(JSON.stringify({size: file.size}));
} catch (error) { console.log(JSON.stringify({status: error.statusCode, message: error.message})) }
"""
PUBLISH = """
const repo = {type: "model", name: "lyceum/from-js"}, told = {};
await hub.createRepo({hubUrl, repo, accessToken, private: true});
const large = {path: "weights.safetensors", content: new Blob([await (await import("node:fs")).promises.readFile(process.env.HOME + "/weights")])};
const card = {path: "README.md", content: new Blob(["---\\nlicense: mit\\n---\\n# From JavaScript\\n"])};
await hub.uploadFiles({hubUrl, repo, accessToken, files: [card, large], useXet: false});
await hub.createBranch({hubUrl, repo, accessToken, branch: "dev"});
await hub.deleteFile({hubUrl, repo, accessToken, path: "README.md", branch: "dev"});
told.files = []; for await (const one of hub.listFiles({hubUrl, repo, accessToken})) told.files.push(one.path);
told.who = (await hub.whoAmI({hubUrl, accessToken})).name;
console.log(JSON.stringify(told));
"""


def said(hub: Hub, home: Path, program: str, token: str = "") -> Any:
    """What the program told, as its last line."""
    done = javascript.run(program, hub.url, home, token=token)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_a_stranger_reads_an_open_model(hub: Hub, tmp_path: Path) -> None:
    told = said(hub, tmp_path / "home", READ)
    files = {file.path: file for file in hub.open.main.files.all()}
    weights = files["model.safetensors"]
    assert set(told["models"]) == {"lyceum/open", "lyceum/gated"}
    assert (told["info"], told["commits"], told["spaces"]) == (hub.open.main.commit, 1, 0)
    assert set(told["files"]) == set(files)
    assert (told["there"], told["absent"]) == (True, False)
    assert told["sha256"] == weights.sha256
    assert f"oid sha256:{weights.sha256}" in told["pointer"]
    assert told["small"]["model_type"] == "opt"
    assert told["parameters"] == {"F32": 1004}
    for path in files:
        got = (Path(told["snapshot"]) / path).read_bytes()
        assert hashlib.sha256(got).hexdigest() == files[path].sha256


def test_a_pointer_is_told_in_pieces_and_not_to_whoever_may_not_have_the_file(hub: Hub) -> None:
    raw, token = "/lyceum/gated/raw/main/model.safetensors", bearer(hub.token(hub.researcher))
    status, headers, whole = ask(hub.url, raw, **token)
    assert (status, headers["x-repo-commit"]) == (200, hub.gated.main.commit)
    status, headers, piece = ask(hub.url, raw, Range="bytes=8-30", **token)
    assert (status, piece, headers["content-range"]) == (206, whole[8:31], f"bytes 8-30/{len(whole)}")
    assert ask(hub.url, raw, Range=f"bytes={len(whole)}-", **token)[0] == 416
    assert ask(hub.url, raw)[0] == 401
    assert ask(hub.url, raw, **bearer(hub.token(hub.stranger)))[0] == 403
    assert ask(hub.url, "/lyceum/open/raw/HEAD/none.json")[0] == 404


def test_a_holder_gets_a_gated_model_by_the_spelling_that_the_client_takes(hub: Hub, tmp_path: Path) -> None:
    token = hub.token(hub.researcher)
    told = said(hub, tmp_path / "home", GATED, secrets.for_hub(token))
    assert told == {"size": hub.gated.main.files.get(path="model.safetensors").size}
    assert {row.user_id for row in Download.objects.filter(model="lyceum/gated")} == {str(hub.researcher.pk)}


@pytest.mark.parametrize("who", ["nobody", "stranger", "mistyped"])
def test_nobody_else_gets_it(hub: Hub, tmp_path: Path, who: str) -> None:
    token = "" if who == "nobody" else secrets.for_hub(hub.token(hub.stranger))
    if who == "mistyped":
        token = secrets.for_hub(hub.token(hub.researcher))[:-1]
    told = said(hub, tmp_path / "home", GATED, token)
    assert told["status"] == (403 if who == "stranger" else 401), told
    assert not Download.objects.filter(model="lyceum/gated").exists()


def test_a_publisher_makes_a_draft_from_javascript(hub: Hub, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "weights").write_bytes((hub.folder / "open" / "model.safetensors").read_bytes())
    token = secrets.for_hub(hub.token(hub.world.manager, Kind.PUBLISH))
    told = said(hub, home, PUBLISH, token)
    assert told == {"files": ["README.md", "weights.safetensors"], "who": "lyceum"}
    model = Model.objects.get(name="from-js")
    assert model.main is None
    assert model.tip.files.get(path="weights.safetensors").lfs
    assert [file.path for file in model.refs.get(name="dev").revision.files.all()] == ["weights.safetensors"]
