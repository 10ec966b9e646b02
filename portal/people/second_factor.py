"""Second factors: who must have one, when one is asked again, and what the audit trail hears of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Final

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import suspend_request
from allauth.core.exceptions import ReauthenticationRequired
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.db import transaction
from django.db.models import QuerySet
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import NotAllowed, Reason
from portal.http import Handler, problem_response, wants_json
from portal.people.models import Membership, User

OPEN: Final = ("/account/", "/help/", "/mail/", "/static/", "/me/language/")
"""What staff without a second factor still reach: the way to get one."""
View = Callable[..., HttpResponseBase]
_BY_DEVICE: Final = "confirm_by_device"
"""The session's word for the address whose request waits for a device."""


def confirmed(view: View) -> View:
    """Ask for the password or a second factor (whoever has neither goes to their provider), unless it was asked lately.

    Signing in does not count: a session that somebody left open must not do it. A POST waits in the session and goes
    on by itself.
    """
    return _asking(view, lambda _request: True)


def step_up(view: View) -> View:
    """The same before a POST that signs or decides. Off where STEP_UP is."""
    return _asking(view, _asks)


def by_authenticator(view: View) -> View:
    """Ask for an app's code or a passkey before a POST, whatever STEP_UP says: neither a password nor a recovery code does.

    For what must take two people at two devices. Whoever has none is sent to set one up.
    """

    @wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST" or is_confirmed(request, by_device=True):
            return view(request, *args, **kwargs)
        if not _devices(request.user.pk).exists():
            messages.warning(request, _("This needs an authenticator app or a passkey. Set one up to go on."))
            return HttpResponseRedirect(reverse("mfa_index"))
        messages.warning(
            request, _("This takes your app’s code or a passkey; your password or a recovery code does not open it.")
        )
        request.session[_BY_DEVICE] = request.get_full_path()
        app = _devices(request.user.pk).filter(type=Authenticator.Type.TOTP).exists()
        leads: HttpResponse = suspend_request(
            request, reverse("mfa_reauthenticate" if app else "mfa_reauthenticate_webauthn")
        )
        return leads

    return asked


def takes_device(request: HttpRequest) -> bool:
    """Whether what waits for this page's confirmation is opened by a device alone, so that nothing else is offered."""
    waits = request.session.get(_BY_DEVICE)
    return bool(waits) and waits in {request.POST.get(REDIRECT_FIELD_NAME), request.GET.get(REDIRECT_FIELD_NAME)}


def devices_alone(user: User, methods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the ways to say again that it is oneself, those by a device that this person has."""
    held = set(_devices(user.pk).values_list("type", flat=True))
    by = {"mfa_reauthenticate": Authenticator.Type.TOTP, "mfa_reauthenticate:webauthn": Authenticator.Type.WEBAUTHN}
    return [method for method in methods if by.get(method["id"]) in held]


def _devices(user: Any) -> QuerySet[Authenticator]:  # noqa: ANN401 Django's own type of a key
    rows: QuerySet[Authenticator] = Authenticator.objects.filter(user=user)
    return rows.exclude(type=Authenticator.Type.RECOVERY_CODES)


def _asking(view: View, when: Callable[[HttpRequest], bool]) -> View:
    @wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if when(request) and not is_confirmed(request):
            raise ReauthenticationRequired  # allauth's middleware keeps the request and leads to where one is asked
        return view(request, *args, **kwargs)

    return asked


def _asks(request: HttpRequest) -> bool:
    return bool(settings.STEP_UP) and request.method == "POST"


def is_confirmed(request: HttpRequest, *, by_device: bool = False) -> bool:
    """Whether this person has said again, within ten minutes and in this session, that it is them; with a device."""
    records = [each for each in get_authentication_records(request, request.user) if each.get("reauthenticated")]
    if by_device:
        code = Authenticator.Type.RECOVERY_CODES
        records = [each for each in records if each["method"] == "mfa" and each.get("type") != code]
    latest: float = max((each["at"] for each in records), default=0)
    return time.time() - latest < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def require_recent(request: HttpRequest) -> None:
    """For a program that rides on a session: raise NotAllowed where a page would ask again."""
    if _asks(request) and not is_confirmed(request):
        url = get_adapter(request).get_reauthentication_methods(request.user)[0]["url"]
        reason = Reason("step_up_needed", _("Confirm that it is you; this holds for ten minutes."), url)
        raise NotAllowed(reason.message, reasons=[reason], code=reason.code)


def is_missing(user: User) -> bool:
    """Whether this person has been an operator, or has held a role, for longer than the days of grace without a second
    factor. One query.
    """
    since = timezone.now() - timedelta(days=settings.STAFF_SECOND_FACTOR_GRACE_DAYS)
    if user.is_staff and user.joined_at <= since:
        return not _devices(user.pk).exists()
    held = Membership.objects.active().filter(user=user, starts_at__lte=since)
    return held.exclude(user__in=_devices(user.pk).values("user")).exists()


class RequireOfStaff:
    """Middleware: staff without a second factor are sent to set one up, whatever page they ask for."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Refuse before the view; people without a role and pages of the account pass."""
        if not settings.STAFF_SECOND_FACTOR or request.path.startswith(OPEN):
            return self.get_response(request)
        if not isinstance(request.user, User) or not is_missing(request.user):
            return self.get_response(request)
        url = reverse("mfa_index")
        if wants_json(request):
            reason = Reason("second_factor_missing", _("Your role needs a second factor."), url)
            return problem_response(NotAllowed(_("Set up a second factor first."), reasons=[reason], code=reason.code))
        messages.warning(request, _("Your role needs a second factor. Set one up to go on."))
        return HttpResponseRedirect(url)


@receiver(authenticator_added)
def _added(user: User, authenticator: Authenticator, **_kwargs: Any) -> None:
    _record(Event.SECOND_FACTOR_ADDED, user, authenticator, by=user)


@receiver(authenticator_removed)
def _removed(user: User, authenticator: Authenticator, **_kwargs: Any) -> None:
    _record(Event.SECOND_FACTOR_REMOVED, user, authenticator, by=user)


@transaction.atomic
def take_away(*, authenticator: Authenticator, by: User) -> None:
    """Take a second factor from somebody who lost it, as the operator."""
    _record(Event.SECOND_FACTOR_REMOVED, authenticator.user, authenticator, by=by)
    authenticator.delete()


@transaction.atomic
def _record(event: Event, user: User, authenticator: Authenticator, *, by: User) -> None:
    trail.record(event, by=by, target=user, kind=str(authenticator.type))
