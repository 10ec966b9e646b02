"""What a conversion did, as a document that anybody can check without us (portal/signing.py)."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext as _

from portal import signing
from portal.agreements.proving import Proved, finder
from releases.conversion.child.digest import ALGORITHM
from releases.conversion_models import Conversion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from releases.actions import NewFile

SCHEMA: Final = "weighbridge.conversion/1"
ROWS_MAX: Final = 1000
TOOL: Final = {"name": "weighbridge convert", "version": "1"}


def document(
    conversion: Conversion,
    *,
    inputs: Sequence[NewFile],
    outputs: Sequence[NewFile],
    report: dict[str, Any],
    commit: str,
    seconds: float,
    at: str,
) -> dict[str, Any]:
    """The receipt. Digests of files are the portal's own; what is said of tensors is the program's, read back."""
    return {
        "schema": SCHEMA,
        "tool": TOOL,
        "versions": report["versions"],
        "model": conversion.model.full_name,
        "source": conversion.source.commit,
        "result": commit,
        "operation": conversion.operation,
        "options": conversion.options,
        "inputs": [_file(file) for file in inputs],
        "outputs": [_file(file) for file in outputs],
        "tensors": {"algorithm": ALGORITHM, **report["tensors"]},
        "seconds": round(seconds, 3),
        "at": at,
    }


def shaped(report: dict[str, Any]) -> dict[str, Any] | None:
    """Of the program's report what a receipt says, each in its form; None for anything else, which is not sealed."""
    try:
        tensors = report["tensors"]
        return {
            "versions": {name: _word(report["versions"][name]) for name in ("python", "torch", "safetensors")},
            "tensors": {
                "count": int(tensors["count"]),
                "elements": int(tensors["elements"]),
                "before": None if tensors["before"] is None else _hex(tensors["before"]),
                "after": _hex(tensors["after"]),
                **(
                    {"pieces": {name: int(tensors["pieces"][name]) for name in ("count", "equal")}}
                    if "pieces" in tensors
                    else {}
                ),
                **({"cast": _cast(tensors["cast"])} if "cast" in tensors else {}),
            },
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _cast(told: dict[str, Any]) -> dict[str, Any]:
    rows = [{"name": _word(row["name"]), **_difference(row)} for row in list(told["rows"])[:ROWS_MAX]]
    return {"tensors": int(told["tensors"]), **_difference(told), "rows": rows}


def _difference(told: dict[str, Any]) -> dict[str, Any]:
    most = float(told["max_abs_diff"])
    if not isfinite(most):
        raise ValueError("no number")
    pairs = {name: [int(told[name][0]), int(told[name][1])] for name in ("inf", "nan")}
    return {"max_abs_diff": most, **pairs}


def _word(text: str) -> str:
    if not isinstance(text, str) or not text.isprintable() or len(text) > 512:
        raise ValueError("no word")
    return text


def _hex(text: str) -> str:
    return bytes.fromhex(text).hex()


def envelope(conversion: Conversion) -> dict[str, Any]:
    """The receipt as a file: the document, its digest and its seal."""
    return {
        "format": "weighbridge-receipt-1",
        "document": conversion.receipt,
        "sha256": conversion.receipt_sha256,
        "ed25519": {"public_key": conversion.key_id, "signature": conversion.seal},
    }


def checks(conversion: Conversion) -> dict[str, bool]:
    """What holds of a stored receipt: its digest, and its seal (false where it has none)."""
    told = conversion.receipt or {}
    return {
        "document": signing.digest(told) == conversion.receipt_sha256,
        "seal": signing.sealed(told, key_id=conversion.key_id, signature=conversion.seal),
    }


@finder
def proved(sha256: str) -> Proved | None:
    """For the public page: what it shows of the receipt with this digest, which is as public as the result."""
    conversion = Conversion.objects.select_related("result").filter(receipt_sha256=sha256).first()
    if conversion is None or conversion.result is None or conversion.receipt is None or not conversion.result.is_public:
        return None
    told = conversion.receipt
    return Proved(
        title=_("Receipt of a conversion"),
        facts=[
            (_("Model"), told["model"]),
            (_("From"), told["source"]),
            (_("To"), told["result"]),
            (_("Operation"), told["operation"]),
            (_("At"), told["at"]),
        ],
        document=told,
        sha256=conversion.receipt_sha256,
        key_id=conversion.key_id,
        seal=conversion.seal,
    )


def _file(file: NewFile) -> dict[str, Any]:
    return {"path": file.path, "size": file.size, "sha256": file.sha256}
