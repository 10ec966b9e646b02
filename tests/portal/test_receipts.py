"""Receipts can be checked without us, and a changed one does not pass."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection
from django.test import Client
from django.urls import reverse

from portal.agreements import receipts
from portal.agreements.documents import pdf
from portal.agreements.models import text_digest


@pytest.fixture
def signature(settings, lyceum, mara):
    settings.RECEIPT_SIGNING_KEY = "a secret of the test's own"
    lyceum.granted(mara)
    return mara.signatures.select_related("version__agreement__lab").get()


def test_a_stranger_checks_the_file_with_nothing_but_the_published_key(signature):
    client = Client()
    saved = client.get(reverse("agreements:receipt_json", args=[signature.receipt_id])).content
    key = client.get(reverse("agreements:key")).json()["public_key"]
    receipt = json.loads(saved)
    content = json.dumps(receipt["document"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert hashlib.sha256(content).hexdigest() == receipt["sha256"]
    seal = base64.b64decode(receipt["ed25519"]["signature"])
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(seal, content)


def test_the_page_calls_it_genuine(signature):
    page = Client().get(signature.get_absolute_url()).content.decode()
    assert "This receipt is genuine" in page
    assert signature.user.email not in page


def test_a_printed_receipt_says_where_it_is_verified(signature, settings):
    settings.BASE_URL = "https://models.example"
    page = Client().get(signature.get_absolute_url()).content.decode()
    assert f"<dt>Verify at</dt><dd>https://models.example{signature.get_absolute_url()}</dd>" in page


@pytest.mark.parametrize(
    "change", [{"signed_by": "Somebody Else"}, {"version": 2}, {"until": "2099-01-01T00:00:00+00:00"}]
)
def test_a_receipt_that_was_changed_behind_our_back_does_not_verify(signature, change):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        changed = json.dumps({**signature.document, **change})
        cursor.execute("UPDATE agreements_signature SET document = %s WHERE id = %s", [changed, signature.pk])
    signature.refresh_from_db()
    assert receipts.checks(signature) == {"document": False, "text": True, "seal": False}
    assert "does not verify" in Client().get(signature.get_absolute_url()).content.decode()


def test_a_receipt_of_another_key_is_told_apart(signature, settings):
    settings.RECEIPT_SIGNING_KEY = "another"
    page = Client().get(signature.get_absolute_url()).content.decode()
    assert "under a key that is not ours" in page


def test_the_digest_of_a_text_does_not_depend_on_line_ends_or_composition():
    assert text_digest("Café\r\nline\n") == text_digest("Cafe\u0301\nline\n\n")
    assert text_digest("a") != text_digest("b")


def test_the_pdf_is_the_same_each_time_and_names_the_digest(signature):
    assert pdf(signature) == pdf(signature)
    assert pdf(signature).startswith(b"%PDF")


def test_an_unknown_receipt_is_not_there(db):
    assert Client().get("/receipts/00000000-0000-4000-8000-000000000000/").status_code == 404


def test_a_process_that_writes_no_receipt_carries_no_tools_for_it():
    """They bring NumPy and the font tools: 30 MB in each process of a stack, and a tenth of its start."""
    start = "import django; django.setup(); from django.urls import reverse; reverse('inference:usage')"
    told = f"{start}; import sys; print({{'fpdf', 'numpy', 'fontTools'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=False)
    assert done.stdout == "set()\n", done.stderr
