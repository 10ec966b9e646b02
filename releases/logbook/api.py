"""Logbooks for programs: read them, as everybody may, and write one's lab's; the verbs of the editor."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal.api.fields import Choice, Taken
from portal.api.operations import MANAGE, Operation, Scoped
from portal.errors import Invalid, NotFound
from portal.people.models import User
from releases import actions as releases_actions
from releases import chronicles, lookup
from releases.chronicles import stamps
from releases.chronicles.drafts import RAW_MAX, RUN_MAX, TEXT_MAX, TITLE_MAX
from releases.logbook import actions
from releases.logbook.actions import Imported
from releases.logbook.shelves import Asked
from releases.logbook.taking_back import take_back_entries
from releases.logbook_lifecycle import State
from releases.logbook_models import Confidence, Entry, Kind, Logbook, Severity
from releases.models import Family, Model

TAG: Final = "logbooks"
IMPORT_MAX: Final = 6 << 20
"""Bytes of a source in JSON; its text may have four million characters, as a file on the page."""
LINKS: Final = {name: {"logbook": "$response.body#/id"} for name in ("listEntries", "freezeLogbook")}


class LogbookShape(serializers.Serializer[Any]):
    """The training log of a model, or of a family beside its models'."""

    id = serializers.IntegerField(source="pk")
    subject = serializers.CharField(source="subject.full_name", help_text="`lab/name` of the model or family.")
    kind = serializers.SerializerMethodField()
    title = serializers.CharField()
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]  # the wire's word
    state = Choice(choices=[state.value for state in State])
    changed_at = serializers.DateTimeField()
    frozen_at = serializers.DateTimeField(allow_null=True)

    def get_kind(self, book: Logbook) -> str:
        """`model` or `family`."""
        return "model" if book.model_id else "family"


class EntryShape(serializers.Serializer[Any]):
    """One thing that happened, as its source tells it."""

    number = serializers.IntegerField(source="order", help_text="Its place in the logbook; never another's.")
    raw_stamp = serializers.CharField(allow_blank=True, help_text="The time as the source writes it.")
    at = serializers.DateTimeField(allow_null=True, help_text="What that means in UTC.")
    confidence = Choice(choices=Confidence.values)
    run = serializers.CharField(source="run.name", default=None, allow_null=True)
    step = serializers.IntegerField(allow_null=True)
    kind = Choice(choices=Kind.values)
    raw_kind = serializers.CharField(allow_blank=True, help_text="The source's own word for the kind.")
    severity = Choice(choices=Severity.values)
    title = serializers.CharField(allow_blank=True)
    text = serializers.CharField(allow_blank=True, help_text="Markdown.")
    before = serializers.DictField(help_text="Parameters or measurements before, by name.")
    after = serializers.DictField()
    supersedes = serializers.IntegerField(
        source="supersedes.order",
        default=None,
        allow_null=True,
        help_text="Number of the entry that this one corrects.",
    )
    annotates = serializers.IntegerField(source="annotates.order", default=None, allow_null=True)
    erratum = serializers.BooleanField(help_text="Whether it was written after the logbook was frozen.")
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]  # the wire's word
    created_at = serializers.DateTimeField()


class ImportedShape(serializers.Serializer[Any]):
    """What an import did."""

    added = serializers.IntegerField()
    corrected = serializers.IntegerField(help_text="Of those added: entries that supersede an earlier one.")
    known = serializers.IntegerField(help_text="Entries that were there already.")
    at = serializers.DateTimeField(
        allow_null=True, help_text="Names this import, to take it back; null where nothing came."
    )


class TakenBack(Taken):
    """Which import."""

    at = serializers.DateTimeField(help_text="As the import's answer gave it.")


class TakenBackShape(serializers.Serializer[Any]):
    """What is gone."""

    removed = serializers.IntegerField(help_text="Entries.")


class Sought(Taken):
    """Which logbooks."""

    subject = serializers.CharField(
        required=False, default="", max_length=200, help_text="Only those of the model or family `lab/name`."
    )


class Opened(Taken):
    """What it is about."""

    subject = serializers.CharField(max_length=200, help_text="`lab/name` of a model or family of one's lab.")
    kind = Choice(choices=["model", "family"], required=False, default="model")
    title = serializers.CharField(required=False, allow_blank=True, default="", max_length=160)
    source = serializers.CharField(required=False, allow_blank=True, default="", max_length=2_000)  # type: ignore[assignment]  # the wire's word


class Filter(Taken):
    """Which entries; in the order in which they were written."""

    q = serializers.CharField(required=False, default="", max_length=100, help_text="Words; quotes, `or` and `-` work.")
    kind = Choice(choices=Kind.values, required=False, default="")
    severity = Choice(choices=Severity.values, required=False, default="")
    run = serializers.CharField(required=False, default="", max_length=RUN_MAX)
    first_step = serializers.IntegerField(required=False, default=None, min_value=0)
    last_step = serializers.IntegerField(required=False, default=None, min_value=0)


