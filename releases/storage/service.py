"""Any S3 API: how it is reached, and what its refusals mean.

Checksums of the API's own are sent only where a server demands them ("when_required"): servers other than AWS's
refuse or ignore the newer ones. The SHA-256 is ours, computed over what we sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from releases.storage.staging import Away, Mismatch

FAULTS: Final = (BotoCoreError, ClientError)
"""What the client raises when the service refuses, or is not there."""
MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchUpload"})
"""There is nothing of this name; of a multipart upload also: it was completed, or given up."""
_CHANGED: Final = frozenset({"412", "PreconditionFailed"})
_ANEW: Final = "it was sent anew while it was read"
_CONNECTIONS: Final = 32
"""A client keeps no more open. One that reads ahead uses six (ranged.py), a copy in parts ten."""


def connect(access_key: str, secret_key: str, *, endpoint: str, region: str, addressing: str) -> Any:  # noqa: ANN401 boto3 makes its clients at run time
    """A client for one identity."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": addressing},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"max_attempts": 4, "mode": "standard"},
            max_pool_connections=_CONNECTIONS,
            connect_timeout=5,
            read_timeout=60,
        ),
    )


@contextmanager
def asked(key: str) -> Iterator[None]:
    """Around a call about `key`. Raises FileNotFoundError where there is nothing, Mismatch where it has changed, else Away."""
    try:
        yield
    except FAULTS as fault:
        if code_of(fault) in MISSING:
            raise FileNotFoundError(key) from fault
        if code_of(fault) in _CHANGED:
            raise Mismatch(_ANEW) from fault
        raise Away(fault) from fault


def code_of(fault: Exception) -> str:
    """The service's word for its refusal; empty where it did not answer."""
    return str(fault.response["Error"]["Code"]) if isinstance(fault, ClientError) else ""
