"""`python -m bench store`: a large file out of each store and into it, beside the least that moves the same bytes.

Two portals over one database, one with the local store and one with a real S3 server (Swift, as the tests start it).
Reading: curl to nowhere, from `resolve` by its redirect, beside nginx (sendfile) and beside a presigned link. Writing:
`hf upload` of a file that the portal has never seen, beside boto3's own multipart upload to the same S3 server; the
client takes the file's SHA-256 first, the portal reads back what came and takes it again, boto3 does neither. All of
it is on this machine, so every server, client and hash shares its processors. Reading back: the portal's own reading of
an object, and one request for all of it, straight to the S3 server and over lines that give each connection as much
as S3's do. BENCH_STORE names the tables (`local,s3,write,back`).
"""

from __future__ import annotations

import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from bench.access.stand import stand
from bench.store import places, writing
from bench.store.line import line
from bench.store.places import Place
from bench.store.writing import MODEL, NAME, large_file, publish

TABLES = tuple(os.environ.get("BENCH_STORE", "local,s3,write,back").split(","))
STREAMS = (1, 4)
LINE = 85_000_000
"""Bytes a second of one connection: docs.aws.amazon.com, "Performance guidelines for Amazon S3"."""
Measure = Callable[[], tuple[float, float]]
"""Seconds on the wall, and of the servers' processors."""


@dataclass(frozen=True)
class Case:
    """One line of a table: what is done, how it is measured, and the line that it is held against."""

    name: str
    measure: Measure
    beside: str = ""


def main(*, rounds: int, gib: float) -> None:
    """Measure and print."""
    size = int(gib * (1 << 30)) // 4096 * 4096
    with stand() as home, ExitStack() as running:
        os.environ["STORE_PATH"] = str(home / "blobs")
        file = large_file(home / "large", size)
        size = file.stat().st_size
        if "local" in TABLES:
            sha256 = publish(file)
            print(f"\nReading {gib:g} GiB from the local store.\n")
            table(list(local(home, running, sha256, size)), rounds, size)
        if {"s3", "write", "back"} & set(TABLES):
            server = running.enter_context(import_module("tests.releases.swift").running())
            bucket = writing.Bucket(server)
            if "s3" in TABLES:
                publish(file)
                bucket.put(file)
                print(f"\nReading {gib:g} GiB from S3.\n")
                table(list(from_s3(running, bucket, size)), rounds, size)
            if "write" in TABLES:
                print(f"\nWriting {gib:g} GiB.\n")
                table(list(into(home, running, bucket, file)), rounds, size)
            if "back" in TABLES:
                bucket.put(file)
                print(f"\nReading {gib:g} GiB back, with its SHA-256.\n")
                table(list(back(running, bucket)), rounds, size)


def local(home: Path, running: ExitStack, sha256: str, size: int) -> Iterator[Case]:
    """The local store's door beside nginx."""
    ours = running.enter_context(places.portal())
    theirs = running.enter_context(places.nginx(home / "blobs", home / "nginx"))
    if theirs is None:
        print("nginx is not here: put it on PATH or name it in NGINX. Only our own lines follow.\n")
    lies_at = f"/blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}"
    for number in STREAMS:
        beside = f"nginx, {streams(number)}" if theirs else ""
        yield Case(f"`resolve` and the blob door, {streams(number)}", read(ours, resolve(ours), size, number), beside)
        if theirs:
            yield Case(beside, read(theirs, lambda url=theirs.url: url + lies_at, size, number))


def from_s3(running: ExitStack, bucket: writing.Bucket, size: int) -> Iterator[Case]:
    """S3 by `resolve` beside a link that is there already."""
    server = bucket.place
    portal = running.enter_context(places.portal(**bucket.settings))
    both = Place(portal.url, portal.processes + server.processes)
    for number in STREAMS:
        beside = f"presigned link, {streams(number)}"
        yield Case(f"`resolve` and its redirect, {streams(number)}", read(both, resolve(both), size, number), beside)
        yield Case(beside, read(server, bucket.link, size, number))


