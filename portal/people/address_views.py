"""`/account/email/`: allauth's page of one's addresses, one change at a time and not for a session left open."""

from __future__ import annotations

from typing import Any, Final

from allauth.account.views import EmailView
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from portal.people.models import User
from portal.people.second_factor import is_confirmed
from portal.people.views import signed_in

CHANGES: Final = ("action_add", "action_remove", "action_primary")


class Addresses(EmailView):  # type: ignore[misc]
    """Add an address, send its link again, make it the first, take it away."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Do one thing whole or not at all. Every address opens the account, so who changes them says again who they are."""
        if any(name in request.POST for name in CHANGES) and not is_confirmed(request):
            raise ReauthenticationRequired
        try:
            with transaction.atomic():
                User.objects.select_for_update().get(pk=signed_in(request).pk)
                answer: HttpResponse = super().post(request, *args, **kwargs)
        except IntegrityError:  # an account with a role, or one that is being made, has it
            messages.error(request, _("Another account was made with this address. Ask the lab to put it right."))
            return HttpResponseRedirect(self.success_url)
        return answer
