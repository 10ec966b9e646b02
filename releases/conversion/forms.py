"""What one asks of a conversion. Whether the files can give it is decided by the action (wishes.check)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from releases.conversion import wishes
from releases.conversion.child.splits import ARCHITECTURES
from releases.conversion.wishes import Wish
from releases.conversion_lifecycle import Operation

OPERATIONS: Final = {
    Operation.CONVERT: _("Convert pickles to safetensors"),
    Operation.CONSOLIDATE: _("Consolidate pieces: flattened shards (FSDP), or parts of a tensor-parallel run"),
    Operation.RESHARD: _("Deal the same tensors to another number of files"),
    Operation.CAST: _("Cast to another type"),
}
OPERATION_WORDS: Final = {
    Operation.CONVERT: _("to safetensors"),
    Operation.CONSOLIDATE: _("consolidate"),
    Operation.RESHARD: _("reshard"),
    Operation.CAST: _("cast"),
}
_TYPES: Final = {
    "F16": _("F16: half precision; values above 65,504 are refused"),
    "BF16": _("BF16: the range of F32, with fewer digits"),
    "F32": _("F32: single precision; nothing is lost"),
}


class ConvertForm(forms.Form):
    """An operation, its sources, its options."""

    operation = forms.ChoiceField(
        label=_("What to do"),
        widget=forms.RadioSelect,
        choices=[(operation.value, words) for operation, words in OPERATIONS.items()],
        initial=Operation.CONVERT.value,
        help_text=_("Every result is safetensors, read back and compared."),
    )
    files = forms.MultipleChoiceField(  # type: ignore[assignment]  # a field, which Django takes off the class
        label=_("Files"),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("The result takes their place in a new draft."),
        error_messages={"required": _("Choose at least one file of weights.")},
    )
    shards = forms.IntegerField(
        label=_("Files of the result"),
        initial=1,
        min_value=1,
        max_value=wishes.SHARDS_MAX,
        widget=forms.NumberInput(attrs={"class": "short"}),
    )
    dtype = forms.ChoiceField(
        label=_("Type"),
        required=False,
        choices=[("", _("choose …")), *_TYPES.items()],
        help_text=_("For a cast. Whole numbers stay as they are."),
    )
    architecture = forms.ChoiceField(
        label=_("Architecture"),
        required=False,
        choices=[("", _("choose …")), *((key, row.title) for key, row in ARCHITECTURES.items())],
        help_text=_("For parts of a tensor-parallel run: how each kind of tensor was cut."),
    )

    def __init__(self, *args: Any, paths: Iterable[str], **kwargs: Any) -> None:
        found = wishes.sources(paths)
        kwargs.setdefault("initial", {"files": wishes.chosen(found)})
        super().__init__(*args, **kwargs)
        self.fields["files"].choices = [(path, path) for path in found]  # type: ignore[attr-defined]

    def wish(self) -> Wish:
        """What was asked, once it is valid."""
        told = self.cleaned_data
        cast, parts = told["operation"] == Operation.CAST, told["operation"] == Operation.CONSOLIDATE
        return Wish(
            Operation(told["operation"]), tuple(sorted(told["files"])), told["shards"],
            dtype=told["dtype"] if cast else "", architecture=told["architecture"] if parts else "",
        )  # fmt: skip

    def take(self, problems: dict[str, list[str]]) -> None:
        """Show an action's refusal beside the fields."""
        for name, texts in problems.items():
            for text in texts:
                self.add_error(name if name in self.fields else None, text)