class Written(Taken):
    """An entry. A `supersedes` in a frozen logbook makes it an erratum."""

    title = serializers.CharField(required=False, allow_blank=True, default="", max_length=TITLE_MAX)
    text = serializers.CharField(required=False, allow_blank=True, default="", max_length=TEXT_MAX)
    raw_stamp = serializers.CharField(required=False, allow_blank=True, default="", max_length=RAW_MAX)
    at = serializers.DateTimeField(
        required=False, default=None, allow_null=True, help_text="Left out: read from raw_stamp as far as it can be."
    )
    confidence = Choice(choices=Confidence.values, required=False, default="")
    run = serializers.CharField(required=False, allow_blank=True, default="", max_length=RUN_MAX)
    step = serializers.IntegerField(required=False, default=None, allow_null=True, min_value=0)
    kind = Choice(choices=Kind.values, required=False, default="note")
    severity = Choice(choices=Severity.values, required=False, default="info")
    before = serializers.DictField(required=False, default=dict)
    after = serializers.DictField(required=False, default=dict)
    source = serializers.CharField(required=False, allow_blank=True, default="", max_length=2_000)  # type: ignore[assignment]  # the wire's word


class Added(Written):
    """The same, and the entry that it speaks of."""

    supersedes = serializers.IntegerField(required=False, default=None, allow_null=True, help_text="A number.")
    annotates = serializers.IntegerField(required=False, default=None, allow_null=True, help_text="A number.")


class Source(Taken):
    """A source, whole."""

    text = serializers.CharField(max_length=4_000_000, trim_whitespace=False)
    name = serializers.CharField(max_length=100, help_text="The same name again finds what was imported before.")
    format = Choice(choices=list(chronicles.FORMATS), required=False, default="", help_text="Left out: by the name.")
    year = serializers.IntegerField(required=False, default=None, min_value=1990, max_value=2100)
    zone = serializers.CharField(required=False, allow_blank=True, default="", max_length=6)

    def validate_zone(self, zone: str) -> str:
        """A zone that we know."""
        if not stamps.known_zone(zone):
            raise serializers.ValidationError(_("Choose UTC, ET, PT, CET, or an offset like +01:00."))
        return zone


class Logbooks(Scoped):
    """`/api/v1/logbooks`."""

    @Operation(
        name="listLogbooks", tag=TAG, scopes=None, listed=True, asks=Sought, gives=LogbookShape,
        links={"listEntries": {"logbook": "$response.body#/results/0/id"}},
    )  # fmt: skip
    def get(self, request: Request, asked: dict[str, Any]) -> QuerySet[Logbook]:
        """List the logbooks of families and of published models; a draft's is read on its page."""
        found = Logbook.objects.visible_to(None).with_subjects().order_by("pk")
        lab, _slash, name = asked["subject"].partition("/")
        if not asked["subject"]:
            return found
        subject = Q(model__in=Model.objects.ever_called(lab, name)) | Q(family__lab__slug=lab, family__slug=name)
        return found.filter(subject)

    @Operation(
        name="openLogbook", tag=TAG, scopes=(MANAGE,), takes=Opened, gives=LogbookShape, status=201, recent=True,
        problems=(404, 503), links=LINKS, example={"subject": "lyceum/gated-5m"},
    )  # fmt: skip
    def post(self, request: Request, said: dict[str, Any]) -> Logbook:
        """Open the logbook of a model or family of one's lab; the one that it has, where there is one."""
        user = self.person(request)
        subject = _subject(user, said["kind"], said["subject"])
        return actions.open_logbook(subject=subject, by=user, title=said["title"], source=said["source"])


class Entries(Scoped):
    """`/api/v1/logbooks/<logbook>/entries`."""

    @Operation(name="listEntries", tag=TAG, scopes=None, listed=True, asks=Filter, gives=EntryShape, problems=(404,))
    def get(self, request: Request, logbook: int, asked: dict[str, Any]) -> QuerySet[Entry]:
        """List a logbook's entries; what a later one corrects stays."""
        book = _public(logbook)
        wanted = Asked(
            query=asked["q"], kind=asked["kind"], severity=asked["severity"], run=asked["run"],
            first=asked["first_step"], last=asked["last_step"],
        )  # fmt: skip
        return wanted.among(_rows(book))

    @Operation(
        name="addEntry", tag=TAG, scopes=(MANAGE,), takes=Added, gives=EntryShape, status=201, recent=True,
        problems=(404, 503),
        example={"raw_stamp": "2022-01-06 12:46 PST", "kind": "complete", "title": "All tokens are seen"},
    )  # fmt: skip
    def post(self, request: Request, logbook: int, said: dict[str, Any]) -> Entry:
        """Write an entry; one that supersedes or annotates another leaves that as it is."""
        user = self.person(request)
        book = managed(user, logbook)
        supersedes, annotates = (_other(book, said, name) for name in ("supersedes", "annotates"))
        written = actions.add_entry(logbook=book, by=user, said=said, supersedes=supersedes, annotates=annotates)
        return _rows(book).get(pk=written.pk)


