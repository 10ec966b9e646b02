"""Shapes and fields that say what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers


class Choice(serializers.ChoiceField):
    """The framework's, whose refusal names the choices."""

    default_error_messages = {"invalid_choice": _("Choose among: {choices}.")}

    def fail(self, key: str, **kwargs: Any) -> NoReturn:
        """Raise ValidationError."""
        super().fail(key, choices=", ".join(str(each) for each in self.choices if each != ""), **kwargs)


class Taken(serializers.Serializer[Any]):
    """The shape of a body or a query. A name that it does not have is refused: a slip would be taken for silence."""

    def to_internal_value(self, data: object) -> Any:  # noqa: ANN401 the framework's signature
        """What was sent, in its types. Raises ValidationError field by field."""
        unknown = sorted(str(name) for name in data if name not in self.fields) if isinstance(data, Mapping) else []
        if unknown:
            wrong = _("There is no such field. Choose among: {fields}.").format(fields=", ".join(self.fields))
            raise serializers.ValidationError({name: [wrong] for name in unknown})
        return super().to_internal_value(data)
