"""Signatures: the unmodified model_signing accepts what we publish, and refuses what was changed; ours takes what it writes."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import model_signing
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed
from portal.people.actions import give_role
from portal.people.models import Role, User
from releases import actions
from releases.models import Model, Revision
from releases.proof_models import ModelSignature, SigningKey
from releases.proofs import signature
from releases.storage import store
from tests.portal import world
from tests.portal.world import browser


@pytest.fixture(autouse=True)
def secret(settings: Any) -> None:
    settings.RECEIPT_SIGNING_KEY = "a secret of the test's own, long enough"


@pytest.fixture
def model(lyceum: world.World, publish: Any) -> Model:
    return publish(lyceum, "mine", gate=lyceum.gate)


@pytest.fixture
def ada(lyceum: world.World) -> User:
    user = world.person("Ada Admin")
    give_role(user=user, lab=lyceum.lab, role=Role.ADMINISTRATOR, by=None)
    return user


def at(revision: Revision, document: str = "model.sig") -> str:
    return f"/{revision.model.full_name}/revisions/{revision.commit}/{document}"


def copy_of(revision: Revision, folder: Path) -> Path:
    """What a client downloads."""
    for path, sha256 in revision.files.values_list("path", "blob_id"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with store().open(sha256) as source:
            (folder / path).write_bytes(source.read())
    return folder


@pytest.fixture
def copy(model: Model, tmp_path: Path, client: Client) -> Path:
    """A copy with the documents beside it and what the Hugging Face client leaves; the key one folder up."""
    folder = copy_of(model.main, tmp_path / "copy")
    for document in ("model.sig", "release.json", "bom.cdx.json"):
        (folder / document).write_bytes(client.get(at(model.main, document)).content)
    (folder / ".cache" / "huggingface").mkdir(parents=True)
    (folder / ".cache" / "huggingface" / "CACHEDIR.TAG").write_text("x")
    (tmp_path / "key.pem").write_bytes(client.get("/keys/portal.pem").content)
    return folder


def verify(folder: Path) -> None:
    key = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=folder.parent / "key.pem")
    key.verify(folder, folder / "model.sig")


def test_the_unmodified_command_accepts_a_downloaded_folder(copy: Path) -> None:
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(copy)]
    sources = ["--signature", str(copy / "model.sig"), "--public_key", str(copy.parent / "key.pem")]
    done = subprocess.run([*command, *sources], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _flip(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_flip, "model.safetensors"),
        (lambda folder: (folder / "extra.py").write_text("import os"), "extra.py"),
        (lambda folder: (folder / "config.json").rename(folder / "config2.json"), "config2.json"),
        (lambda folder: (folder / "LICENSE").unlink(), "LICENSE"),
    ],
    ids=["flipped", "added", "renamed", "dropped"],
)
def test_it_refuses_a_folder_that_was_changed(copy: Path, change: Any, said: str) -> None:
    verify(copy)
    change(copy)
    with pytest.raises(ValueError, match=said):
        verify(copy)


def test_it_refuses_a_signature_that_was_changed_and_another_key(copy: Path) -> None:
    bundle = json.loads((copy / "model.sig").read_text())
    whole = (copy / "model.sig").read_text()
    (copy / "model.sig").write_text(whole.replace(bundle["dsseEnvelope"]["signatures"][0]["sig"], "MEUCIQ=="))
    with pytest.raises(Exception):  # noqa: B017, PT011 whichever of its libraries notices
        verify(copy)
    (copy / "model.sig").write_text(whole)
    (copy.parent / "key.pem").write_text(signature.pem_of(ec.generate_private_key(ec.SECP256R1()).public_key()))
    with pytest.raises(ValueError, match="Key mismatch"):
        verify(copy)


def test_the_signature_binds_release_json_and_so_the_weight_id(model: Model, client: Client) -> None:
    bundle = signature.read(client.get(at(model.main)).content)
    told = json.loads(bundle.payload)["predicate"]["release"]
    body = client.get(at(model.main, "release.json")).content
    assert told["sha256"] == hashlib.sha256(body).hexdigest()


def test_the_fingerprint_on_the_page_is_that_of_the_file(model: Model, client: Client) -> None:
    pem = client.get("/keys/portal.pem").content
    fingerprint = hashlib.sha256(pem).hexdigest()
    page = client.get("/keys/").content.decode()
    assert fingerprint[8:] in page
    assert client.get(f"/keys/{fingerprint}.pem").content == pem
    assert client.get(f"/keys/{'0' * 64}.pem").status_code == 404
    files = client.get(f"/lyceum/mine/tree/{model.main.commit}").content.decode()
    assert "model_signing verify key" in files
    assert model.main.facts["weights"]["root"][8:] in files


def test_without_a_signing_key_nothing_is_signed_and_everything_else_is_there(
    lyceum: world.World, publish: Any, client: Client, settings: Any
) -> None:
    settings.RECEIPT_SIGNING_KEY = ""
    main = publish(lyceum, "plain").main
    assert client.get(at(main)).status_code == 404
    assert client.get("/keys/portal.pem").status_code == 404
    assert client.get("/keys/").status_code == 200
    assert client.get(at(main, "release.json")).status_code == 200
    assert client.get(f"/lyceum/plain/tree/{main.commit}").status_code == 200


def test_the_key_under_models_is_no_other_of_the_portals_keys() -> None:
    from portal import signing

    key = signature.portal_key()
    assert key is not None
    [other] = signing.jwks()
    assert int.from_bytes(base64.urlsafe_b64decode(other["x"] + "="), "big") != key.public_key().public_numbers().x


# --- A lab's own ------------------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The lab's private key, as a file that never leaves it."""
    key = ec.generate_private_key(ec.SECP384R1())
    kinds = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "own.key").write_bytes(key.private_bytes(*kinds))
    (tmp_path / "own.pem").write_text(signature.pem_of(key.public_key()))
    return tmp_path / "own.key"


