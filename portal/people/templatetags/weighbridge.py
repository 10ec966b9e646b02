"""The components of the design system as template tags; each draws one file of templates/_components."""

import datetime
import re
from collections.abc import Iterable
from typing import Any

from django import forms, template
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.forms import BaseForm, BoundField, CheckboxInput
from django.template import Context
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal import sheets
from portal.written import bytes_both, day, in_bytes, stamp, thousands

register = template.Library()
register.filter("bytes", in_bytes)
for each in (bytes_both, thousands, stamp, day):
    register.filter(each)

STATE_ICONS = {"ok": "check", "wait": "clock", "stop": "stop", "gate": "gate", "mute": "pause", "here": "pen"}
NOTICE_ICONS = STATE_ICONS | {"plain": "info", "here": "info", "mute": "info"}
TO_DO_WHERE_EMPTY = (
    (forms.BooleanField, gettext_lazy("Tick this to go on.")),
    ((forms.MultipleChoiceField, forms.ModelMultipleChoiceField), gettext_lazy("Choose at least one.")),
    ((forms.ChoiceField, forms.ModelChoiceField), gettext_lazy("Choose one.")),
    ((forms.IntegerField, forms.DecimalField, forms.FloatField), gettext_lazy("Write a number.")),
    (forms.FileField, gettext_lazy("Choose a file.")),
    (forms.Field, gettext_lazy("Write it.")),
)
"""What to do with a required field that was left empty, by its kind; the first that fits."""
TO_DO_WHERE_NO_ADDRESS = (
    (EmailValidator.message, gettext_lazy("Write a whole address, for example name@northfield.example.")),
    (
        forms.URLField.default_error_messages["invalid"],
        gettext_lazy("Write the whole address of a page, for example https://northfield.example/people."),
    ),
)
"""In the stead of Django's own words, for which other packages bring translations that address a reader as no page of ours does."""
MESSAGE_KINDS = {"success": "ok", "warning": "wait", "error": "stop"}


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw one icon of icons.svg at the size of the text; it stands beside a word, so it has no name of its own."""
    sprite = staticfiles_storage.url("weighbridge/icons.svg")
    return format_html('<svg class="i" aria-hidden="true"><use href="{}#{}"></use></svg>', sprite, name)


@register.simple_tag
def state(kind: str, word: str, icon_name: str = "") -> SafeString:
    """Show a state as icon and word. Kinds: ok, wait, stop, gate, mute, here (= your turn)."""
    return format_html(
        '<span class="st {}">{} <span>{}</span></span>', kind, icon(icon_name or STATE_ICONS[kind]), word
    )


@register.inclusion_tag("_components/facts.html")
def facts(pairs: Iterable[tuple[str, object]], style: str = "facts") -> dict[str, object]:
    """List (term, value) pairs; style 'facts' puts terms above values, 'pairs' beside them."""
    return {"pairs": list(pairs), "style": style}


@register.inclusion_tag("_components/field.html")
def field(bound: BoundField, hint: str = "") -> dict[str, object]:
    """Draw one form field: label, hint, errors, control, tied together by aria-describedby."""
    help_text = hint or bound.help_text
    bound.field.widget.attrs.pop("placeholder", None)  # the label says it, and stays when one types
    return {
        "field": bound,
        "hint": help_text,
        "hint_id": f"{bound.auto_id}_helptext",
        "error_id": f"{bound.auto_id}_error",
        "described_by": _described_by(bound, has_hint=bool(help_text)),
        "control": _control(bound, has_hint=bool(help_text)),
        "one_choice": isinstance(bound.field.widget, CheckboxInput),
        "group": bound.use_fieldset,
    }


@register.filter
def said(bound: BoundField) -> list[str]:
    """What is wrong with a field, as sentences that say what to do: Django's own about an empty one, or no address, do not."""
    return [text for error in bound.errors.as_data() for text in _sentences(error, bound.field)]


def _sentences(error: ValidationError, field: forms.Field) -> list[str]:
    if error.code == "required" and error.message is forms.Field.default_error_messages["required"]:
        return [str(next(text for kinds, text in TO_DO_WHERE_EMPTY if isinstance(field, kinds)))]
    told = [str(text) for words, text in TO_DO_WHERE_NO_ADDRESS if error.message is words]
    return told or list(error.messages)


def _described_by(bound: BoundField, *, has_hint: bool) -> str:
    parts = [f"{bound.auto_id}_helptext"] if has_hint else []
    parts += [f"{bound.auto_id}_error"] if bound.errors else []
    return " ".join(parts)


def _control(bound: BoundField, *, has_hint: bool) -> SafeString:
    """Render the control, in a group one .choice a subwidget."""
    if bound.use_fieldset and hasattr(bound.field, "choices"):
        rows = ((str(sub.tag()), sub.id_for_label, sub.choice_label) for sub in bound)
        return format_html_join(
            "",
            '<div class="choice">{}<label for="{}">{}</label></div>',
            ((mark_safe(tag), pk, label) for tag, pk, label in rows),  # noqa: S308 - rendered by Django's own widget
        )
    described = _described_by(bound, has_hint=has_hint)
    return bound.as_widget(attrs={"aria-describedby": described} if described else {})


@register.inclusion_tag("_components/error_summary.html")
def error_summary(form: BaseForm, *, focus: bool = True) -> dict[str, object]:
    """List every error of a form first, each linked to its control; takes the focus when the page loads."""
    entries = [
        (_first_control(form[name]), form[name].label, error)
        for name in form.errors
        if name in form.fields
        for error in said(form[name])
    ]
    general = list(form.non_field_errors())
    return {"entries": entries, "general": general, "count": len(entries) + len(general), "focus": focus}


