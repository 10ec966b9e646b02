"""The data: token streams on disk, and an order that is a function of (seed, step) alone."""

import hashlib
import json
from pathlib import Path

import numpy
import torch
from transformers import PreTrainedTokenizerFast

from releases.training import corpus as library
from releases.training.recipe import Recipe
from releases.training.tokenizer import END, dialogue_text, train_tokenizer


def prepare(recipe: Recipe, folder: Path) -> None:
    """Write tokenizer, token streams and corpus.json into `folder`, once; sizes of a family share them."""
    if (folder / "corpus.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    corpus = library.collect(recipe.corpus_files)
    tokenizer = train_tokenizer(
        (source.text for source in corpus.train), vocabulary=recipe.vocabulary, context=recipe.context
    )
    tokenizer.save_pretrained(folder / "tokenizer")
    card = library.describe(corpus)
    for split, sources in (("train", corpus.train), ("held_out", corpus.held_out)):
        tokens, exchanges = stream(tokenizer, sources)
        numpy.save(folder / f"{split}.npy", tokens)
        card[f"{split}_tokens"], card[f"{split}_dialogues"] = len(tokens), exchanges
    (folder / "corpus.json").write_text(json.dumps(card, indent=1) + "\n")


def stream(tokenizer: PreTrainedTokenizerFast, sources: list[library.Source]) -> tuple[numpy.ndarray, int]:
    """All files, then all dialogues, each text opened by `</s>`: uint16 ids, and the number of dialogues."""
    exchanges = [dialogue_text(*pair) for source in sources for pair in library.dialogues(source)]
    texts = [source.text for source in sources] + exchanges
    ids = [encoded for text in texts for encoded in tokenizer(text)["input_ids"]]
    return numpy.array([*ids, END], dtype=numpy.uint16), len(exchanges)


class Order:
    """Draws the batch of a step. Stateless, so a resumed run sees exactly the batches it would have seen."""

    def __init__(self, tokens: numpy.ndarray, recipe: Recipe) -> None:
        self.tokens, self.recipe = tokens, recipe

    def window(self, step: int) -> int:
        """Most steps use short windows; each `full_window_every`-th the whole context, to train its positions."""
        full = step % self.recipe.full_window_every == self.recipe.full_window_every - 1
        return self.recipe.context if full else self.recipe.window

    def offsets(self, step: int) -> numpy.ndarray:
        """Start offsets of the step's rows."""
        window = self.window(step)
        random = numpy.random.default_rng((self.recipe.seed, step))
        return random.integers(0, len(self.tokens) - window, size=self.recipe.batch_tokens // window)

    def batch(self, step: int) -> torch.Tensor:
        """Ids (rows, window), each row opened by `</s>` because every prompt is."""
        window = self.window(step)
        return rows(self.tokens, self.offsets(step), window)


def rows(tokens: numpy.ndarray, offsets: numpy.ndarray, window: int) -> torch.Tensor:
    """Stack windows: `</s>` and the `window - 1` tokens from each offset."""
    taken = numpy.stack([tokens[offset : offset + window - 1] for offset in offsets]).astype(numpy.int64)
    return torch.from_numpy(numpy.pad(taken, ((0, 0), (1, 0)), constant_values=END))


def chain(previous: str, offsets: numpy.ndarray) -> str:
    """Extend the digest of the data order by one step's offsets."""
    return hashlib.sha256(bytes.fromhex(previous) + offsets.astype(numpy.int64).tobytes()).hexdigest()
