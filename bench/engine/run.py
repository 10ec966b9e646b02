"""`python -m bench engine`: a real engine, asked directly and through the gateway in turn, by more and more connections.

The gateway does all that it does for a person: it proves the token, reserves over five scopes, meters and settles. It
has one core, everything else the others. A closed loop: each connection asks for a stream, with a prompt of its own as
token ids, and asks again when it has it, so nothing is answered from the engine's prefix cache.

BENCH_ENGINE is the command that starts the engine, with `{port}` for its port; BENCH_ENGINE_LOADS the numbers of
connections (`1,16,64,256`); BENCH_ENGINE_TOKENS the tokens of a prompt and of an answer (`256,128`). At the end what the
ledger says is held against the engine's own counters.
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import uvloop

from bench.gateway.load import Tally, drive, quantile
from bench.gateway.stand import GATEWAY, Served, Stand, Target, cores, free_port, process, stand, wait

COMMAND = os.environ.get("BENCH_ENGINE", "")
LOADS = [int(load) for load in os.environ.get("BENCH_ENGINE_LOADS", "1,16,64,256").split(",")]
PROMPT, ANSWER = (int(length) for length in os.environ.get("BENCH_ENGINE_TOKENS", "256,128").split(","))
IDS = range(10, 500)
"""Token ids that any vocabulary has."""
PATIENCE_SECONDS = 900
"""A large model is loaded and compiled first."""


@dataclass(frozen=True)
class Taken:
    """One measurement. Times in milliseconds; `token_ms` between two tokens; `busy` the share of a core the proxy used."""

    answers: int
    tokens_s: float
    first_p50: float
    first_p99: float
    token_ms: float
    busy: float


def main(*, rounds: int, seconds: float) -> None:
    """Measure and print. Ends with a sentence where no engine is named, or where ledger and engine disagree."""
    if "{port}" not in COMMAND:
        raise SystemExit("Name the command that starts the engine in BENCH_ENGINE, with {port} where its port stands.")
    with engine() as served, stand(beside=False, served=served) as running:
        sides = [running.target("direct"), running.target(GATEWAY)]
        print(
            f"{served.model}, prompts of {PROMPT} and answers of {ANSWER} tokens; medians of {rounds} interleaved rounds "
            f"of {seconds:g} s; {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}.\n"
        )
        uvloop.run(take(sides[0], max(LOADS), 1.0))  # what it compiles for its first requests
        before = counted(served)
        table(uvloop.run(measured(sides, rounds, seconds)), before, served, running)


@contextmanager
def engine() -> Iterator[Served]:
    """The engine once it answers, on the cores that proxies do not have."""
    port = free_port()
    with tempfile.NamedTemporaryFile("w+", suffix=".log") as log:
        command = shlex.split(COMMAND.replace("{port}", str(port)))
        with process(command, {}, port, cores=cores()[1], stdout=log, stderr=log) as server:
            try:
                wait(f"http://127.0.0.1:{port}/health", server, PATIENCE_SECONDS)
            except OSError as reason:
                raise SystemExit(f"The engine did not start:\n{Path(log.name).read_text()[-6000:]}") from reason
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=10) as answer:
                [card] = json.load(answer)["data"]
            yield Served(server, card["id"], card["max_model_len"])


async def measured(sides: list[Target], rounds: int, seconds: float) -> dict[tuple[int, str], list[Taken]]:
    """By connections and target; each round begins with the other side."""
    taken = defaultdict(list)
    for load in LOADS:
        for number in range(rounds):
            for target in sides[:: 1 if number % 2 else -1]:
                taken[load, target.name].append(await take(target, load, seconds))
    return taken


async def take(target: Target, connections: int, seconds: float) -> Taken:
    """A closed loop for that long, and until the last answer is whole."""
    used = target.server.cpu_seconds()
    tally = await drive(target.server.port, requests(target), connections=connections, seconds=seconds)
    if tally.errors:
        raise SystemExit(f"{target.name}: {tally.errors} errors in {tally.answers} answers.")
    return _taken(tally, target.server.cpu_seconds() - used)


def _taken(tally: Tally, used: float) -> Taken:
    first, whole = quantile(tally.firsts, 0.5), tally.quantile(0.5)
    return Taken(
        tally.answers, tally.answers * ANSWER / tally.seconds, first, quantile(tally.firsts, 0.99),
        (whole - first) / (ANSWER - 1), used / tally.seconds,
    )  # fmt: skip


def requests(target: Target) -> Iterator[bytes]:
    """Streams without end, each with a prompt that nobody asked before, and of exactly so many tokens."""
    chance = random.Random()
    while True:
        body = json.dumps({
            "model": target.model, "prompt": chance.choices(IDS, k=PROMPT), "max_tokens": ANSWER, "ignore_eos": True,
            "temperature": 0, "stream": True, "stream_options": {"include_usage": True},
        }).encode()  # fmt: skip
        head = (
            "POST /v1/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {target.token}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


def counted(served: Served) -> tuple[int, int]:
    """Prompt and generated tokens so far, by the engine's own counters."""
    with urllib.request.urlopen(f"http://127.0.0.1:{served.server.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    names = ("prompt", "generation")
    found = [re.findall(rf"^vllm:{name}_tokens_total\{{[^}}]*\}} (\S+)", text, re.M) for name in names]
    prompt, made = (int(sum(map(float, values))) for values in found)
    return prompt, made


def table(taken: dict[tuple[int, str], list[Taken]], before: tuple[int, int], served: Served, running: Stand) -> None:
    """Both sides of each load, and how the ledger agrees with the engine. Ends the bench where it does not."""
    print("| connections | asked | tokens/s | first token p50 ms | p99 ms | between tokens ms | core of the gateway |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for (load, name), several in sorted(taken.items(), key=lambda item: (item[0][0], item[0][1] == GATEWAY)):
        mid = {field: median(getattr(one, field) for one in several) for field in vars(several[0])}
        core = f"{mid['busy']:.0%}" if name == GATEWAY else "–"
        print(
            f"| {load} | {name} | {mid['tokens_s']:,.0f} | {mid['first_p50']:.1f} | {mid['first_p99']:.1f} "
            f"| {mid['token_ms']:.2f} | {core} |"
        )
    direct = sum(one.answers for (_, name), several in taken.items() if name != GATEWAY for one in several)
    booked = [
        (int(row[b"prompt_tokens"]), int(row[b"completion_tokens"])) for _, row in running.ledger.xrange("wb:usage")
    ]
    prompts, made = (sum(column) for column in zip(*booked, strict=True))
    engine_says = tuple(now - then for now, then in zip(counted(served), before, strict=True))
    ours = (direct * PROMPT + prompts, direct * ANSWER + made)
    print(
        f"\nThe ledger has {len(booked):,} requests with {prompts:,} + {made:,} tokens; with the {direct:,} that were asked "
        f"directly {ours[0]:,} + {ours[1]:,}. The engine counted {engine_says[0]:,} + {engine_says[1]:,}."
    )
    if ours != engine_says:
        raise SystemExit("Ledger and engine disagree.")