def _first_control(bound: BoundField) -> str:
    """Return the id to jump to: a group has no control of its own, so its first choice."""
    return f"{bound.auto_id}_0" if bound.use_fieldset and hasattr(bound.field, "choices") else bound.auto_id


@register.simple_tag
def digest(value: str, length: int = 0) -> SafeString:
    """Show a hex digest with its first eight digits strong; length > 0 shortens it, with the whole in the title."""
    if not length or length >= len(value):
        return format_html('<code class="digest"><b>{}</b>{}</code>', value[:8], value[8:])
    return format_html('<code class="digest" title="{}"><b>{}</b>{}…</code>', value, value[:8], value[8:length])


@register.filter
def address(mail: str) -> SafeString:
    """Write an address so that a narrow column breaks it where people do, after the sign and before a point of its domain,
    and no machine translates the pieces."""
    local, _at, domain = mail.rpartition("@")
    if not local:
        return format_html("{}", mail)
    parts = format_html_join(mark_safe("<wbr>."), "{}", ((part,) for part in domain.split(".")))
    return format_html('<span translate="no">{}@<wbr>{}</span>', local, parts)


@register.filter
def document(text: str) -> SafeString:
    """Set a plain text as headings (lines that begin with #) and paragraphs; nothing else in it is markup."""
    blocks = (block.strip() for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")))
    return format_html_join("\n", "{}", ((_block(block),) for block in blocks if block))


def _block(block: str) -> SafeString:
    heading = re.fullmatch(r"(#{1,3}) +(.+)", block)
    if heading:
        return format_html("<h3>{}</h3>", heading[2])
    return format_html("<p>{}</p>", format_html_join(mark_safe("<br>"), "{}", ((line,) for line in block.split("\n"))))


@register.inclusion_tag("_components/timeline.html")
def timeline(entries: Iterable[Any]) -> dict[str, object]:
    """Draw a history. An entry has .when (datetime, date, word or None), .title, .note and .state (done, now, todo)."""
    return {"entries": list(entries)}


@register.filter
def as_when(when: datetime.datetime | str | None) -> SafeString | str:
    """Write the left column of a timeline: a moment as a time, a word as it is."""
    if isinstance(when, datetime.datetime):
        return stamp(when)
    return format_html('<span class="when">{}</span>', when or "")


@register.inclusion_tag("_components/crumbs.html")
def crumbs(*parts: str) -> dict[str, object]:
    """Draw a breadcrumb: label, url, label, url, …, label of this page."""
    return {"links": list(zip(parts[0::2], parts[1::2], strict=False)), "here": parts[-1]}


@register.simple_block_tag
def code(content: str, label: str = "") -> str:
    """Show code to paste, with a copy button. Lines that begin '$ ' get a prompt that is not copied; '#' are comments."""
    lines = [_code_line(line) for line in str(content).strip("\n").rstrip().split("\n")]
    return render_to_string(
        "_components/code.html",
        {"body": mark_safe("\n".join(lines)), "label": label or _("Code")},  # noqa: S308 - escaped line by line
    )


def _code_line(line: str) -> str:
    """Mark up one line; a block tag's content is rendered, so escaped, already."""
    prompted = re.sub(r"^\$ ", '<span class="p">$ </span>', line)
    return re.sub(r"((?:^|\s{2,})#.*)$", r'<span class="c">\1</span>', prompted)


@register.inclusion_tag("_components/gauge.html")
def gauge(used: float, limit: float) -> dict[str, object]:
    """Draw a ruler filled from 0 to used/limit; red from 90 %. Write the number in words beside it."""
    share = 0.0 if limit <= 0 else min(1.0, max(0.0, used / limit))
    ticks = [f"{tenth * 10}%" for tenth in range(11)]
    return {"share": f"{share * 100:.2f}%", "percent": round(share * 100), "high": share >= 0.9, "ticks": ticks}


@register.simple_block_tag
def empty(content: str, title: str, level: int = 3) -> str:
    """Say what would be here, why one would want it, and how to begin."""
    return render_to_string("_components/empty.html", {"title": title, "body": content, "level": level})


@register.simple_block_tag
def notice(content: str, kind: str, title: str, icon_name: str = "", level: int = 2) -> str:
    """Set something apart. Kinds: gate, stop, wait, ok, here, plain."""
    shown = icon_name or NOTICE_ICONS[kind]
    return render_to_string(
        "_components/notice.html", {"kind": kind, "title": title, "icon_name": shown, "body": content, "level": level}
    )


@register.filter
def message_kind(level_tag: str) -> str:
    """Translate a message level of Django into a kind of notice."""
    return MESSAGE_KINDS.get(level_tag, "here")


@register.inclusion_tag("_partials/sheets.html")
def style_sheets() -> dict[str, Any]:
    """The links to the style sheets of every page."""
    return {"addresses": sheets.addresses()}


@register.simple_tag(takes_context=True)
def turn(context: Context, number: int, turns: str = "") -> str:
    """Return the address of this page at another page of a list; `turns` is the parameter and the id of one of several."""
    said = context["request"].GET.copy()
    said[turns or "page"] = str(number)
    return f"?{said.urlencode()}{'#' if turns else ''}{turns}"


@register.simple_tag(takes_context=True)
def current(context: Context, *names: str) -> SafeString | str:
    """Return aria-current when the page's namespace or view is among the names and no "-name" takes it out again."""
    match = getattr(context.get("request"), "resolver_match", None)
    here = {match.namespace, match.view_name} if match is not None else set()
    if here.isdisjoint(names) or not here.isdisjoint(name.removeprefix("-") for name in names if name.startswith("-")):
        return ""
    return mark_safe(' aria-current="page"')
