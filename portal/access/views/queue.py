"""The review queue: filtered, saved, taken as a file, and several of its applications at once."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from portal.access import actions, exports, forms, sections, waiting
from portal.access.actions import desk
from portal.access.application_models import Application, ApplicationQuerySet, Change, Lane
from portal.access.desk_models import SavedFilter
from portal.access.gate_models import Gate
from portal.access.lifetime import RenewalStatus
from portal.access.lifetime_models import Renewal
from portal.access.models import Grant
from portal.access.queue import SHOWN, TO_SPOT_CHECK, Chosen, rows_of
from portal.access.views.staff import colleagues, memberships, staff
from portal.counting import counts
from portal.errors import Invalid, NotFound
from portal.people.models import User
from portal.people.second_factor import step_up

PAGE: Final = 50


def gates_of(user: User) -> list[Gate]:
    """The gates of one's labs, as the filters need them."""
    return list(Gate.objects.filter(lab__in=memberships(user).values("lab")).only("slug", "title", "target_days"))


@login_required
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """What waits for one's labs, oldest first; every filter is in the address."""
    return _page(request, staff(request))


def _page(request: HttpRequest, user: User, problems: dict[str, list[str]] | None = None) -> HttpResponse:
    now, chosen, gates = timezone.now(), Chosen.read(request.GET), gates_of(user)
    rows = chosen.apply(rows_of(user), user, gates, now)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [(row, waiting.business_days(row.waits_since or now, now)) for row in page],
        "chosen": chosen,
        "query": chosen.query(),
        "shown": _shown(),
        "lanes": Lane.choices,
        "gates": gates,
        "colleagues": colleagues(user),
        **_elsewhere(user),
        "notices": sections.of_queue.drawn(user, user, request),
        "saved": list(SavedFilter.objects.filter(user=user)),
        **forms.marked(problems or {}, {"name": _("Name of this view")}),
        "typed": request.POST,
    }
    return render(request, "access/queue.html", context, status=422 if problems else 200)


def _elsewhere(user: User) -> dict[str, int]:
    """How many renewals wait for one's labs, and how many approvals by rule to spot-check."""
    waiting_renewals = Renewal.objects.filter(status=RenewalStatus.SUBMITTED)
    return counts(
        {
            "renewals": waiting_renewals.filter(grant__in=Grant.objects.for_staff(user)),
            "spot_checks": Application.objects.for_staff(user).filter(TO_SPOT_CHECK),
        }
    )


def _shown() -> list[tuple[str, str]]:
    words = {
        "waiting": _("waiting for us"),
        "submitted": _("not yet taken up"),
        "in_review": _("in review"),
        "appealed": _("appealed"),
        "changes_requested": _("waiting for the applicant"),
        "approved": _("approved, to be signed"),
        "passed": _("approved by rules"),
        "spot_check": _("approved by rules, to spot-check"),
        "closed": _("closed"),
        "all": _("all"),
    }
    return [(name, words[name]) for name in SHOWN]


@login_required
@require_POST
def save_filter(request: HttpRequest) -> HttpResponse:
    """Keep the filters of this address under a name."""
    user = staff(request)
    chosen = Chosen.read(request.GET)
    try:
        kept = actions.save_filter(by=user, name=request.POST.get("name", ""), query=chosen)
    except Invalid as error:
        return _page(request, user, error.fields)
    messages.success(request, _("Kept as “%(name)s”.") % {"name": kept.name})
    return redirect(kept)


@login_required
@require_POST
def forget_filter(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove one of one's saved filters."""
    actions.forget_filter(by=staff(request), pk=pk)
    messages.success(request, _("Removed."))
    return redirect("access:queue")


@login_required
@require_GET
def export(request: HttpRequest, shape: str) -> StreamingHttpResponse:
    """The filtered list as a file, all pages of it; each lab's audit trail says who took it."""
    user, now = staff(request), timezone.now()
    if shape not in exports.SHAPES:
        raise NotFound(_("The list comes as csv or jsonl."))
    chosen = Chosen.read(request.GET)
    rows = chosen.apply(rows_of(user), user, gates_of(user), now)
    actions.record_export(by=user, rows=rows, query=chosen.query(), shape=shape)
    lines, media_type = exports.SHAPES[shape]
    answer = StreamingHttpResponse(lines(rows, now), content_type=media_type)
    answer["Content-Disposition"] = f'attachment; filename="applications-{now:%Y-%m-%d}.{shape}"'
    answer["Cache-Control"] = "no-store"
    return answer


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def together(request: HttpRequest) -> HttpResponse:
    """Several at once: first what would happen to each, and only then, confirmed, that."""
    user = staff(request)
    if request.method != "POST":
        return redirect("access:queue")
    picked, expected = _picked(request.POST, user)
    verb = request.POST.get("verb", "")
    if verb not in {"assign", "changes"} or not 0 < len(picked) <= desk.BATCH_LIMIT:
        text = _("Pick between 1 and %(n)s applications, then what to do with them.") % {"n": desk.BATCH_LIMIT}
        messages.error(request, text)
        return redirect(f"{request.path.removesuffix('together/')}?{Chosen.read(request.GET).query()}")
    problems: dict[str, list[str]] = {}
    change = Change(request.POST["change"]) if request.POST.get("change") in Change.values else Change.OTHER
    message, to = request.POST.get("message", ""), _colleague(request.POST.get("to", ""), user)
    if "confirm" in request.POST and (verb == "assign" or message.strip()):
        deed = desk.assigning(user, to) if verb == "assign" else desk.asking(user, message, change, expected)
        _tell(request, desk.together(picked, deed))
        return redirect(f"{request.path.removesuffix('together/')}?{Chosen.read(request.GET).query()}")
    if "confirm" in request.POST:
        problems = {"message": [_("Say what to change, in a sentence or two.")]}
    # The words change nothing about who would be refused, so the rehearsal needs some, not these.
    deed = desk.assigning(user, to) if verb == "assign" else desk.asking(user, message.strip() or "…", change, expected)
    context = {
        "verb": verb,
        "outcomes": [(outcome, expected[outcome.application.pk]) for outcome in desk.rehearse(picked, deed)],
        "to": to,
        "changes": Change.choices,
        "change": change,
        "colleagues": colleagues(user),
        "query": Chosen.read(request.GET).query(),
        **forms.marked(problems, {"message": _("Message to the applicants")}),
        "typed": request.POST,
    }
    return render(request, "access/together.html", context, status=422 if problems else 200)


def _picked(posted: QueryDict, user: User) -> tuple[list[Application], dict[UUID, int]]:
    """The applications of `pick=<id>:<version>` that this person may see, oldest first, and the versions seen."""
    expected: dict[UUID, int] = {}
    for pick in posted.getlist("pick")[: desk.BATCH_LIMIT + 1]:
        name, _colon, version = pick.partition(":")
        try:
            expected[UUID(name)] = int(version[:9])
        except ValueError:
            continue
    rows: ApplicationQuerySet = rows_of(user).filter(pk__in=expected).exclude(applicant=user)
    return list(rows), expected


def _colleague(pk: str, user: User) -> User | None:
    return next((each for each in colleagues(user) if str(each.pk) == pk), None)


def _tell(request: HttpRequest, outcomes: list[desk.Outcome]) -> None:
    refused = [outcome for outcome in outcomes if outcome.problem]
    done = len(outcomes) - len(refused)
    if done:
        messages.success(request, ngettext("%(n)s application done.", "%(n)s applications done.", done) % {"n": done})
    for outcome in refused:
        messages.error(request, f"{outcome.application.reference}: {outcome.problem}")
