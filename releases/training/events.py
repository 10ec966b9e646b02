"""What happens to a run. Each event is done first and then written down, with what was measured."""

import io
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from math import log2
from statistics import fmean

import numpy
import torch

from releases.training.batches import Order
from releases.training.model import tensor_digests
from releases.training.recipe import Event
from releases.training.trainer import Trainer

DIVERGED_BY = 0.5


def fire(trainer: Trainer) -> None:
    """Do every event that is due and not done. An event that ends the process is marked as done before."""
    for event in trainer.recipe.events:
        due = event.at <= trainer.state.step and event.name not in trainer.ledger.facts["done"]
        if due and trainer.state.decay_from is None:
            VERBS[event.verb](trainer, event)
            mark(trainer, event)


def mark(trainer: Trainer, event: Event) -> None:
    """Remember that an event is done, so that no rollback repeats it."""
    if event.name not in trainer.ledger.facts["done"]:
        trainer.ledger.update(done=[*trainer.ledger.facts["done"], event.name])


def kill(trainer: Trainer, event: Event) -> None:
    """End this process with SIGKILL between two checkpoints, leaving a witness of where it stood."""
    witness = {"step": trainer.state.step, "weights": trainer.digest(), "order": trainer.state.order}
    losses = {str(step): loss for step, loss in trainer.losses.items()}
    mark(trainer, event)
    trainer.ledger.update(witness=witness | {"losses": losses})
    text = "Planned fault: the training process sends itself SIGKILL; the last checkpoint is some steps old."
    trainer.log("kill", "warning", text, before=witness)
    os.kill(os.getpid(), signal.SIGKILL)


def resume(trainer: Trainer) -> None:
    """Continue from the last checkpoint after the process died."""
    trainer.load()
    text = "Resumed in a new process from the last checkpoint: weights, optimizer state, data order."
    trainer.log("resume", "info", text, after={"step": trainer.state.step, "weights": trainer.digest()})


def check_witness(trainer: Trainer) -> None:
    """When the resumed run reaches the step of the kill, compare it bit for bit with what was left there."""
    witness = trainer.ledger.facts.get("witness")
    if not witness or trainer.state.step != witness["step"]:
        return
    same_losses = sum(trainer.losses.get(int(step)) == loss for step, loss in witness["losses"].items())
    after = {"step": trainer.state.step, "weights": trainer.digest(), "order": trainer.state.order}
    exact = all(after[key] == witness[key] for key in after) and same_losses == len(witness["losses"])
    verdict = "bit-identical" if exact else "NOT identical"
    text = (
        f"Back at the step of the kill: weights and data order are {verdict}; "
        f"{same_losses} of {len(witness['losses'])} repeated losses are equal to the last bit."
    )
    before = {key: witness[key] for key in after}
    trainer.log("verification", "info" if exact else "critical", text, before=before, after=after)
    trainer.ledger.update(witness=None)


@contextmanager
def trial(trainer: Trainer) -> Iterator[None]:
    """Steps inside are meant to be thrown away: no checkpoint may overwrite the one to return to."""
    trainer.trial = True
    try:
        yield
    finally:
        trainer.trial = False


def raise_learning_rate(trainer: Trainer, event: Event) -> None:
    """Raise the rate far too high, watch, roll back to the checkpoint, go on with a lower rate."""
    trainer.save()
    calm = fmean(trainer.recent)
    before, scale = trainer.rate(), trainer.state.rate_scale
    trainer.state.rate_scale = scale * event.params["factor"]
    text = f"Planned fault: learning rate multiplied by {event.params['factor']:g}."
    trainer.log("change", "warning", text, before={"lr": before}, after={"lr": trainer.rate()})
    with trial(trainer):
        losses = trainer.advance(int(event.params["steps"]))
    report_divergence(trainer, calm, losses)
    bad_step, bad_rate = trainer.state.step, trainer.rate()
    trainer.load()
    trainer.state.rate_scale = scale / event.params["then_divide_by"]
    text = (
        f"Rolled back from step {bad_step} to the checkpoint of step {trainer.state.step}; "
        f"learning rate from before the fault divided by {event.params['then_divide_by']:g}."
    )
    trainer.log(
        "rollback",
        "warning",
        text,
        before={"step": bad_step, "lr": bad_rate},
        after={"step": trainer.state.step, "lr": trainer.rate()},
    )
    trainer.save()


