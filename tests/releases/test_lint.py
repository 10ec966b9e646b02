"""The release lint: each rule finds what it is for, says what to do, and is silent about a sound release."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from babel.messages.catalog import Catalog

from infra.messages import sources
from releases.lint import RULES, Candidate, File, Public, Severity, Sibling, lint
from releases.sentences import Sentence


@dataclass(frozen=True)
class T:
    name: str
    shape: tuple[int, ...]
    start: int
    end: int


@pytest.fixture(scope="module")
def messages() -> Catalog:
    return sources.found()


def file(path: str, digest: str = "", size: int = 2000) -> File:
    return File(path, size, digest or f"digest of {path}")


ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"
CARD: dict[str, Any] = {
    "license": "mit",
    "co2_eq_emissions": {"emissions": 3, "source": "a meter"},
    "model-index": [
        {
            "name": "m",
            "results": [{"task": {"type": "t"}, "source": {"name": "harness 0.4.9"}, "metrics": [{"value": 1}]}],
        }
    ],
}
SOUND = Candidate(
    files=tuple(
        file(path) for path in ("README.md", "LICENSE", "config.json", "tokenizer.json", "docs/a b.md", ONE, TWO, INDEX)
    ),
    tensors={
        ONE: (T("model.embed_tokens.weight", (100, 64), 100, 25_700),),
        TWO: (T("model.norm.weight", (64,), 100, 356),),
    },
    documents={
        "config.json": {"vocab_size": 100, "hidden_size": 64},
        INDEX: {
            "metadata": {"total_size": 25_856},
            "weight_map": {"model.embed_tokens.weight": ONE, "model.norm.weight": TWO},
        },
    },
    card=CARD,
    text="See [docs](docs/a%20b.md#top), ![x](./LICENSE), [out](https://example.org/a), [top](#top) and [mail](mailto:a@b.c).",
    names=("step3000",),
    siblings=tuple(Sibling(f"step{n}000", (file("model.safetensors", f"w{n}"),)) for n in (1, 2, 4)),
    public=Public("mit", "digest of LICENSE"),
)


def without(path: str) -> Candidate:
    return replace(SOUND, files=tuple(f for f in SOUND.files if f.path != path))


def plus(*files: File) -> Candidate:
    return replace(SOUND, files=(*SOUND.files, *files))


def index(**changes: Any) -> Candidate:
    return replace(SOUND, documents={**SOUND.documents, INDEX: {**SOUND.documents[INDEX], **changes}})


def config(**changes: Any) -> Candidate:
    return replace(SOUND, documents={**SOUND.documents, "config.json": {**SOUND.documents["config.json"], **changes}})


def steps(*numbers: int, own: str = "step3000") -> Candidate:
    others = tuple(Sibling(f"step{n}", (file("model.safetensors", f"w{n}"),)) for n in numbers)
    return replace(SOUND, names=(own,), siblings=others)


GIB = 1 << 30
SHARD3 = "model-00003-of-00003.safetensors"
CASES = {
    "file-too-large": (plus(file("big.safetensors", size=50 * 10**9 + 1)), "Split it"),
    "file-name-twins": (plus(file("readme.MD")), "README.md"),
    "same-weights-twice": (plus(file("again.safetensors", f"digest of {ONE}")), "again.safetensors"),
    "same-file-twice": (plus(file("copy.json", "digest of config.json")), "copy.json"),
    "no-config": (without("config.json"), "config.json"),
    "no-tokenizer": (without("tokenizer.json"), "tokenizer"),
    "no-licence": (replace(without("LICENSE"), card={}), "licence"),
    "no-card": (without("README.md"), "README.md"),
    "index-shards": (without(TWO), TWO),
    "index-shards, left out": (index(weight_map={"model.embed_tokens.weight": ONE}), TWO),
    "index-tensors": (index(weight_map={"model.embed_tokens.weight": TWO, "model.norm.weight": ONE}), "wrong shard"),
    "index-tensors, none": (index(weight_map={**SOUND.documents[INDEX]["weight_map"], "ghost": ONE}), "ghost"),
    "index-tensors, left out": (
        replace(SOUND, tensors={**SOUND.tensors, ONE: (*SOUND.tensors[ONE], T("new", (1,), 0, 4))}),
        "leaves out",
    ),
    "index-size": (index(metadata={"total_size": 1}), "25,856"),
    "shards-missing": (plus(file("other-00001-of-00003.safetensors")), "2, 3"),
    "no-index": (plus(file("b/m-00001-of-00001.safetensors")), "b/m.safetensors.index.json"),
    "shapes-against-config": (config(vocab_size=101), "101"),
    "shapes-against-config, width": (config(hidden_size=65), "65"),
    "same-checkpoint-twice": (
        replace(SOUND, siblings=(*SOUND.siblings, Sibling("step5000", (file("x.safetensors", f"digest of {ONE}"),)))),
        "step5000",
    ),
    "same-checkpoint-twice, folders": (
        replace(plus(file("step1/a.safetensors", "w"), file("step2/a.safetensors", "w")), names=()),
        "Steps 1 and 2",
    ),
    "ladder-gaps": (steps(1000, 2000, 4000, 7000), "5,000, 6,000"),
    "licence-changed": (replace(SOUND, public=Public("mit", "another")), "new version"),
    "dead-links": (replace(SOUND, text="[a](docs/gone.md) ![b](img.png)"), "docs/gone.md, img.png"),
    "dead-links-elsewhere": (replace(SOUND, dead=("https://gone.example/a",)), "https://gone.example/a"),
    "units": (replace(plus(file("w.safetensors", size=328 * GIB)), text="Needs 328 GB of disk."), "328 GiB"),
    "units, other": (replace(plus(file("w.safetensors", size=10 * 10**9)), text="It has 10 GiB."), "10 GB"),
    "score-without-harness": (
        replace(SOUND, card={**CARD, "model-index": [{"results": [{"dataset": {"name": "MMLU"}, "metrics": [{}]}]}]}),
        "MMLU",
    ),
    "carbon-without-method": (replace(SOUND, card={**CARD, "co2_eq_emissions": 12}), "source"),
    "carbon-unreadable": (
        replace(SOUND, card={**CARD, "co2_eq_emissions": {"emissions": "1,5 kg", "source": "a meter"}}),
        "'1,5 kg', which is shown to nobody. Give a number above zero, in grams",
    ),
    "logbook-unreadable": (
        replace(SOUND, logbook=(Sentence("Line %(line)s: %(said)s", line=2, said="This is not JSON."),)),
        "Line 2",
    ),
}


def test_a_sound_release_has_no_finding() -> None:
    assert lint(SOUND) == []


@pytest.mark.parametrize("case", CASES)
def test_each_rule_finds_what_it_is_for(case: str) -> None:
    candidate, word = CASES[case]
    found = [finding for finding in lint(candidate) if finding.rule == case.partition(",")[0]]
    assert found, [finding.rule for finding in lint(candidate)]
    assert any(word in finding.message for finding in found), found
    assert all(finding.message.endswith(".") and "\n" not in finding.message for finding in found)


@pytest.mark.parametrize("case", CASES)
def test_every_sentence_is_one_that_translators_are_shown(case: str, messages: Catalog) -> None:
    assert [finding.said.text for finding in lint(CASES[case][0]) if finding.said.text not in messages] == []


def test_every_rule_has_a_case() -> None:
    assert {rule.name for rule in RULES} == {case.partition(",")[0] for case in CASES}


@pytest.mark.parametrize(
    "candidate",
    [
        config(vocab_size=90),  # rows to spare are padding
        steps(0, 1, 2, 4, 8, 16, 32, 64, 1000, 2000, own="step3000"),  # doubling first, then by the thousand
        steps(1000),  # too few to know
        replace(SOUND, names=("main",), siblings=(Sibling("final", (file("x.safetensors", f"digest of {ONE}"),)),)),
        replace(SOUND, text="328 GB and 328 GiB"),  # about something else
        replace(plus(file("w.safetensors", size=40 * GIB)), text="43 GB (40 GiB)"),
        replace(SOUND, card={**CARD, "license": "mit-2"}, public=Public("mit", "another")),
        plus(file("empty/a.txt", "e", 0), file("empty/b.txt", "e", 0)),
        Candidate(files=(file("README.md"), file("LICENSE"), file("model-q4.gguf"))),
    ],
)
def test_what_only_looks_odd_is_let_be(candidate: Candidate) -> None:
    assert lint(candidate) == []


@pytest.mark.parametrize(
    "value", [None, 1, "x", [], [1], {"weight_map": 3}, {"weight_map": {"a": 1}}, {"metadata": []}]
)
def test_documents_of_any_shape_are_survived(value: Any) -> None:
    documents = {"config.json": value, INDEX: value}
    lint(replace(SOUND, documents=documents, card={"model-index": value, "co2_eq_emissions": value, "license": value}))
    lint(
        replace(
            SOUND, card={"model-index": [{"results": value}, {"results": [value]}]}, text="[a](http://[) [b](?) [](.)"
        )
    )


def test_only_contradictions_stop_publishing() -> None:
    stops = {rule.name for rule in RULES if rule.severity is Severity.ERROR}
    assert stops == {
        "file-too-large", "file-name-twins", "same-weights-twice", "same-checkpoint-twice",
        "index-shards", "index-tensors", "index-size", "shards-missing", "shapes-against-config",
    }  # fmt: skip