def signed(folder: Path, key: Path) -> bytes:
    """What model_signing writes over a folder."""
    out = folder.parent / "own.sig"
    model_signing.signing.Config().use_elliptic_key_signer(private_key=key).sign(folder, out)
    return out.read_bytes()


def pem(own: Path) -> str:
    return own.with_suffix(".pem").read_text()


def test_a_signature_made_offline_is_verified_and_served(
    lyceum: world.World, ada: User, model: Model, own: Path, tmp_path: Path, client: Client
) -> None:
    bundle = signed(copy_of(model.main, tmp_path / "clean"), own)
    key = actions.add_key(lab=lyceum.lab, name="Vault 2026", pem=pem(own), by=ada)
    desk = f"/lyceum/mine/revisions/{model.main.commit}"
    sent = {"verb": "sign", "bundle": SimpleUploadedFile("model.sig", bundle)}
    assert browser(lyceum.manager).post(desk, sent).status_code == 302
    assert client.get(at(model.main)).content == bundle
    assert client.get(at(model.main), {"key": key.fingerprint}).content == bundle
    portal = SigningKey.objects.get(lab=None)
    assert client.get(at(model.main), {"key": portal.fingerprint}).content != bundle, "the portal's stays"
    assert "Vault 2026" in client.get(f"/lyceum/mine/tree/{model.main.commit}").content.decode()
    entry = Entry.objects.get(event="model_signature.added")
    assert entry.data["fingerprint"] == key.fingerprint
    again = browser(lyceum.manager).post(desk, {"verb": "sign", "bundle": SimpleUploadedFile("model.sig", bundle)})
    assert again.status_code == 422
    assert "already" in again.content.decode()


def test_a_signature_over_other_files_is_refused(
    lyceum: world.World, ada: User, model: Model, own: Path, tmp_path: Path
) -> None:
    actions.add_key(lab=lyceum.lab, name="Vault", pem=pem(own), by=ada)
    folder = copy_of(model.main, tmp_path / "other")
    (folder / "extra.txt").write_text("x")
    for change, said in ((None, "covers extra.txt"), ("extra.txt", ""), ("LICENSE", "does not cover LICENSE")):
        if change:
            (folder / change).unlink()
        if not said:
            continue
        with pytest.raises(Invalid, match=said):
            actions.add_signature(revision=model.main, bundle=signed(folder, own), by=lyceum.manager)
    assert ModelSignature.objects.filter(key__lab=lyceum.lab).count() == 0


