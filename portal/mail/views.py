"""For whoever comes without an account: a mail service that tells how mails fared, a reader who wants fewer."""

from __future__ import annotations

from anymail.exceptions import AnymailConfigurationError, AnymailError, AnymailWebhookValidationFailure
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from portal.errors import Invalid, NotAllowed, NotFound, WeighbridgeError
from portal.http import problem_response
from portal.mail import pacing
from portal.mail.tracking import WEBHOOKS


@csrf_exempt
@require_http_methods(["POST", "HEAD"])
def events(request: HttpRequest, service: str) -> HttpResponse:
    """Take in the events of the one service that MAIL_EVENTS names, where it shows the secret.

    A fault of ours while they are taken in is a 500, so that the service tells again.
    """
    try:
        return _events(request, service)
    except WeighbridgeError as error:
        return problem_response(error)


def _events(request: HttpRequest, service: str) -> HttpResponse:
    if service != settings.MAIL_EVENTS or not settings.MAIL_EVENTS_SECRET:
        raise NotFound("No mail service is expected here. Set MAIL_EVENTS and MAIL_EVENTS_SECRET.")
    view = WEBHOOKS[service]()
    if request.method == "HEAD":  # how some services try an address
        return HttpResponse()
    if not request.headers.get("Authorization"):  # Amazon's sends the secret only when it is asked for
        return HttpResponse(status=401, headers={"WWW-Authenticate": 'Basic realm="mail events"'})
    try:
        view.run_validators(request)
        told = view.parse_events(request)
    except AnymailWebhookValidationFailure as error:
        raise NotAllowed("The secret or the signature is wrong.") from error
    except AnymailConfigurationError as error:
        raise Invalid("This is the address for tracking events; incoming mail goes elsewhere.") from error
    except (AnymailError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid("This is not an event of the mail service.") from error
    for event in told:
        view.signal.send(sender=type(view), event=event, esp_name=view.esp_name)
    return HttpResponse()


@csrf_exempt  # the signed address is the proof; a mail program that posts to it (RFC 8058) has no cookie
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest, token: str) -> HttpResponse:
    """Stop mail of one kind. A GET only asks, because mail programs open links by themselves.

    The page is drawn without the session: whoever holds the link is who it is about.
    """
    try:
        _person, about = pacing.read_stop(token)
        if request.method == "POST":
            pacing.stop(token=token)
    except NotFound as error:
        return HttpResponse(render_to_string("people/mail_stop.html", {"problem": error.message}), status=404)
    context = {"about": about, "stopped": request.method == "POST"}
    return HttpResponse(render_to_string("people/mail_stop.html", context))
