"""Pages of a logbook: the list, one entry, the feed, the exports; and for its lab the editor."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from portal import feeds
from portal.errors import Conflict, Invalid, NotFound
from portal.feeds import Item
from portal.people.models import User
from portal.people.second_factor import step_up
from portal.people.views import signed_in
from releases import actions as releases_actions
from releases import lifecycle
from releases.logbook import actions, exports, shelves
from releases.logbook.forms import EntryForm, ImportForm, TakeBackForm
from releases.logbook.shelves import Asked, Shelf
from releases.logbook.taking_back import imports_of, take_back_entries
from releases.logbook_lifecycle import State, Verb, verbs
from releases.logbook_models import Entry, Logbook, Severity
from releases.models import Model
from releases.views import about, family_of, model_of, reader

PREVIEW: Final = 50
IMPORTS: Final = 50
"""Imports on one page."""


@require_safe
def logbook(request: HttpRequest, **names: str) -> HttpResponse:
    """Every entry that the reader may read, searched, filtered, a page at a time."""
    shelf, asked = shelf_of(request, names), Asked.of(request.GET)
    page = shelf.page(asked, request.GET.get("page", "1"))
    context = {
        "page": page,
        "asked": asked,
        "kinds": shelf.kinds(),
        "runs": shelf.runs(),
        "severities": Severity.choices,
    }
    return render(request, "releases/logbook/logbook.html", around(request, shelf) | context)


@require_safe
def entry(request: HttpRequest, number: int, **names: str) -> HttpResponse:
    """One entry, with the entries before and after it in its logbook."""
    shelf = shelf_of(request, names)
    found = shelf.entry(number)
    others = found.logbook.entries.order_by("order").only("order", "title", "text")
    before, after = others.filter(order__lt=number).last(), others.filter(order__gt=number).first()
    for other in filter(None, (before, after)):
        other.logbook = found.logbook
    may = verbs(found.logbook.state, shelf.roles)
    if getattr(found, "successor", None):
        may = tuple(verb for verb in may if verb not in {Verb.SUPERSEDE, Verb.CORRECT})
    context = {"entry": found, "before": before, "after": after, "verbs": may}
    return render(request, "releases/logbook/entry.html", around(request, shelf) | context)


@require_safe
def export(request: HttpRequest, shape: str, **names: str) -> StreamingHttpResponse:
    """What the page's filter shows, all of it, as JSON, Markdown or CSV."""
    shelf = shelf_of(request, names)
    write, kind = exports.SHAPES[shape]
    answer = StreamingHttpResponse(write(shelf, Asked.of(request.GET)), content_type=kind)
    name = shelf.subject.full_name.replace("/", "-")
    answer["Content-Disposition"] = f'attachment; filename="{name}-logbook.{shape}"'
    return answer