def report_divergence(trainer: Trainer, calm: float, losses: list[float]) -> None:
    """Say whether the run diverged: mean of its last ten losses against the calm mean."""
    last = fmean(losses[-10:])
    diverged = not last < calm + DIVERGED_BY
    text = (
        f"{'Diverged' if diverged else 'Did not diverge'}: loss {calm:.3f} before, peak {max(losses):.3f}, "
        f"mean of the last ten steps {last:.3f}."
    )
    after = {"peak_loss": max(losses), "last_loss": last}
    severity = "critical" if diverged else "warning"
    trainer.log("divergence" if diverged else "observation", severity, text, before={"loss": calm}, after=after)


def lose_optimizer(trainer: Trainer, event: Event) -> None:
    """Resume without the optimizer's state, see what it costs, and correct it on the same batches."""
    steps = int(event.params["steps"])
    trainer.save()
    trainer.load(optimizer=False)
    text = "Mistake (planned): resumed from the checkpoint without the optimizer's state; its moments start at zero."
    trainer.log("mistake", "warning", text, before={"moments": "kept"}, after={"moments": "empty"})
    with trial(trainer):
        without = trainer.advance(steps)
    trainer.load()
    kept = trainer.advance(steps)
    text = (
        f"Correction: resumed again with the optimizer's state. First loss {without[0]:.6f} without, {kept[0]:.6f} with; "
        f"mean of the {steps} steps on the same batches {fmean(without):.4f} without, {fmean(kept):.4f} with."
    )
    trainer.log("correction", "info", text, before={"mean_loss": fmean(without)}, after={"mean_loss": fmean(kept)})


