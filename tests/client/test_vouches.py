"""Keys that vouch for others: what is signed by a trusted one is trusted, and nothing that a stranger makes up."""

from __future__ import annotations

import base64
import random

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.client.released import pem, sha
from weighbridge_client import signature

KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(4)]
PEMS = [pem(key).decode() for key in KEYS]


def vouch(by: int, other: int, *, named: int | None = None, head: str = "weighbridge key vouch 1\n") -> dict[str, str]:
    signed = KEYS[by].sign((head + PEMS[other]).encode(), ec.ECDSA(hashes.SHA256()))
    whose = PEMS[by if named is None else named]
    return {"by": sha(whose.encode()), "pem": PEMS[other], "signature": base64.b64encode(signed).decode()}


def trusted(rows: object, *known: int) -> list[str]:
    found = signature.vouched(rows, [signature.key(PEMS[n], "a test") for n in known])
    return [key.pem for key in found]


def test_a_key_is_reached_over_others_in_any_order():
    rows = [vouch(1, 2), vouch(0, 1), vouch(1, 0)]
    assert trusted({"vouches": rows}, 0) == [PEMS[1], PEMS[2]]
    assert trusted({"vouches": rows}, 3) == []


@pytest.mark.parametrize("row", [
    vouch(1, 2, named=0), vouch(0, 1, head=""), vouch(0, 1) | {"pem": PEMS[2]}, vouch(0, 1) | {"signature": "x"},
    vouch(0, 1) | {"pem": "-----BEGIN PUBLIC KEY-----"}, vouch(0, 1) | {"by": ["x"]}, {}, None, 3, [],
])  # fmt: skip
def test_what_is_no_vouch_of_the_trusted_key_makes_nothing_trusted(row):
    assert trusted({"vouches": [row]}, 0) == []
    assert trusted({"vouches": [row, vouch(0, 3)]}, 0) == [PEMS[3]], "and hides none that is"


@pytest.mark.parametrize("told", [None, [], "x", {"vouches": 1}, {"vouches": {"by": "x"}}])
def test_an_answer_of_another_shape_makes_nothing_trusted(told):
    assert trusted(told, 0) == []


def test_no_bit_of_a_signature_may_change():
    good, chance = vouch(0, 1), random.Random(5)
    raw = bytearray(base64.b64decode(good["signature"]))
    for _ in range(40):
        changed = bytearray(raw)
        changed[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        assert trusted({"vouches": [good | {"signature": base64.b64encode(changed).decode()}]}, 0) == []


def test_a_file_may_hold_several_keys():
    assert [key.pem for key in signature.keys(PEMS[0] + "\n" + PEMS[1], "a test")] == PEMS[:2]