def test_a_key_that_is_unknown_retired_or_another_labs_signs_nothing_here(
    lyceum: world.World, harbour: world.World, ada: User, model: Model, own: Path, tmp_path: Path
) -> None:
    bundle = signed(copy_of(model.main, tmp_path / "clean"), own)
    other = world.person("Bo Admin")
    give_role(user=other, lab=harbour.lab, role=Role.ADMINISTRATOR, by=None)
    actions.add_key(lab=harbour.lab, name="Theirs", pem=pem(own), by=other)
    with pytest.raises(Invalid, match="no key"):
        actions.add_signature(revision=model.main, bundle=bundle, by=lyceum.manager)
    key = actions.add_key(lab=lyceum.lab, name="Ours", pem=pem(own), by=ada)
    SigningKey.objects.filter(pk=key.pk).update(starts_at=timezone.now() - timedelta(days=1))
    actions.retire_key(key=key, by=ada)
    with pytest.raises(Invalid, match="no key"):
        actions.add_signature(revision=model.main, bundle=bundle, by=lyceum.manager)
    SigningKey.objects.filter(pk=key.pk).update(ends_at=None)
    with pytest.raises(NotAllowed):
        actions.add_signature(revision=model.main, bundle=bundle, by=harbour.manager)
    actions.add_signature(revision=model.main, bundle=bundle, by=lyceum.manager)
    with pytest.raises(Conflict):
        actions.add_signature(revision=model.main, bundle=bundle, by=lyceum.manager)


def test_a_forged_or_broken_bundle_is_refused_with_a_sentence(
    lyceum: world.World, ada: User, model: Model, own: Path, tmp_path: Path
) -> None:
    told = json.loads(signed(copy_of(model.main, tmp_path / "clean"), own))
    actions.add_key(lab=lyceum.lab, name="Vault", pem=pem(own), by=ada)
    forger = ec.generate_private_key(ec.SECP384R1())
    forged = json.loads(signature.sign(b"{}", forger))
    forged["verificationMaterial"] = told["verificationMaterial"]
    keyless = json.loads(json.dumps(told))
    keyless["verificationMaterial"] = {"certificate": {"rawBytes": ""}, "tlogEntries": []}
    for broken in (
        b"", b"[]", b"\xff", b"[" * 100_000, json.dumps(forged).encode(), json.dumps(keyless).encode(),
        json.dumps(told | {"mediaType": "other"}).encode(), json.dumps({"mediaType": told["mediaType"]}).encode(),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            actions.add_signature(revision=model.main, bundle=broken, by=lyceum.manager)


def test_an_administrator_registers_and_retires_keys_and_nobody_else_does(
    lyceum: world.World, harbour: world.World, ada: User, own: Path, mara: User
) -> None:
    page = "/keys/lyceum/"
    assert browser(ada).post(page, {"verb": "add", "name": "Vault", "pem": pem(own)}).status_code == 302
    key = SigningKey.objects.get(lab=lyceum.lab)
    assert "Vault" in browser(lyceum.manager).get(page).content.decode()
    add = {"verb": "add", "name": "Mine", "pem": signature.pem_of(ec.generate_private_key(ec.SECP256R1()).public_key())}
    assert browser(lyceum.manager).post(page, add).status_code == 403
    for nobody in (mara, harbour.manager):
        assert browser(nobody).get(page).status_code == 404
        assert browser(nobody).post(page, add).status_code == 404
    assert browser(lyceum.manager).post(page, {"verb": "retire", "key": key.pk}).status_code == 403
    assert browser(ada).post(page, {"verb": "retire", "key": key.pk}).status_code == 302
    key.refresh_from_db()
    assert key.ends_at
    assert browser(ada).post(page, {"verb": "retire", "key": "x"}).status_code == 404
    assert Entry.objects.filter(event__in=["signing_key.added", "signing_key.retired"]).count() == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"pem": "no key"},
        {"pem": "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----"},
        {"name": ""},
        {"ends_at": "2001-01-01"},
        {"ends_at": "yesterday"},
    ],
    ids=["no-pem", "ed25519", "no-name", "over", "no-date"],
)  # fmt: skip
def test_a_wrong_key_is_told_beside_its_field_and_what_was_typed_stays(
    ada: User, own: Path, wrong: dict[str, str]
) -> None:
    answer = browser(ada).post("/keys/lyceum/", {"verb": "add", "name": "Vault", "pem": pem(own)} | wrong)
    assert answer.status_code == 422
    assert f'id="id_{next(iter(wrong))}_error"' in answer.content.decode()
    assert not SigningKey.objects.exists()