def fail_checkpoint(trainer: Trainer, event: Event) -> None:
    """Let a checkpoint meet a file-size limit, keep the old one, lift the limit, try again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = int(event.params["limit_bytes"])
    held = trainer.checkpoint.stat().st_size if trainer.checkpoint.exists() else 0
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        trainer.save()
        failure = "none"
    except OSError as error:
        failure = f"{type(error).__name__}: {error.strerror}"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    text = f"Planned fault: checkpoint written under a file-size limit of {limit} bytes. Result: {failure}."
    trainer.log("io_error", "warning", text, before={"checkpoint_bytes": held}, after={"error": failure})
    trainer.save()
    size = trainer.checkpoint.stat().st_size
    trainer.log("recovery", "info", "Limit lifted; the checkpoint was written again.", after={"checkpoint_bytes": size})


def set_clip(trainer: Trainer, event: Event) -> None:
    """Change the gradient clip."""
    before, trainer.state.clip = trainer.state.clip, event.params["to"]
    text = f"Gradient clip changed from {before} to {trainer.state.clip}."
    trainer.log("change", "info", text, before={"clip": before}, after={"clip": trainer.state.clip})


def set_weight_decay(trainer: Trainer, event: Event) -> None:
    """Change the weight decay."""
    before, trainer.state.weight_decay = trainer.state.weight_decay, event.params["to"]
    text = f"Weight decay changed from {before} to {trainer.state.weight_decay}."
    trainer.log("change", "info", text, before={"weight_decay": before}, after={"weight_decay": event.params["to"]})


class Stuck(Order):
    """A data order with a bug: every step draws the batch of one step."""

    def __init__(self, order: Order, at: int) -> None:
        super().__init__(order.tokens, order.recipe)
        self.at = at

    def window(self, step: int) -> int:
        """That of the one step."""
        return super().window(self.at)

    def offsets(self, step: int) -> numpy.ndarray:
        """Those of the one step."""
        return super().offsets(self.at)


def repeat_batch(trainer: Trainer, event: Event) -> None:
    """Let the data order stand still: the loss falls as never before, held-out text gives it away; roll back."""
    trainer.save()
    right, held_out, calm = trainer.order, trainer.validate(), fmean(trainer.recent)
    text = "Mistake (planned): the data order stands still, every step sees one batch."
    trainer.log("mistake", "warning", text, before={"loss": calm, "val_loss": held_out})
    trainer.order = Stuck(right, trainer.state.step)
    with trial(trainer):
        losses = trainer.advance(int(event.params["steps"]))
    trainer.order = right
    bad_step, worse = trainer.state.step, trainer.validate()
    trainer.load()
    text = (
        f"Correction: the loss fell from {calm:.3f} to {losses[-1]:.3f} in {len(losses)} steps while that of held-out text went "
        f"from {held_out:.3f} to {worse:.3f}; the offsets of these steps are one and the same. Rolled back from step "
        f"{bad_step} to the checkpoint of step {trainer.state.step}, with the right order."
    )
    after = {"loss": losses[-1], "val_loss": worse}
    trainer.log("correction", "info", text, before={"loss": calm, "val_loss": held_out}, after=after)


def search_loss_scale(trainer: Trainer, event: Event) -> None:
    """Train some steps in float16 with a loss scale that is far too high at first, watch it settle, throw them away."""
    steps, order = int(event.params["steps"]), trainer.order
    trainer.save()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24, growth_interval=steps // 3)
    scales = [scaler.get_scale()]
    for step in range(trainer.state.step, trainer.state.step + steps):
        batch = order.batch(step)
        with torch.autocast("cpu", dtype=torch.float16):
            loss = trainer.model(input_ids=batch, labels=batch).loss
        scaler.scale(loss).backward()
        scaler.unscale_(trainer.optimizer)
        torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), trainer.state.clip)
        scaler.step(trainer.optimizer)
        scaler.update()
        trainer.optimizer.zero_grad()
        trainer.ledger.facts["processed_tokens"] += batch.numel()
        scales.append(scaler.get_scale())
    trainer.load()
    skipped = sum(later < sooner for sooner, later in pairwise(scales))
    text = (
        f"Exercise (planned): {steps} steps in float16 with a loss scale of 2^{log2(scales[0]):.0f}. {skipped} of them overflowed and "
        f"were skipped; the scale was lowest at 2^{log2(min(scales)):.0f} and ended at 2^{log2(scales[-1]):.0f}. Rolled back; the run "
        "goes on in bfloat16, which needs no scale."
    )
    after = {"lowest": min(scales), "last": scales[-1], "skipped": skipped}
    trainer.log("observation", "info", text, before={"loss_scale": scales[0]}, after=after)


def corrupt_copy(trainer: Trainer, event: Event) -> None:
    """Change some values in a copy of the checkpoint; digests by tensor must name the tensor, and its loss must suffer."""
    values = int(event.params["values"])
    trainer.save()
    good = torch.load(trainer.checkpoint, weights_only=True)["model"]
    bad = {name: tensor.clone() for name, tensor in good.items()}
    name = sorted(name for name, tensor in bad.items() if tensor.dim() > 1 and "layers" in name)[0]
    flat = bad[name].view(-1)
    places = numpy.random.default_rng(trainer.state.step).choice(len(flat), values, replace=False)
    flat[torch.from_numpy(places)] *= -1000
    copy = io.BytesIO()
    torch.save(bad, copy)
    read = torch.load(io.BytesIO(copy.getvalue()), weights_only=True)
    sound, found = tensor_digests(good), tensor_digests(read)
    differ = sorted(each for each in sound if sound[each] != found[each])
    before = trainer.validate()
    trainer.model.load_state_dict(read)
    after = trainer.validate()
    trainer.load()
    text = (
        f"Planned fault: {values} values of a copy of the checkpoint were changed. Digests by tensor name {', '.join(differ)} "
        f"({'the one' if differ == [name] else 'NOT the one'} that was changed) among {len(sound)}; loss on held-out text {before:.3f} with the good "
        f"copy, {after:.3f} with the bad one. The good one was loaded again."
    )
    trainer.log("io_error", "warning", text, before={"val_loss": before}, after={"val_loss": after, "tensors": differ})


def switch_attention(trainer: Trainer, event: Event) -> None:
    """Run the same steps under another attention kernel, compare pace and losses, go on with the one from before."""
    steps = int(event.params["steps"])
    fused = trainer.model.config._attn_implementation
    trainer.save()
    trainer.model.set_attn_implementation("eager")
    with trial(trainer):
        plain, plain_pace = trainer.advance(steps), pace(trainer)
    trainer.load()
    trainer.model.set_attn_implementation(fused)
    kept, kept_pace = trainer.advance(steps), pace(trainer)
    apart = max(abs(one - other) for one, other in zip(plain, kept, strict=True))
    text = (
        f"Software change (planned), tried and taken back: attention by {fused} became eager. On the same {steps} steps {plain_pace:,.0f} tokens/s "
        f"with eager and {kept_pace:,.0f} with {fused}; their losses lie at most {apart:.4f} apart."
    )
    before, after = {"tokens_per_s": kept_pace, "kernel": fused}, {"tokens_per_s": plain_pace, "kernel": "eager"}
    trainer.log("change", "info", text, before=before, after=after)


def pace(trainer: Trainer) -> float:
    """Tokens per second over the last steps."""
    return trainer.recipe.batch_tokens * len(trainer.seconds) / sum(trainer.seconds)


VERBS: dict[str, Callable[[Trainer, Event], None]] = {
    "kill": kill,
    "raise_learning_rate": raise_learning_rate,
    "lose_optimizer": lose_optimizer,
    "fail_checkpoint": fail_checkpoint,
    "set_clip": set_clip,
    "set_weight_decay": set_weight_decay,
    "repeat_batch": repeat_batch,
    "search_loss_scale": search_loss_scale,
    "corrupt_copy": corrupt_copy,
    "switch_attention": switch_attention,
}
