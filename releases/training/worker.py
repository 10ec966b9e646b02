"""One process of a run: start or resume, train until the plan or the time budget ends, then stop."""

import os
import platform
import time
from dataclasses import asdict
from pathlib import Path

import numpy
import tokenizers
import torch
import transformers

from releases.training import batches, events, records
from releases.training.model import count
from releases.training.recipe import Recipe
from releases.training.trainer import FINAL_RATE, Trainer

# The decay must fit into what is left of the budget, on a machine that may become slower.
RESERVE = 1.15


def work(recipe: Recipe, out: Path, minutes: float | None) -> None:
    """Train in this process; it may die on the way (that is an event), then another one calls this again."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    data, folder = out / f"data-{recipe.vocabulary}", out / recipe.name
    batches.prepare(recipe, data)
    trainer = Trainer(recipe, folder, data)
    if trainer.checkpoint.exists():
        events.resume(trainer)
    else:
        begin(trainer, minutes)
    deadline = trainer.ledger.facts["started"] + minutes * 60 if minutes else None
    while not finished(trainer, deadline):
        events.check_witness(trainer)
        events.fire(trainer)
        begin_decay(trainer, deadline)
        trainer.advance()
    end(trainer)


def begin(trainer: Trainer, minutes: float | None) -> None:
    """First process of a run: environment, first entry, a checkpoint of step 0."""
    recipe = trainer.recipe
    records.replace(trainer.folder / "environment.json", records.dump(environment(recipe)))
    (trainer.folder / "metrics.jsonl").touch()
    trainer.ledger.update(started=time.time(), parameters=count(trainer.model))
    budget = f"{minutes:g} minutes" if minutes else "no limit"
    text = (
        f"Run begins: {count(trainer.model)} parameters, {recipe.steps} steps of {recipe.batch_tokens} tokens planned, "
        f"time budget {budget}, one thread."
    )
    trainer.log(
        "start", "info", text, after={"lr": recipe.learning_rate, "seed": recipe.seed, "weights": trainer.digest()}
    )
    if 0 in recipe.ladder:
        trainer.keep()
    trainer.save()


def begin_decay(trainer: Trainer, deadline: float | None) -> None:
    """Start the final decay at the planned step, or earlier when the time left just holds it."""
    state, recipe = trainer.state, trainer.recipe
    if state.decay_from is not None:
        return
    planned = state.step >= recipe.steps - recipe.decay
    if planned or (deadline and not time_for_more(trainer, deadline)):
        state.decay_from = state.step
        reason = "as planned" if planned else "brought forward, because the time budget just holds it"
        text = f"Linear decay of the learning rate over {recipe.decay} steps begins, {reason}."
        trainer.log(
            "change", "info", text, before={"lr": trainer.rate()}, after={"lr_final": trainer.rate() * FINAL_RATE}
        )
        trainer.save()


def time_for_more(trainer: Trainer, deadline: float) -> bool:
    """Whether a step now still leaves time for the decay, at the pace of the last steps."""
    if not trainer.seconds:
        return True
    pace = sum(trainer.seconds) / len(trainer.seconds)
    return time.time() + trainer.recipe.decay * pace * RESERVE < deadline


def finished(trainer: Trainer, deadline: float | None) -> bool:
    """True when the decay is done or the budget is spent."""
    state = trainer.state
    decayed = state.decay_from is not None and state.step >= state.decay_from + trainer.recipe.decay
    return state.step >= trainer.recipe.steps or decayed or bool(deadline and time.time() >= deadline)


def end(trainer: Trainer) -> None:
    """Save the last weights and say why the run stopped."""
    state, recipe = trainer.state, trainer.recipe
    complete = state.step >= recipe.steps
    reason = "plan complete" if complete else f"time budget; {recipe.steps} steps were planned"
    trainer.save()
    text = f"Stopped at step {state.step} after {state.tokens} tokens: {reason}."
    after = {"weights": trainer.digest(), "order": state.order, "val_loss": trainer.validate()}
    trainer.log("stop", "info", text, after=after)
    trainer.ledger.update(stopped=time.time(), steps=state.step, tokens=state.tokens)


def environment(recipe: Recipe) -> dict[str, object]:
    """What the run stood on: versions, processor, threads, priority, recipe with its seed."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "processor": processor(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "torch_deterministic": torch.are_deterministic_algorithms_enabled(),
        "precision": "bfloat16 autocast; weights, gradients and optimizer state float32",
        "data_order": "numpy default_rng((seed, step)); digest chained over every step's offsets",
        "recipe": asdict(recipe),
    }


def processor() -> str:
    """The processor's name as the kernel gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
