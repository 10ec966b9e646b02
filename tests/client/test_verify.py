"""`weighbridge verify`: what is as released passes, and whatever is not is named."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.client import released
from tests.client.released import Released
from weighbridge_client import errors
from weighbridge_client.cli import main


def verify(copy: Released, *more: str) -> int:
    return main(["verify", str(copy.folder), "--key", str(copy.key), *more])


def told(copy: Released, capsys: pytest.CaptureFixture[str], *more: str) -> dict:
    verify(copy, "--json", *more)
    found: dict = json.loads(capsys.readouterr().out)
    return found


def test_a_whole_copy_is_as_released(copy, capsys):
    assert verify(copy) == 0
    assert "4 files, all as released. Signed by the key of" in capsys.readouterr().out


def test_a_flipped_byte_is_traced_to_its_tensor(copy, capsys):
    shard = copy.folder / "model-2.safetensors"
    raw = bytearray(shard.read_bytes())
    raw[-1] ^= 1
    shard.write_bytes(raw)
    assert verify(copy) == errors.BAD
    assert capsys.readouterr().err == "model-2.safetensors is not as released: tensor layer.2.c is bad.\n"


def test_a_shortened_shard_a_damaged_header_and_a_changed_card_are_each_told_apart(copy, capsys):
    shard, other = copy.folder / "model-1.safetensors", copy.folder / "model-2.safetensors"
    shard.write_bytes(shard.read_bytes()[:-5])
    other.write_bytes(b"\xff" * 8 + other.read_bytes()[8:])
    (copy.folder / "README.md").write_text("# Other\n")
    faults = {fault["path"]: fault for fault in told(copy, capsys)["faults"]}
    assert faults["model-1.safetensors"]["tensors"] == ["layer.1.c"]
    assert "header is damaged" in faults["model-2.safetensors"]["sentence"]
    assert "8 bytes, not 16" in faults["README.md"]["sentence"]


@pytest.mark.parametrize(
    "path", ["more.txt", ".git/config", ".gitattributes", "config/.hidden", ".weighbridge/extra", ".cache/x"]
)
def test_an_added_file_is_found_wherever_it_lies(copy, capsys, path):
    (copy.folder / path).parent.mkdir(parents=True, exist_ok=True)
    (copy.folder / path).write_bytes(b"x")
    faults = told(copy, capsys)["faults"]
    assert [(fault["path"], fault["kind"]) for fault in faults] == [(path, "added")]


def test_what_one_says_may_be_there_may_be_there(copy):
    (copy.folder / ".cache").mkdir()
    (copy.folder / ".cache" / "x").touch()
    assert verify(copy) == errors.BAD
    assert verify(copy, "--ignore", ".cache/*") == 0


def test_links_and_things_that_are_no_files_are_refused_even_when_they_lead_to_the_right_bytes(copy, capsys, tmp_path):
    shard = copy.folder / "model-1.safetensors"
    shutil.copy(shard, tmp_path / "same")
    shard.unlink()
    shard.symlink_to(tmp_path / "same")
    (copy.folder / "elsewhere").symlink_to(tmp_path)
    os.mkfifo(copy.folder / "pipe")
    kinds = {fault["path"]: fault["kind"] for fault in told(copy, capsys)["faults"]}
    assert kinds == {"model-1.safetensors": "link", "elsewhere": "link", "pipe": "special"}


def test_a_linked_folder_hides_nothing(copy, capsys, tmp_path):
    (copy.folder / "config").rename(tmp_path / "config-of-others")
    (copy.folder / "config").symlink_to(tmp_path / "config-of-others")
    kinds = {fault["path"]: fault["kind"] for fault in told(copy, capsys)["faults"]}
    assert kinds["config"] == "link"


def test_another_case_is_another_name(copy, capsys):
    (copy.folder / "README.md").rename(copy.folder / "readme.md")
    kinds = {fault["path"]: fault["kind"] for fault in told(copy, capsys)["faults"]}
    assert kinds == {"README.md": "missing", "readme.md": "renamed"}


def test_an_old_release_in_place_of_a_new_one_is_found_by_its_commit(tmp_path, capsys):
    private = ec.generate_private_key(ec.SECP256R1())
    old = released.build(tmp_path / "old", seed=1, private=private)
    new = released.build(tmp_path / "new", seed=2, private=private)
    assert verify(new, "--revision", new.release["commit"]) == 0
    shutil.rmtree(new.folder)
    shutil.copytree(old.folder, new.folder)
    assert verify(new) == 0, "it is a good copy of the old one"
    assert verify(new, "--revision", f"{2:040x}") == errors.BAD
    document = new.folder / ".weighbridge" / "release.json"
    document.write_bytes(released.canonical({**old.release, "commit": f"{2:040x}"}))
    capsys.readouterr()
    assert verify(new, "--revision", f"{2:040x}") == errors.BAD
    assert "not the one that was signed" in capsys.readouterr().err


def test_files_of_another_release_with_its_own_documents_do_not_pass_under_this_signature(tmp_path):
    private = ec.generate_private_key(ec.SECP256R1())
    one, two = (released.build(tmp_path / str(n), seed=n, private=private) for n in (1, 2))
    shutil.copy(two.folder / ".weighbridge" / "model.sig", one.folder / ".weighbridge" / "model.sig")
    assert verify(one) == errors.BAD


def test_a_key_that_is_not_the_signers_proves_nothing(copy, tmp_path, capsys):
    other = released.public(tmp_path / "other.pem", ec.generate_private_key(ec.SECP256R1()))
    assert main(["verify", str(copy.folder), "--key", str(other)]) == errors.BAD
    assert "not by one that you trust" in capsys.readouterr().err


def test_without_a_key_or_documents_nothing_is_proven_and_that_is_said(copy, capsys):
    assert main(["verify", str(copy.folder)]) == errors.UNPROVEN
    assert "No key of https://models.lyceum.example" in capsys.readouterr().err
    assert main(["verify", str(copy.folder), "--unsigned"]) == 0
    assert "not looked at" in capsys.readouterr().out
    (copy.folder / ".weighbridge" / "release.json").unlink()
    capsys.readouterr()
    assert verify(copy) == errors.UNPROVEN
    assert capsys.readouterr().err.endswith(f" weighbridge get LAB/MODEL --to {copy.folder}\n"), "to be pasted as it is"


def test_a_part_of_a_release_is_verified_when_one_says_which(copy):
    (copy.folder / "model-2.safetensors").unlink()
    assert verify(copy) == errors.BAD
    assert verify(copy, "--include", "model-1*", "--include", "*.md", "--include", "config/*") == 0


def test_a_signature_that_model_signing_made_is_accepted_and_says_that_it_does_not_bind_the_commit(copy, capsys):
    import model_signing
    from cryptography.hazmat.primitives import serialization

    private = ec.generate_private_key(ec.SECP384R1())
    kept = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret = copy.key.with_name("secret.pem")
    secret.write_bytes(private.private_bytes(serialization.Encoding.PEM, *kept))
    own = copy.folder / ".weighbridge"
    model_signing.signing.Config().use_elliptic_key_signer(private_key=secret).set_hashing_config(
        model_signing.hashing.Config().set_ignored_paths(paths=[own])
    ).sign(copy.folder, own / "model.sig")
    released.public(copy.key, private)
    assert told(copy, capsys)["signature"]["binds_release"] is False


# --- Whatever happens to a copy ------------------------------------------------------------------------------------


def flip(copy: Released, chance: random.Random) -> None:
    path = copy.folder / chance.choice([*copy.paths, ".weighbridge/release.json", ".weighbridge/tensors.json"])
    raw = bytearray(path.read_bytes())
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    path.write_bytes(raw)


def swap(copy: Released, chance: random.Random) -> None:
    one, two = (copy.folder / path for path in chance.sample(copy.paths, 2))
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)


def drop(copy: Released, chance: random.Random) -> None:
    (copy.folder / chance.choice([*copy.paths, ".weighbridge/tensors.json", ".weighbridge/model.sig"])).unlink()


def add(copy: Released, chance: random.Random) -> None:
    folder = copy.folder / chance.choice(["", ".git", "config", ".weighbridge", "a/b/c", ".github/workflows"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{chance.choice(['.', ''])}added{chance.randrange(10)}.py").write_bytes(
        chance.randbytes(chance.randrange(9))
    )


def link(copy: Released, chance: random.Random) -> None:
    path = copy.folder / chance.choice(copy.paths)
    path.rename(copy.key.with_name("moved"))
    path.symlink_to(copy.key.with_name("moved"))


def recase(copy: Released, chance: random.Random) -> None:
    path = copy.folder / chance.choice(copy.paths)
    path.rename(path.with_name(path.name.swapcase()))


def replay(copy: Released, chance: random.Random) -> None:
    """Everything of another release by the same lab, as it was published: found by the commit that was asked for."""
    shutil.rmtree(copy.folder)
    shutil.copytree(copy.folder.parent.parent / "other" / "small", copy.folder)


HARMS: list[Callable[[Released, random.Random], None]] = [flip, flip, flip, swap, drop, add, link, recase, replay]


def harmed(base: Path, count: int) -> list[str]:
    """Harm a copy in so many seeded ways; those that verify took for good."""
    private = ec.generate_private_key(ec.SECP256R1())
    made = released.build(base / "pristine", seed=1, private=private)
    released.build(base / "other", seed=2, private=private)
    missed = []
    for seed in range(count):
        at = base / "work"
        shutil.copytree(base / "pristine", at)
        copy = Released(at / "small", at / "key.pem", made.release)
        chance = random.Random(seed)
        harm = chance.choice(HARMS)
        harm(copy, chance)
        if verify(copy, "--revision", made.release["commit"]) not in (errors.BAD, errors.UNPROVEN):
            missed.append(f"{harm.__name__} with seed {seed}")
        shutil.rmtree(at)
    return missed


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.drill)])
def test_no_harm_goes_unseen(tmp_path, capsys, count):
    assert harmed(tmp_path, count) == []


@pytest.mark.parametrize(("name", "status"), [("notes.safetensors", 0), ("model-3.safetensors", errors.BAD)])
def test_a_released_file_that_is_called_safetensors_and_is_none_is_as_released(copy, capsys, name, status):
    """Where tensors are told of it, they are told wrongly: it has none that can be read."""
    own = copy.folder / ".weighbridge"
    (copy.folder / "README.md").rename(copy.folder / name)
    for listed in copy.release["files"]:
        listed["path"] = name if listed["path"] == "README.md" else listed["path"]
    if status:
        tensors = json.loads((own / "tensors.json").read_bytes())
        tensors["tensors"][0]["file"] = name
        (own / "tensors.json").write_bytes(released.canonical(tensors))
    (own / "release.json").write_bytes(released.canonical(copy.release))
    assert main(["verify", str(copy.folder), "--unsigned"]) == status
    assert ("tells the tensors of model-3.safetensors otherwise" in capsys.readouterr().err) == bool(status)
