"""Evaluations that this family can truly be given: bits per byte, next-token accuracy, and code that parses.

They are taken on the exported weights, so they describe the files that people download.
"""

import ast
import hashlib
import math
import platform
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import AutoTokenizer, OPTForCausalLM, PreTrainedTokenizerFast

from releases.training import corpus, ladder, records
from releases.training.recipe import Recipe
from releases.training.tokenizer import END

PROMPTS, ROWS, NEW_TOKENS, TEMPERATURE = 100, 25, 96, 0.8
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Result:
    """One value, over `n` items of kind `unit`; `low` and `high` are a 95 % interval where one can be given."""

    name: str
    metric: str
    value: float
    n: int
    unit: str
    method: str
    low: float | None = None
    high: float | None = None


def evaluate(recipe: Recipe, out: Path) -> None:
    """Evaluate the release, and each rung of its ladder on the held-out modules in the same way."""
    torch.set_num_threads(1)
    run, texts = out / recipe.name, corpus.collect(recipe.corpus_files)
    measure(recipe, texts, run / "release", run / "eval.json", whole=True)
    for noted in ladder.noted(recipe, run):
        rung = ladder.folder(run, noted["step"])
        (rung / "records").mkdir(exist_ok=True)
        measure(recipe, texts, rung, rung / "records" / "eval.json", whole=False)


def measure(recipe: Recipe, texts: corpus.Corpus, folder: Path, target: Path, *, whole: bool) -> None:
    """Evaluate one exported folder on held-out modules; `whole`: on as much training text, and by sampling, too.

    Writes the record to `target`.
    """
    model = OPTForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    held_out, seen = texts.held_out, []
    results = compression(model, tokenizer, held_out, "held-out modules")
    if whole:
        seen = sample(texts.train, sum(len(source.text) for source in held_out))
        results += compression(model, tokenizer, seen, "training modules")
        results += parse_rate(model, tokenizer, held_out, recipe.seed)
    facts = {
        "run": recipe.name,
        "weights": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "evaluated_at": records.now(),
        "evaluated_by": f"releases.training.evaluation, Python {platform.python_version()}, torch {torch.__version__}",
        "held_out_modules": [source.path for source in held_out],
        "training_modules": [source.path for source in seen],
        "results": [asdict(result) for result in results],
    }
    records.replace(target, records.dump(facts))
    for result in results:
        said = f"{result.name} {result.metric} {result.value:.4f} (n = {result.n} {result.unit})"
        print(f"{recipe.name} {folder.name} {said}", flush=True)


def sample(sources: Iterable[corpus.Source], characters: int) -> list[corpus.Source]:
    """Training modules in order of their files' digests, until they hold as much text."""
    chosen: list[corpus.Source] = []
    for source in sorted(sources, key=lambda source: source.sha256):
        if sum(len(each.text) for each in chosen) >= characters:
            break
        chosen.append(source)
    return chosen


def compression(
    model: OPTForCausalLM, tokenizer: PreTrainedTokenizerFast, sources: list[corpus.Source], name: str
) -> list[Result]:
    """Bits per byte and next-token accuracy, in windows of the full context, each opened by `</s>`."""
    nats = hits = tokens = size = 0.0
    for source in sources:
        ids = tokenizer(source.text, add_special_tokens=False)["input_ids"]
        size += len(source.text.encode())
        width = model.config.max_position_embeddings - 1
        for start in range(0, len(ids), width):
            lost, hit = score(model, ids[start : start + width])
            nats, hits = nats + lost, hits + hit
        tokens += len(ids)
    method = f"windows of {model.config.max_position_embeddings} tokens without overlap, float32"
    return [
        Result(name, "bits_per_byte", nats / math.log(2) / size, int(size), "bytes", method),
        Result(name, "next_token_accuracy", hits / tokens, int(tokens), "tokens", method),
    ]


@torch.no_grad()
def score(model: OPTForCausalLM, ids: list[int]) -> tuple[float, float]:
    """(Nats, hits) of predicting each of `ids` from `</s>` and the ids before it."""
    logits = model(torch.tensor([[END, *ids[:-1]]])).logits[0]
    wanted = torch.tensor(ids)
    nats = torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
    return float(nats), float((logits.argmax(-1) == wanted).sum())


def parse_rate(
    model: OPTForCausalLM, tokenizer: PreTrainedTokenizerFast, sources: list[corpus.Source], seed: int
) -> Iterator[Result]:
    """Share of held-out function heads to which the model samples a body that Python can parse; none without heads."""
    room = model.config.max_position_embeddings - NEW_TOKENS
    heads = [head for source in sources for head in function_heads(source) if len(tokenizer(head)["input_ids"]) <= room]
    heads = sorted(heads, key=lambda head: hashlib.sha256(head.encode()).digest())[:PROMPTS]
    if not heads:
        return
    torch.manual_seed(seed)
    bodies = [
        body for start in range(0, len(heads), ROWS) for body in complete(model, tokenizer, heads[start : start + ROWS])
    ]
    good = sum(parses(first_function(head + body)) for head, body in zip(heads, bodies, strict=True))
    low, high = wilson(good, len(heads))
    method = f"function heads as prompts, temperature {TEMPERATURE}, {NEW_TOKENS} new tokens, ast.parse of the function"
    yield Result("held-out modules", "parse_rate", good / len(heads), len(heads), "functions", method, low, high)


def function_heads(source: corpus.Source) -> list[str]:
    """The lines from `def` to the body of every function in a module, indented as they stand there.

    Without the last line break: the tokenizer joins it to the indentation after it, so that a prompt that ends in one
    asks for code without indentation.
    """
    lines = source.text.splitlines(keepends=True)
    found = [node for node in ast.walk(ast.parse(source.text)) if isinstance(node, ast.FunctionDef)]
    heads = ["".join(lines[node.lineno - 1 : node.body[0].lineno - 1]) for node in found]
    return [head.rstrip() for head in heads if head.strip()]


@torch.no_grad()
def complete(model: OPTForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: list[str]) -> list[str]:
    """Sample one continuation of each prompt."""
    batch = tokenizer(prompts, padding=True, padding_side="left", return_tensors="pt", return_token_type_ids=False)
    output = model.generate(**batch, do_sample=True, temperature=TEMPERATURE, max_new_tokens=NEW_TOKENS, top_k=0)
    return list(tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True))


def first_function(text: str) -> str:
    """The function that `text` begins with: up to a line indented no deeper, or without an unfinished last line."""
    lines = text.splitlines(keepends=True)
    depth = indentation(lines[0])
    for number, line in enumerate(lines):
        if number and line.strip() and indentation(line) <= depth and not line.lstrip().startswith(")"):
            return textwrap.dedent("".join(lines[:number]))
    return textwrap.dedent("".join(line for line in lines if line.endswith("\n")))


def indentation(line: str) -> int:
    """Width of the white space a line begins with."""
    return len(line) - len(line.lstrip())


def parses(text: str) -> bool:
    """Whether Python can parse `text`."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def wilson(good: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, z2 = good / n, NORMAL_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return middle - half, middle + half
