"""The training loop: AdamW, warm-up, constant rate, linear decay; exact resume; everything recorded."""

import io
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy
import torch
from transformers import OPTForCausalLM

from releases.training import batches, ladder, records
from releases.training.model import build, digest
from releases.training.recipe import Recipe

METRICS_EVERY = 5
FINAL_RATE = 0.1
VALIDATION_ROWS = 16


@dataclass
class State:
    """What a checkpoint holds besides the tensors. `decay_from` is None until the decay begins."""

    clip: float
    weight_decay: float
    step: int = 0
    tokens: int = 0
    rate_scale: float = 1.0
    decay_from: int | None = None
    order: str = field(default="00" * 32)


class Trainer:
    """One run in one process. `advance` is a step; `save` and `load` are exact."""

    def __init__(self, recipe: Recipe, folder: Path, data: Path) -> None:
        self.recipe, self.folder = recipe, folder
        self.order = batches.Order(numpy.load(data / "train.npy", mmap_mode="r"), recipe)
        self.held_out = numpy.load(data / "held_out.npy")
        self.logbook = records.Logbook(folder / "logbook.jsonl", recipe.name)
        self.ledger = records.Ledger(folder / "ledger.json")
        self.losses: dict[int, float] = {}
        self.recent: deque[float] = deque(maxlen=20)
        self.seconds: deque[float] = deque(maxlen=40)
        self.trial = False
        self.model: OPTForCausalLM = build(recipe)
        self.state = State(clip=recipe.clip, weight_decay=recipe.weight_decay)
        self.optimizer = self.new_optimizer()

    # ------------------------------------------------------------------ one step
    def advance(self, steps: int = 1) -> list[float]:
        """Train `steps` steps; return their losses (nats per token)."""
        return [self.step_once() for _ in range(steps)]

    def step_once(self) -> float:
        """One batch, one update, one loss; every fifth step also a row in metrics.jsonl.

        Products run in bfloat16 (three times as fast here), weights and optimizer state stay float32.
        """
        started = time.monotonic()
        batch = self.order.batch(self.state.step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
            group["weight_decay"] = self.state.weight_decay * group["decays"]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = self.model(input_ids=batch, labels=batch).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.state.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.state.order = batches.chain(self.state.order, self.order.offsets(self.state.step))
        self.count(batch.numel(), time.monotonic() - started)
        self.losses[self.state.step - 1] = loss.item()
        self.recent.append(loss.item())
        self.record(loss.item(), float(norm))
        return loss.item()

    def count(self, tokens: int, seconds: float) -> None:
        """Book a finished step. `processed_tokens` also counts steps that a rollback threw away later."""
        self.state.step += 1
        self.state.tokens += tokens
        self.ledger.facts["processed_tokens"] += tokens
        self.seconds.append(seconds)

    def rate(self) -> float:
        """The learning rate of the coming step."""
        warm = min(1.0, (self.state.step + 1) / self.recipe.warmup)
        cooled = 1.0
        if self.state.decay_from is not None:
            share = min(1.0, (self.state.step - self.state.decay_from) / self.recipe.decay)
            cooled = 1.0 - (1.0 - FINAL_RATE) * share
        return self.recipe.learning_rate * self.state.rate_scale * warm * cooled

    def record(self, loss: float, norm: float) -> None:
        """Write the row of this step when it is due; validate and save when they are due."""
        step = self.state.step
        due = step % self.recipe.validate_every == 0
        if step % METRICS_EVERY == 0 or due:
            row = self.row(loss, norm)
            if due:
                row["val_loss"] = self.validate()
            records.append(self.folder / "metrics.jsonl", row)
            self.ledger.update()
        if self.trial:
            return
        if step in self.recipe.ladder:
            self.keep()
        if step % self.recipe.checkpoint_every == 0:
            self.save()

    def row(self, loss: float, norm: float) -> dict[str, Any]:
        """The metrics of the step just done. Rate: of that step; tokens/s: mean of the last 40 steps."""
        return {
            "ts_utc": records.now(),
            "segment": self.ledger.facts["segment"],
            "step": self.state.step,
            "tokens": self.state.tokens,
            "loss": loss,
            "lr": self.optimizer.param_groups[0]["lr"],
            "grad_norm": norm,
            "clip": self.state.clip,
            "window": self.order.window(self.state.step - 1),
            "tokens_per_s": round(self.recipe.batch_tokens * len(self.seconds) / sum(self.seconds), 1),
        }

    @torch.no_grad()
    def validate(self) -> float:
        """Mean loss on 16 fixed windows of held-out modules."""
        starts = numpy.linspace(0, len(self.held_out) - self.recipe.window, VALIDATION_ROWS).astype(int)
        batch = batches.rows(self.held_out, starts, self.recipe.window)
        return float(self.model(input_ids=batch, labels=batch).loss)

    # ------------------------------------------------------------------ checkpoints
    @property
    def checkpoint(self) -> Path:
        """The last good checkpoint."""
        return self.folder / "checkpoint.pt"

    def save(self) -> None:
        """Save model, optimizer and state; the old checkpoint stays until the new one is whole."""
        buffer = io.BytesIO()
        parts = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "state": asdict(self.state),
        }
        torch.save(parts, buffer)
        records.replace(self.checkpoint, buffer.getvalue())
        self.losses.clear()

    def keep(self) -> None:
        """Keep the weights of this step as a rung of the ladder. A step that a resume repeats is kept, and told, again."""
        buffer = io.BytesIO()
        torch.save({"model": self.model.state_dict()}, buffer)
        rung = ladder.kept(self.folder, self.state.step)
        rung.parent.mkdir(exist_ok=True)
        records.replace(rung, buffer.getvalue())
        row = {"ts_utc": records.now(), "step": self.state.step, "tokens": self.state.tokens, "weights": self.digest()}
        records.append(self.folder / "ladder.jsonl", row)

    def load(self, *, optimizer: bool = True) -> None:
        """Return to the last checkpoint; a new segment of the run begins. `optimizer=False` forgets its state."""
        parts = torch.load(self.checkpoint, weights_only=True)
        self.model.load_state_dict(parts["model"])
        self.state = State(**parts["state"])
        self.optimizer = self.new_optimizer()
        if optimizer:
            self.optimizer.load_state_dict(parts["optimizer"])
        self.losses.clear()
        self.ledger.update(segment=self.ledger.facts["segment"] + 1)

    def new_optimizer(self) -> torch.optim.AdamW:
        """AdamW with empty moments; weight decay on matrices only."""
        matrices = [p for p in self.model.parameters() if p.dim() > 1]
        vectors = [p for p in self.model.parameters() if p.dim() <= 1]
        groups = [{"params": matrices, "decays": True}, {"params": vectors, "decays": False}]
        return torch.optim.AdamW(groups, lr=self.recipe.learning_rate, betas=self.recipe.betas)

    # ------------------------------------------------------------------ words for the logbook
    def log(self, kind: str, severity: str, text: str, **params: Any) -> None:
        """Write a logbook entry about this moment of this run."""
        segment = self.ledger.facts["segment"]
        self.logbook.write(kind, severity, text, step=self.state.step, segment=segment, **params)

    def digest(self) -> str:
        """SHA-256 of the weights as they are now."""
        return digest(self.model)