@require_safe
def feed(request: HttpRequest, **names: str) -> HttpResponse:
    """The newest entries as an Atom feed."""
    shelf = shelf_of(request, names)
    newest = list(shelf.entries.order_by("-created_at", "-pk")[: feeds.NEWEST])
    shelf.place(newest)
    title = _("Logbook of %(name)s") % {"name": shelf.subject.full_name}
    items = [
        Item(entry.headline, entry.get_absolute_url(), entry.text, entry.created_at, entry.kind, shelf.subject.lab.name)
        for entry in newest
    ]
    return feeds.atom(request, title=title, page=shelf.url("logbook"), items=items)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def edit(request: HttpRequest, **names: str) -> HttpResponse:
    """For release managers: write an entry, import a file, freeze."""
    user, shelf = signed_in(request), kept_shelf(request, names)
    verb = request.POST.get("verb", "")
    entry_form = EntryForm(request.POST if verb == "add" else None)
    import_form = ImportForm(request.POST if verb in {"check", "import"} else None, request.FILES or None)
    problem, preview = "", None
    if verb == "take_back" and (asked := _asked_about(shelf, request)):
        return render(request, "releases/take_back.html", asked)
    if request.method == "POST":
        try:
            if done := _done(user, shelf, request.POST, entry_form, import_form):
                messages.success(request, done)
                return redirect(request.path)
            preview = import_form.parsed if verb == "check" and import_form.is_valid() else None
        except (Conflict, NotFound) as refused:
            problem = refused.message
    failed = bool(problem or entry_form.errors or import_form.errors or (request.method == "POST" and not preview))
    context = {
        "entry_form": entry_form, "import_form": import_form, "problem": problem, "book": shelf.own,
        "verbs": verbs(shelf.own.state if shelf.own else State.OPEN, shelf.roles),
        "imports": Paginator(imports_of(shelf.own) if shelf.own else Entry.objects.none(), IMPORTS).get_page(request.GET.get("imports")),
        "preview": preview.entries[:PREVIEW] if preview else None, "found": len(preview.entries) if preview else 0,
    }  # fmt: skip
    return render(
        request, "releases/logbook/edit.html", around(request, shelf) | context, status=422 if failed else 200
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def edit_entry(request: HttpRequest, number: int, **names: str) -> HttpResponse:
    """For release managers: change an entry, annotate it, or write what supersedes it."""
    user, shelf = signed_in(request), kept_shelf(request, names)
    found = shelf.entry(number)
    may = [verb for verb in verbs(found.logbook.state, shelf.roles) if verb in _OF_ENTRY]
    verb = request.POST.get("verb") or request.GET.get("do") or (may[0] if may else "")
    verb = Verb(verb) if verb in set(may) else (may[0] if may else Verb.CORRECT)
    form = EntryForm(request.POST if request.method == "POST" else None, initial=EntryForm.of(found, verb))
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(_written(user, found, verb, form.said()))
        except Invalid as refused:
            form.take(refused.fields)
        except Conflict as refused:
            problem = refused.message
    context = {"entry": found, "form": form, "verb": verb, "problem": problem, "verbs": may}
    status = 422 if form.errors else 409 if problem else 200
    return render(request, "releases/logbook/edit_entry.html", around(request, shelf) | context, status=status)


_OF_ENTRY: Final = (Verb.EDIT, Verb.ANNOTATE, Verb.SUPERSEDE, Verb.CORRECT)


def _written(user: User, found: Entry, verb: Verb, said: dict[str, Any]) -> Entry:
    if verb == Verb.EDIT:
        return actions.edit_entry(entry=found, by=user, said=said)
    if verb == Verb.ANNOTATE:
        return actions.add_entry(logbook=found.logbook, by=user, said=said, annotates=found)
    return actions.add_entry(logbook=found.logbook, by=user, said=said, supersedes=found)


def _done(user: User, shelf: Shelf, said: QueryDict, entry_form: EntryForm, import_form: ImportForm) -> str:
    """What was done, in a sentence; empty where a form has to be shown again."""
    verb = said.get("verb", "")
    form = {"add": entry_form, "import": import_form}.get(verb)
    if form is not None and not form.is_valid():
        return ""
    try:
        if verb == "add":
            written = actions.add_entry(logbook=_opened(user, shelf), by=user, said=entry_form.said())
            return _("Entry %(n)s was written.") % {"n": written.order}
        if verb == "import":
            parsed, name = import_form.parsed, import_form.cleaned_data["name"]
            done = actions.import_entries(logbook=_opened(user, shelf), parsed=parsed, name=name, by=user)
            counts = {
                name: number_format(getattr(done, name), force_grouping=True)
                for name in ("added", "corrected", "known")
            }
            return _("Added: %(added)s; of them corrections: %(corrected)s. There already: %(known)s.") % counts
        if verb == Verb.TAKE_BACK and shelf.own:
            return _taken_back(user, shelf.own, TakeBackForm(said))
        if verb == "freeze" and shelf.own:
            if not said.get("sure"):
                raise Conflict(_("Tick the box beside “Freeze the logbook” if you mean it: it cannot be opened again."))
            releases_actions.freeze_logbook(logbook=shelf.own, by=user)
            return _("The logbook is frozen. From now on a mistake is corrected by an erratum.")
    except Invalid as refused:
        (form or import_form).take(refused.fields)
    return ""


def _asked_about(shelf: Shelf, request: HttpRequest) -> dict[str, Any] | None:
    """What taking an import back would delete, until somebody has said that they mean it."""
    form = TakeBackForm(request.POST)
    if shelf.own is None or request.POST.get("sure") or not form.is_valid():
        return None
    found = imports_of(shelf.own).filter(created_at=form.cleaned_data["at"]).first()
    if found is None:
        return None
    n = found["entries"]
    shown = number_format(n, force_grouping=True)
    what = ngettext("%(shown)s entry is deleted.", "%(shown)s entries are deleted.", n) % {"shown": shown}
    means = _("Imported again, from your own copy of the file, what they tell has other numbers: links to these end.")
    kept = {"at": found["created_at"].isoformat()}
    return {"subject": shelf.subject.full_name, "what": what, "means": means, "kept": kept, "back": request.path}


def _taken_back(user: User, book: Logbook, form: TakeBackForm) -> str:
    if not form.is_valid():
        raise Conflict(_("There is no such import here. Choose one from the list."))
    n = take_back_entries(logbook=book, at=form.cleaned_data["at"], by=user)
    shown = number_format(n, force_grouping=True)
    return ngettext("%(shown)s entry was taken back.", "%(shown)s entries were taken back.", n) % {"shown": shown}


def _opened(user: User, shelf: Shelf) -> Logbook:
    return shelf.own or actions.open_logbook(subject=shelf.subject, by=user)


def shelf_of(request: HttpRequest, names: dict[str, str]) -> Shelf:
    """The logbooks under an address of a model or a family. Raises NotFound where the reader may not see it."""
    if "slug" in names:
        return shelves.of_family(family_of(names["lab"], names["slug"]), reader(request))
    return shelves.of_model(model_of(request, names["namespace"], names["name"]), reader(request))


def kept_shelf(request: HttpRequest, names: dict[str, str]) -> Shelf:
    """The shelf, for those who look after it. Raises NotFound for everybody else."""
    shelf = shelf_of(request, names)
    if not shelf.roles & lifecycle.STAFF:
        raise NotFound(_("There is nothing at this address."))
    return shelf


def around(request: HttpRequest, shelf: Shelf, tab: str = "logbook") -> dict[str, Any]:
    """What every page of a logbook, and that of its curves, shows around it."""
    told: dict[str, Any] = {"shelf": shelf, "subject": shelf.subject, "edits": bool(shelf.roles & lifecycle.STAFF)}
    if isinstance(shelf.subject, Model):
        return told | about(request, shelf.subject, shelf.subject.main) | {"tab": tab}
    return told | {"family": shelf.subject}
