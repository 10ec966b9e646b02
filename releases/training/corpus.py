"""The corpus: the Python standard library's own sources, found on this machine, hashed and split by module."""

import ast
import hashlib
import platform
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HELD_OUT_PERCENT = 2
SEEN_LINES_LIMIT = 0.8

# Tests are left out by rule; encodings/ is mostly generated tables; _sysconfigdata holds this machine's paths.
SKIPPED_FOLDERS = {"test", "tests", "idle_test", "site-packages", "dist-packages", "encodings", "__pycache__"}
SKIPPED_PREFIXES = ("_sysconfigdata", "config-")


@dataclass(frozen=True)
class Source:
    """One file: path relative to the library, its text and the SHA-256 of its bytes."""

    path: str
    text: str
    sha256: str

    @property
    def module(self) -> str:
        """Dotted name as `import` wants it."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@dataclass(frozen=True)
class Corpus:
    """Two lists of sources that share no module, and the files refused as duplicates."""

    train: list[Source]
    held_out: list[Source]
    duplicates: list[str]


def collect(limit: int | None = None) -> Corpus:
    """Read, dedupe and split. `limit` keeps that many files (the smoke run)."""
    sources, duplicates = dedupe(read_library(Path(sysconfig.get_path("stdlib"))))
    train, held_out = split(sources[:limit])
    return Corpus(train, held_out, duplicates)


def split(sources: list[Source]) -> tuple[list[Source], list[Source]]:
    """Hold out whole modules, never random windows: in order of their names' SHA-256 until the share is reached."""
    goal = sum(len(source.text) for source in sources) * HELD_OUT_PERCENT / 100
    held_out: set[str] = set()
    for source in sorted(sources, key=lambda source: hashlib.sha256(source.module.encode()).digest()):
        if goal <= 0:
            break
        held_out.add(source.path)
        goal -= len(source.text)
    return [s for s in sources if s.path not in held_out], [s for s in sources if s.path in held_out]


def read_library(root: Path) -> Iterator[Source]:
    """Yield the library's files in path order, without tests and generated tables."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        if SKIPPED_FOLDERS & set(parts) or any(part.startswith(SKIPPED_PREFIXES) for part in parts):
            continue
        data = path.read_bytes()
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            continue
        if text.strip():
            yield Source("/".join(parts), text, hashlib.sha256(data).hexdigest())


def dedupe(sources: Iterator[Source]) -> tuple[list[Source], list[str]]:
    """Drop a file when most of its distinct non-blank lines stand in files kept before it."""
    seen: set[int] = set()
    kept, dropped = [], []
    for source in sources:
        lines = {hash(line.strip()) for line in source.text.splitlines() if line.strip()}
        if len(lines & seen) > SEEN_LINES_LIMIT * len(lines):
            dropped.append(source.path)
            continue
        seen |= lines
        kept.append(source)
    return kept, dropped


def dialogues(source: Source) -> Iterator[tuple[str, str]]:
    """Yield (question, answer) for what a module documents: the first paragraph of each docstring."""
    tree = ast.parse(source.text)
    for name, node in documented(tree, source.module):
        answer = (ast.get_docstring(node) or "").split("\n\n")[0].strip()
        if answer:
            yield f"What does {name} do?", answer


def documented(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.Module | ast.ClassDef | ast.FunctionDef]]:
    """Yield (dotted name, node) of a module, its public classes and functions, outermost first."""
    if isinstance(node, ast.Module):
        yield prefix, node
    for child in getattr(node, "body", []):
        if isinstance(child, ast.ClassDef | ast.FunctionDef) and not child.name.startswith("_"):
            name = f"{prefix}.{child.name}"
            yield name, child
            yield from documented(child, name)


def describe(corpus: Corpus) -> dict[str, object]:
    """The data card's facts: Python version, licence, rule of the split, every file with its SHA-256."""
    return {
        "source": "Python standard library sources",
        "python": platform.python_version(),
        "licence": "PSF-2.0",
        "left_out": sorted(SKIPPED_FOLDERS) + [f"{prefix}*" for prefix in SKIPPED_PREFIXES],
        "held_out_rule": f"whole modules, in order of sha256(dotted name), until {HELD_OUT_PERCENT} % of the text",
        "dialogue_rule": "one question per documented public name, answered by the docstring's first paragraph",
        "duplicates_dropped": corpus.duplicates,
        "train": [facts(source) for source in corpus.train],
        "held_out": [facts(source) for source in corpus.held_out],
    }


def facts(source: Source) -> dict[str, object]:
    """Path, size in bytes and SHA-256 of one file."""
    return {"path": source.path, "bytes": len(source.text.encode()), "sha256": source.sha256}
