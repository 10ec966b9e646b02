"""One's own mail: how often it comes, and whether it arrives."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from portal.errors import TooMany
from portal.mail import pacing
from portal.mail.registry import CHOOSABLE, Topic
from portal.people import reach
from portal.people.adapters import within_limit
from portal.people.forms import MailForm
from portal.people.models import Membership, User
from portal.people.views import signed_in


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def mail(request: HttpRequest) -> HttpResponse:
    """Choose how often mail comes; about reviewing and labs to whoever holds a role."""
    user = signed_in(request)
    hour = pacing.hour_of(user)
    chosen = {topic.value: pace for topic, pace in pacing.paces_of(user).items()}
    initial = {"hour": hour.hour, "zone": hour.zone, **chosen}
    form = MailForm(request.POST if request.method == "POST" else None, initial=initial, about=topics_for(user))
    if request.method == "POST" and form.is_valid():
        pacing.choose(by=user, paces=form.paces(), hour=form.cleaned_data["hour"], zone=form.cleaned_data["zone"])
        messages.success(request, _("Saved."))
        return redirect("people:mail")
    always = [topic for topic in Topic if topic not in (*CHOOSABLE, Topic.DIGEST)]
    return render(
        request, "people/mail_settings.html", {"form": form, "always": always}, status=422 if form.errors else 200
    )


def topics_for(user: User) -> Sequence[Topic]:
    """What this person is asked about: reviewing and labs only where they hold a role."""
    staff = Membership.objects.active().filter(user=user).exists()
    return CHOOSABLE if staff else (Topic.APPLICATIONS, Topic.QUERIES)


@login_required
@require_POST
def ask_check(request: HttpRequest) -> HttpResponse:
    """Mail a link to an address that mail did not reach."""
    user = signed_in(request)
    if not within_limit(request, "mail_check"):
        raise TooMany(_("That is enough for a day. Use another address, or try again tomorrow."), retry_after_s=86_400)
    reach.ask_check(by=user)
    messages.success(request, _("A link is on its way. Open it in this browser, signed in, within three days."))
    return redirect("people:mail")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def check(request: HttpRequest, token: str) -> HttpResponse:
    """The mailed link: a button on GET, because mail scanners follow links; on POST mail goes there again."""
    user = signed_in(request)
    address = reach.address_of(by=user, token=token)
    if request.method != "POST":
        return render(request, "people/mail_check.html", {"address": address})
    reach.confirm(by=user, token=token)
    messages.success(request, _("Good. We write to you there again."))
    return redirect("people:mail")