class EntryDetail(Scoped):
    """`/api/v1/logbooks/<logbook>/entries/<number>`."""

    @Operation(name="getEntry", tag=TAG, scopes=None, gives=EntryShape, problems=(404,))
    def get(self, request: Request, logbook: int, number: int) -> Entry:
        """Read one entry."""
        return _entry(_public(logbook), number)

    @Operation(
        name="editEntry", tag=TAG, scopes=(MANAGE,), takes=Written, gives=EntryShape, recent=True, problems=(404, 503),
        example={"title": "All tokens are seen", "kind": "complete", "step": 143_000},
    )  # fmt: skip
    def put(self, request: Request, logbook: int, number: int, said: dict[str, Any]) -> Entry:
        """Write an entry anew, while its logbook is open."""
        user = self.person(request)
        book = managed(user, logbook)
        actions.edit_entry(entry=_entry(book, number), by=user, said=said)
        return _entry(book, number)


class Imports(Scoped):
    """`/api/v1/logbooks/<logbook>/import`."""

    @Operation(
        name="importEntries", tag=TAG, scopes=(MANAGE,), takes=Source, gives=ImportedShape, recent=True, most=IMPORT_MAX,
        problems=(404, 503), example={"name": "chronicles.md", "text": "### 2022-03-11\n\nLaunch\n"},
    )  # fmt: skip
    def post(self, request: Request, logbook: int, said: dict[str, Any]) -> Imported:
        """Add what a chronicle or a JSON file holds and the logbook does not; where a line is wrong, nothing."""
        user = self.person(request)
        book = managed(user, logbook)
        parsed = chronicles.read(
            said["text"], name=said["name"], kind=said["format"], year=said["year"], zone=said["zone"]
        )
        return actions.import_entries(logbook=book, parsed=parsed, name=said["name"], by=user)


class ImportTakenBack(Scoped):
    """`/api/v1/logbooks/<logbook>/import/take-back`."""

    @Operation(
        name="takeBackEntries", tag=TAG, scopes=(MANAGE,), takes=TakenBack, gives=TakenBackShape, problems=(404, 503),
        example={"at": "2026-11-26T09:30:00.123456Z"},
    )  # fmt: skip
    def post(self, request: Request, logbook: int, said: dict[str, Any]) -> dict[str, int]:
        """Undo an import while the logbook is open, unless a later entry speaks of what came; its numbers are not given again."""
        user = self.person(request)
        return {"removed": take_back_entries(logbook=managed(user, logbook), at=said["at"], by=user)}


class Freeze(Scoped):
    """`/api/v1/logbooks/<logbook>/freeze`."""

    @Operation(name="freezeLogbook", tag=TAG, scopes=(MANAGE,), gives=LogbookShape, recent=True, problems=(404,))
    def post(self, request: Request, logbook: int) -> Logbook:
        """Let nothing in it change any more; from then on a mistake is corrected by an erratum."""
        user = self.person(request)
        return releases_actions.freeze_logbook(logbook=managed(user, logbook), by=user)


def _public(pk: int) -> Logbook:
    found = Logbook.objects.visible_to(None).with_subjects().filter(pk=pk).first()
    if found is None:
        raise NotFound(_("There is no such logbook, or it is not public."))
    return found


def managed(user: User, pk: int) -> Logbook:
    """A logbook of a lab where this person has a role. Raises NotFound for every other."""
    found = Logbook.objects.with_subjects().filter(pk=pk).first()
    if found is None or not user.roles_in(found.lab):
        raise NotFound(_("There is no such logbook, or it belongs to another lab."))
    return found


def _subject(user: User, kind: str, full_name: str) -> Family | Model:
    lab, _slash, name = full_name.partition("/")
    found: Family | Model | None = (
        lookup.family(lab, name) if kind == "family" else lookup.model_ever(lab, name, person=user, now=timezone.now())
    )
    if found is None or not user.roles_in(found.lab):
        raise NotFound(_("There is no such model or family, or it belongs to another lab."))
    return found


def _rows(book: Logbook) -> QuerySet[Entry]:
    return book.entries.select_related("run", "supersedes", "annotates").defer("words")


def _entry(book: Logbook, number: int) -> Entry:
    found = _rows(book).select_related("logbook").filter(order=number).first()
    if found is None:
        raise NotFound(_("There is no entry of this number in this logbook."))
    return found


def _other(book: Logbook, said: dict[str, Any], name: str) -> Entry | None:
    number = said.pop(name)
    found = book.entries.filter(order=number).first() if number is not None else None
    if number is not None and found is None:
        wrong = _("There is no entry of this number in this logbook.")
        raise Invalid(wrong, fields={name: [wrong]})
    return found