def into(home: Path, running: ExitStack, bucket: writing.Bucket, file: Path) -> Iterator[Case]:
    """`hf upload` to both portals beside boto3."""
    sender = writing.Sender(home, file)
    over_s3 = running.enter_context(places.portal(**bucket.settings))
    over_folder = running.enter_context(places.portal())
    beside = "boto3, multipart, straight to S3"
    place = Place(over_s3.url, over_s3.processes + bucket.place.processes)
    yield Case("`hf upload`, a portal over S3", written(place, lambda: sender.hub(place.url, bucket.forget)), beside)
    yield Case("`hf upload`, a portal over the local store",
               written(over_folder, lambda: sender.hub(over_folder.url, sender.forget)), beside)  # fmt: skip
    yield Case(beside, written(bucket.place, lambda: sender.direct(bucket)))
    yield Case("of that, the client’s SHA-256 of the file", written(Place("", ()), sender.hashed), "")


def back(running: ExitStack, bucket: writing.Bucket) -> Iterator[Case]:
    """What the portal does with each object that it checks, beside one request for the whole."""
    for name, rate in (("no limit", 0), (f"{LINE // 10**6} MB/s a connection", LINE)):
        far = bucket.at(running.enter_context(line(bucket.place.url, rate))) if rate else bucket
        beside = f"one request, {name}"
        yield Case(f"the portal, {name}", written(bucket.place, far.read_ahead), beside)
        yield Case(beside, written(bucket.place, far.read_whole))


def resolve(portal: Place) -> Callable[[], str]:
    """The address of the file at the portal, which has answered there before."""
    address = f"{portal.url}/{MODEL}/resolve/main/{NAME}"
    urllib.request.urlopen(urllib.request.Request(address, headers={"Range": "bytes=0-0"}), timeout=30).close()
    return lambda: address


def read(place: Place, address: Callable[[], str], size: int, number: int) -> Measure:
    """curl of so many ranges at once."""

    def measure() -> tuple[float, float]:
        before, begun = place.cpu_s(), time.perf_counter()
        line = ["curl", "-sSfL", "-o", "/dev/null", "-w", "%{size_download}"]
        commands = [[*line, *(["-r", span] if span else []), address()] for span in places.spans(size, number)]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
        got = sum(int(each.communicate()[0]) for each in running)
        taken = time.perf_counter() - begun
        if got != size:
            raise RuntimeError(f"{got} bytes came of {size}.")
        return taken, place.cpu_s() - before

    return measure


def written(place: Place, send: Callable[[], float]) -> Measure:
    """`send` gives its own seconds, since it makes a new file first."""

    def measure() -> tuple[float, float]:
        before = place.cpu_s()
        return send(), place.cpu_s() - before

    return measure


def table(cases: list[Case], rounds: int, size: int) -> None:
    """Run the cases in turn, there and back, and print the medians; first let the disk finish what made them ready."""
    os.sync()
    taken: dict[str, list[tuple[float, float]]] = {case.name: [] for case in cases}
    for number in range(rounds):
        for case in cases if number % 2 == 0 else reversed(cases):
            taken[case.name].append(case.measure())
    walls, cpus = ({name: middle(pair[n] for pair in pairs) for name, pairs in taken.items()} for n in (0, 1))
    print(f"Medians of {rounds} interleaved rounds; load average {os.getloadavg()[0]:.1f}.\n")
    print("| | seconds | MiB/s | servers’ CPU seconds | beside |\n|---|---:|---:|---:|---|")
    for case in cases:
        wall = walls[case.name]
        held = (
            f"{walls[case.beside] / wall:.2f} × the rate, {wall / walls[case.beside]:.2f} × the time"
            if case.beside
            else ""
        )
        print(
            f"| {case.name} | {wall:.2f} | {size / wall / (1 << 20):.0f} | {cpus[case.name]:.2f} | {held} |", flush=True
        )


def middle(values: Iterable[Any]) -> float:
    """The median."""
    return float(median(values))


def streams(number: int) -> str:
    """In words."""
    return "1 stream" if number == 1 else f"{number} ranges"
