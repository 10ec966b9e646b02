"""One’s own mail, by session: how often it comes, and whether it arrives. Here, because people and mail lie below the API."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal import errors
from portal.api.fields import Choice, Taken
from portal.api.operations import IN_PERSON, Operation, Scoped
from portal.mail import pacing
from portal.mail.models import Pace
from portal.people import reach
from portal.people.adapters import within_limit
from portal.people.mail_views import topics_for
from portal.people.models import User

TAG: Final = "mail"


class MailShape(serializers.Serializer[Any]):
    """How often mail comes."""

    paces = serializers.DictField(
        child=Choice(choices=Pace.values), help_text="By topic; of all others it comes at once."
    )
    hour = serializers.IntegerField(help_text="When the digest comes, on the clock of the zone.")
    zone = serializers.CharField()
    unreachable_since = serializers.DateTimeField(allow_null=True, help_text="Since when mail comes back.")


class MailChosen(Taken):
    """How often mail comes; a topic that is left out stays as it is."""

    paces = serializers.DictField(child=Choice(choices=Pace.values))
    hour = serializers.IntegerField(min_value=0, max_value=23)
    zone = serializers.CharField(max_length=64, help_text="A name of the time zone database: `Europe/Oslo`.")


def _told(user: User) -> dict[str, Any]:
    chosen, hour = pacing.paces_of(user), pacing.hour_of(user)
    paces = {topic.value: chosen[topic].value for topic in topics_for(user)}
    return {"paces": paces, "hour": hour.hour, "zone": hour.zone, "unreachable_since": user.unreachable_since}


class MyMail(Scoped):
    """`/api/v1/me/mail`."""

    @Operation(name="getMyMail", tag=TAG, scopes=IN_PERSON, gives=MailShape)
    def get(self, request: Request) -> dict[str, Any]:
        """Read how often mail comes, and whether it arrives."""
        return _told(self.person(request))

    @Operation(
        name="chooseMyMail", tag=TAG, scopes=IN_PERSON, takes=MailChosen, gives=MailShape,
        example={"paces": {"applications": "daily"}, "hour": 7, "zone": "Europe/Oslo"},
    )  # fmt: skip
    def put(self, request: Request, said: dict[str, Any]) -> dict[str, Any]:
        """Choose how often mail about a topic comes, and when the digest does."""
        user = self.person(request)
        topics = [topic.value for topic in topics_for(user)]
        unknown = sorted(said["paces"].keys() - topics)
        if unknown:
            wrong = _("Choose among: %(topics)s.") % {"topics": ", ".join(topics)}
            raise errors.Invalid(wrong, fields={f"paces.{name}": [wrong] for name in unknown})
        pacing.choose(by=user, **said)
        return _told(user)


class MailCheck(Scoped):
    """`/api/v1/me/mail/check`."""

    @Operation(name="checkMyMail", tag=TAG, scopes=IN_PERSON, status=204, problems=(429,))
    def post(self, request: Request) -> None:
        """Have a link mailed to an address that mail did not reach; opened in the browser, it puts it right."""
        user = self.person(request)
        if not within_limit(request._request, "mail_check"):
            raise errors.TooMany(
                _("That is enough for a day. Use another address, or try again tomorrow."), retry_after_s=86_400
            )
        reach.ask_check(by=user)
