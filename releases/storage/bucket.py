"""What a bucket is told once: who may do what in it, which pages may send to it, and what it forgets by itself.

The documents are files in `infra/s3`, with the names of this installation left open.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from string import Template
from typing import Any, Final

from django.conf import settings

from releases.storage import service

DOCUMENTS: Final = settings.ROOT / "infra" / "s3"
_NO_BUCKET: Final = frozenset({"404", "NoSuchBucket", "NotFound"})
_FIRST_REGION: Final = "us-east-1"
"""The one that AWS does not want named."""


@dataclass(frozen=True, slots=True)
class Identities:
    """The principals of a bucket policy, in the service's words: on AWS the ARN of a user."""

    mover: str
    writer: str
    reader: str


@dataclass(frozen=True, slots=True)
class Step:
    """One document, and the operation of the API that takes it."""

    name: str
    operation: str
    argument: str
    document: dict[str, Any]

    def sent(self) -> Any:  # noqa: ANN401 what the API takes: a policy as text, all else as it is
        """The document as the operation takes it."""
        return json.dumps(self.document) if self.argument == "Policy" else self.document


def steps(*, bucket: str, origin: str, identities: Identities | None, ignore_only: bool = False) -> list[Step]:
    """What to tell the bucket, in order. `origin`: of the pages that upload. Without identities there is no policy.

    `ignore_only`: public ACLs are ignored, not refused, and nothing is said of public policies. Ceph 16 takes every
    policy for a public one, and what another than the owner puts for an open one; it would keep out all three.
    """
    block = _step("public-access-block", "put_public_access_block", "PublicAccessBlockConfiguration")
    if ignore_only:
        block.document.update(dict.fromkeys(block.document, False), IgnorePublicAcls=True)
    found = [
        block,
        _step("lifecycle", "put_bucket_lifecycle_configuration", "LifecycleConfiguration"),
        _step("cors", "put_bucket_cors", "CORSConfiguration", origin=origin),
    ]
    if identities:
        names = {"mover": identities.mover, "writer": identities.writer, "reader": identities.reader}
        found.append(_step("policy", "put_bucket_policy", "Policy", bucket=bucket, **names))
    return found


def prepare(client: Any, bucket: str, region: str, told: list[Step]) -> Iterator[tuple[str, str]]:  # noqa: ANN401 a client of boto3
    """Make it where there is none, and tell it, step by step: (name, what the service has against it, or nothing).

    Safe to repeat.
    """
    fault = _make(client, bucket, region)
    if fault is not None:
        yield "bucket", fault
    if fault:
        return
    for step in told:
        try:
            getattr(client, step.operation)(Bucket=bucket, **{step.argument: step.sent()})
        except service.FAULTS as fault:
            yield step.name, str(fault)
        else:
            yield step.name, ""


def _make(client: Any, bucket: str, region: str) -> str | None:  # noqa: ANN401 a client of boto3
    """Make the bucket: what the service has against it, or nothing; None where it is there already, be it not ours to see."""
    try:
        client.head_bucket(Bucket=bucket)
    except service.FAULTS as fault:
        code = service.code_of(fault)
        if not code:
            return str(fault)
        if code not in _NO_BUCKET:
            return None
    else:
        return None
    place = {} if region == _FIRST_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        client.create_bucket(Bucket=bucket, **place)
    except service.FAULTS as fault:
        return str(fault)
    return ""


def _step(name: str, operation: str, argument: str, **names: str) -> Step:
    text = (DOCUMENTS / f"{name}.json").read_text()
    inside = {key: json.dumps(value)[1:-1] for key, value in names.items()}
    return Step(name, operation, argument, json.loads(Template(text).substitute(inside)))
