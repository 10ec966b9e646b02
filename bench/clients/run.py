"""`python -m bench clients`: each tool against the portal, and where scores or times are compared, against vLLM itself.

The portal is the demo with its engine, in a home of its own that goes afterwards; its project gets an allowance that no
tool meets. After each tool the ledger's new rows are printed: what the portal says that the tool has used.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from bench.clients.tools import GIVEN, SECRET, TOOLS, Tool
from tests.stack import Stack, free_port, temporary_home

PLENTY = """
from inference import actions
from inference.contract import Limits
from portal.projects.models import Project
plenty = Limits(requests_per_minute=600_000, tokens_per_minute=60_000_000, concurrency=64)
for project in Project.objects.all():
    actions.set_allowance(by=None, project=project, limits=plenty)
"""
COMPARED = {"lm-evaluation-harness", "vllm bench serve"}


@dataclass(frozen=True)
class Site:
    """The running portal, the engine behind it, and a folder for what tools leave."""

    stack: Stack
    folder: Path

    @property
    def model(self) -> str:
        return str(self.stack.demo["engine"]["model"])

    @property
    def engine(self) -> str:
        """The engine's own address, which nobody outside has."""
        return str(self.sql("SELECT url FROM inference_backend")[0][0])

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        connection = psycopg2.connect(f"postgresql://weighbridge@/weighbridge?host={self.stack.run / 'postgres'}")
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()

    def used(self) -> dict[str, tuple[int, int, int]]:
        """Requests, prompt and completion tokens in the ledger by status, once it stands still."""
        before = None
        while (now := self._used()) != before:
            before = now
            time.sleep(2)
        return now

    def _used(self) -> dict[str, tuple[int, int, int]]:
        sums = "count(*), sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint"
        rows = self.sql(f"SELECT status, {sums} FROM inference_usagerecord GROUP BY 1")
        return {str(status): (int(n), int(prompt), int(made)) for status, n, prompt, made in rows}

    def environment(self, out: Path) -> dict[str, str]:
        """What a person's shell would hold: the token, and the portal as the place of tokenizers."""
        tokens = self.stack.demo["tokens"]
        return {
            "PATH": os.environ["PATH"], "HOME": str(out), "OPENAI_API_KEY": tokens["query"],
            "WEIGHBRIDGE_API_KEY": tokens["query"], "LANG": "C.UTF-8",
            "HF_ENDPOINT": self.stack.base_url, "HF_TOKEN": tokens["download"], "HF_HOME": str(self.folder / "hf"),
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "VLLM_NO_USAGE_STATS": "1", "COLUMNS": "160",
        }  # fmt: skip


def main(*, rounds: int, seconds: float) -> None:
    """Run every tool once (neither rounds nor seconds apply) and print a page of Markdown."""
    with site() as here:
        for tool in TOOLS:
            present(here, tool)


@contextmanager
def site() -> Iterator[Site]:
    """The demo with vLLM."""
    stack = Stack(temporary_home(), free_port(), "vllm")
    try:
        stack.start(within_s=600)
        stack.manage("shell", "-c", PLENTY)
        yield Site(stack, stack.home.parent)
    finally:
        if stack.process is not None:
            stack.stop()
        shutil.rmtree(stack.home.parent, ignore_errors=True)


def present(here: Site, tool: Tool) -> None:
    """The command, what it said, what the ledger says, and how both ways compare."""
    before = here.used()
    output, out = run(here, tool, here.stack.base_url)
    shown = " ".join(tool.words(base="https://models.example", model=here.model, out="results"))
    print(f"\n## {tool.name}\n\n```console\n$ python {shown}\n{tool.keep(output)}\n```\n")
    print(f"The ledger: {since(before, here.used())}.")
    if tool.name in COMPARED:
        output, direct = run(here, tool, here.engine)
        print(f"\nThe same against vLLM itself:\n\n```\n{tool.keep(output)}\n```")
        if tool.lock == "lmeval":
            print(f"\n{compared(out, direct)}")


def run(here: Site, tool: Tool, base: str) -> tuple[str, Path]:
    """What the tool printed, and where its results lie. Ends the bench when the tool failed."""
    work = here.folder / f"{tool.lock or 'vllm'}-{base.rpartition(':')[2]}"
    shutil.copytree(GIVEN, work)
    environment = here.environment(work)
    words = tool.words(base=base, model=here.model, out=str(work / "results"))
    command = [str(tool.python()), *(word.replace(SECRET, environment["OPENAI_API_KEY"]) for word in words)]
    done = subprocess.run(command, check=False, cwd=work, env=environment, capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise SystemExit(f"{tool.name} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout, work / "results"


def since(before: dict[str, tuple[int, int, int]], after: dict[str, tuple[int, int, int]]) -> str:
    """What was added, in words."""
    parts = []
    for status, sums in sorted(after.items()):
        n, prompt, made = (now - then for now, then in zip(sums, before.get(status, (0, 0, 0)), strict=True))
        if n:
            parts.append(f"{n} requests `{status}`, {prompt:,} + {made:,} tokens")
    return "; ".join(parts) or "nothing"


def compared(ours: Path, direct: Path) -> str:
    """How many answers of lm-evaluation-harness, log-probabilities among them, are the same to the last digit."""
    told = []
    for task in ("words", "writing"):
        one, other = samples(ours, task), samples(direct, task)
        same = sum(one[number] == other[number] for number in one)
        told.append(f"{same} of {len(one)} `{task}`")
    return f"The same to the last digit, log-probabilities included: {', '.join(told)}."


def samples(folder: Path, task: str) -> dict[int, object]:
    """By document: the log-probability of each choice and whether it is the likeliest, or the text."""
    (file,) = folder.rglob(f"samples_{task}_20*.jsonl")
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return {row["doc_id"]: row["resps"] for row in rows}
