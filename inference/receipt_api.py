"""Receipts of queries, for the programs that sent them."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers
from rest_framework.request import Request

from inference import receipts
from portal.api.operations import Operation, Scoped
from portal.tokens.scopes import Scope

TAG: Final = "receipts"


class SealShape(serializers.Serializer[Any]):
    """The seal under a document; both empty where the portal has no signing key."""

    public_key = serializers.CharField(allow_blank=True, help_text="Hex.")
    signature = serializers.CharField(allow_blank=True, help_text="Ed25519 over the canonical document, base64.")


class QueryReceiptShape(serializers.Serializer[Any]):
    """A receipt that can be checked without the portal."""

    format = serializers.CharField()
    document = serializers.DictField(help_text="What the ledger says of the request; docs/proofs.md names each member.")
    sha256 = serializers.CharField(help_text="Of the canonical document.")
    ed25519 = SealShape()


class Receipt(Scoped):
    """`/api/v1/receipts/<request>`."""

    @Operation(
        name="getReceipt", tag=TAG, scopes=(Scope.QUERY.value,), gives=QueryReceiptShape, problems=(404,)
    )  # fmt: skip
    def get(self, request: Request, request_id: str) -> dict[str, Any]:
        """Read the signed receipt of one of one's own queries, by the id that its answer carried as `x-request-id`.

        The ledger has a request about a second after its end.
        """
        return receipts.envelope(receipts.draw(by=self.person(request), request_id=request_id))
