"""A receipt as PDF: the same statements as the page, set for A4, with the digests that verify it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings

from portal.agreements.models import Signature

if TYPE_CHECKING:
    from fpdf import FPDF

_LABELS = (
    ("signed_by", "Signed by"),
    ("capacity", "In the capacity of"),
    ("signed_at", "At"),
    ("agreement", "Agreement"),
    ("version", "Version"),
    ("gate", "For"),
    ("application", "Approved as"),
    ("grant", "Grant"),
    ("capabilities", "Opens"),
    ("from", "From"),
    ("until", "Until"),
)


def pdf(signature: Signature) -> bytes:
    """One A4 page; the same signature always gives the same bytes."""
    from fpdf import FPDF  # noqa: PLC0415 brings NumPy and font tools, which no process needs that writes no receipt

    sheet = FPDF(format="A4")
    sheet.set_creation_date(signature.signed_at)
    sheet.set_lang("en-GB")
    sheet.set_title(f"Receipt of signature {signature.reference}")
    sheet.set_margin(25)
    sheet.add_page()
    document = signature.document
    _line(sheet, f"{document.get('lab', '')}    {signature.reference}", size=9)
    sheet.ln(6)
    _line(sheet, "Receipt of signature", size=20)
    sheet.ln(4)
    for name, label in _LABELS:
        if document.get(name):
            _pair(sheet, label, _words(name, document[name]))
    _pair(sheet, "Agreement text", f"sha256 {signature.text_sha256}")
    _pair(sheet, "This document", f"sha256 {signature.document_sha256}")
    if signature.seal:
        _pair(sheet, "Ed25519 key", signature.key_id)
        _pair(sheet, "Seal", signature.seal)
    sheet.ln(6)
    _line(sheet, f"Verify at {settings.BASE_URL}{signature.get_absolute_url()}", size=9)
    return bytes(sheet.output())


def _words(name: str, value: object) -> str:
    if name in {"signed_at", "from", "until"}:
        return f"{datetime.fromisoformat(str(value)):%d %b %Y, %H:%M:%S} UTC"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _line(sheet: FPDF, text: str, *, size: int) -> None:
    sheet.set_font("Times", size=size)
    sheet.multi_cell(0, size * 0.5, _plain(text), new_x="LMARGIN", new_y="NEXT")


def _pair(sheet: FPDF, label: str, text: str) -> None:
    sheet.set_font("Helvetica", size=9)
    sheet.cell(42, 6, label)
    sheet.multi_cell(0, 6, _plain(text), new_x="LMARGIN", new_y="NEXT")


def _plain(text: str) -> str:
    """Only what the built-in fonts can set; the signed JSON keeps every letter."""
    return text.encode("latin-1", "replace").decode("latin-1")
