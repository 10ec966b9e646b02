"""What a series is called, by whichever name its source has for it, and in what unit it counts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from portal.storable import mended

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


@dataclass(frozen=True, slots=True)
class Kind:
    """A series that the portal knows. `unit` is written after a number; empty for a plain one."""

    name: str
    title: str | _StrPromise
    unit: str = ""
    logarithmic: bool = False
    also: tuple[str, ...] = ()


KINDS: Final = (
    Kind("loss", _("training loss"), "nats", logarithmic=True, also=("train_loss", "train/loss", "loss/train", "lm loss", "lm-loss-training/lm loss", "training_loss")),
    Kind("val_loss", _("validation loss"), "nats", logarithmic=True, also=("eval_loss", "valid_loss", "val/loss", "eval/loss", "loss/val", "validation_loss", "lm-loss-validation/lm loss validation")),
    Kind("ppl", _("perplexity"), "", logarithmic=True, also=("perplexity", "train_ppl", "train/ppl")),
    Kind("lr", _("learning rate"), "", also=("learning_rate", "learning-rate", "train/lr", "train/learning_rate", "learning-rate/learning-rate")),
    Kind("grad_norm", _("gradient norm"), "", logarithmic=True, also=("gnorm", "gradient_norm", "grad-norm", "train/grad_norm", "grad-norm/grad-norm")),
    Kind("loss_scale", _("loss scale"), "", logarithmic=True, also=("loss-scale", "train_loss_scale", "loss-scale/loss-scale")),
    Kind("actv_norm", _("activation norm"), "", also=("activation_norm",)),
    Kind("clip", _("gradient clip"), ""),
    Kind("tokens_per_s", _("throughput"), "tokens/s", also=("wps", "tokens_per_second", "throughput", "tokens/s", "train/tokens_per_second")),
    Kind("batch_size", _("batch size"), "", also=("bsz", "batch-size")),
    Kind("emissions", _("emissions"), "kg"),
    Kind("energy_consumed", _("energy"), "kWh"),
    Kind("cpu_energy", _("energy of the processors"), "kWh"),
    Kind("gpu_energy", _("energy of the accelerators"), "kWh"),
    Kind("ram_energy", _("energy of the memory"), "kWh"),
    Kind("cpu_power", _("power of the processors"), "W"),
    Kind("gpu_power", _("power of the accelerators"), "W"),
    Kind("ram_power", _("power of the memory"), "W"),
    Kind("duration", pgettext_lazy("of a run", "duration"), "s"),
)  # fmt: skip
"""In the order in which they are drawn. Losses of language models are in nats per token where the source says no more."""
FIRST: Final = ("loss", "grad_norm", "lr", "tokens_per_s")
"""What is drawn until somebody chooses."""
_BY_NAME: Final = {name: kind for kind in KINDS for name in (kind.name, *kind.also)}
_ORDER: Final = {kind.name: place for place, kind in enumerate(KINDS)}
_ODD: Final = re.compile(r"[^A-Za-z0-9_.%/()@ +-]")
LONGEST: Final = 80


def known(source: str) -> str:
    """The name under which a series is kept: ours where we know it, else its own without odd signs, 80 at most."""
    kind = _BY_NAME.get(source) or _BY_NAME.get(source.lower())
    return kind.name if kind else _ODD.sub("_", source)[:LONGEST].strip() or "_"


def written(source: str) -> str:
    """The source's own name as the database can keep it, 200 characters at most."""
    return mended(source[:200])


def kind_of(name: str) -> Kind:
    """What is known of a series by its kept name; one that we do not know is called as it is, without a unit."""
    return _BY_NAME.get(name) or Kind(name, name)


def order(name: str) -> tuple[int, str]:
    """Sorts series as they are drawn: those that we know first."""
    return _ORDER.get(name, len(_ORDER)), name
