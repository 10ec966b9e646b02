"""One way to send a mail: name a letter and its context, inside the action's transaction."""

from __future__ import annotations

import re
import textwrap
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from email.utils import make_msgid
from smtplib import SMTPRecipientsRefused
from typing import Any, Final
from urllib.parse import urlsplit

from anymail.exceptions import AnymailRecipientsRefused
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from portal.mail import pacing, reach, registry
from portal.mail.models import Pace, State, Unreachable, Waiting
from portal.mail.registry import Letter, Topic
from portal.outbox import delivery

TOPIC: Final = "mail.send"
PATIENCE: Final = timedelta(days=3)
"""How long a mail is tried while no server takes it; then it is given up, and the operator sees it."""
NOBODY: Final = ".invalid"
_DAY: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?: (\d{2}:\d{2}) UTC)?")
PREHEADER: Final = 140
"""Characters that an inbox shows beside the subject."""


def send(
    *,
    to: str,
    template: str,
    context: dict[str, Any],
    key: str,
    language: str = "",
    trial: bool = False,
    parting: bool = False,
) -> None:
    """Enqueue one mail. `context` must be JSON; `key` names what the mail is about, for ordering and tests.

    A `trial` comes at once, whatever pace the reader chose, and its subject says that it is one. Of a `parting` letter, to
    somebody who is erased, nothing is kept once it has left, not even to whom it went. To nobody nothing is
    sent: an address that was erased is empty, or a pseudonym in the domain that never exists (RFC 6761). Raises
    LookupError where no letter of this name is declared.
    """
    registry.letter(template)
    if not to or to.endswith(NOBODY):
        return
    more = {name: True for name, said in (("trial", trial), ("parting", parting)) if said}
    delivery.enqueue(TOPIC, key=key, to=to, template=template, context=context, language=language, **more)


def moment(at: datetime | None) -> str:
    """A moment as a context carries it, which is JSON: its day and minute in UTC. Empty where there is none.

    A letter writes it whole, because a day alone leaves open when that day ends for the reader; a subject names the day.
    """
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if at else ""


@delivery.handler(TOPIC, patience=PATIENCE)
def deliver(payload: dict[str, Any]) -> None:
    """Render in the reader's language and hand over to the mail backend; raising means try again.

    A topic that the reader has once a day is kept for the digest, one that is off goes nowhere, and to an address that
    mail does not reach goes what helps to sign in, no more.
    """
    letter, to = registry.letter(payload["template"]), payload["to"]
    reader, trial = pacing.reader_of(to), payload.get("trial", False)
    pace = Pace.AT_ONCE if trial else pacing.pace_of(reader, letter)
    if pace is Pace.OFF:
        return
    context = {**payload["context"], "base_url": settings.BASE_URL}
    if reader and letter.choosable:
        context["stop_url"] = pacing.stop_url(reader, letter.topic)
    with translation.override(payload["language"] or settings.LANGUAGE_CODE):
        message = render(letter.name, context)
        if trial:
            message.subject = _("Trial: %(subject)s") % {"subject": message.subject}
    if reader and pace is Pace.DAILY:
        line = {"letter": letter.name, "subject": str(message.subject)[:300], "path": context["path"]}
        Waiting.objects.create(user=reader, **line)
    elif payload.get("parting"):
        _part(message, to)
        payload.clear()
    elif letter.topic is not Topic.SIGN_IN and reach.is_unreachable(to):
        reach.remember(address=to, letter=letter.name, state=State.WITHHELD)
    else:
        _hand_over(message, letter, to)


def render(template: str, context: dict[str, Any]) -> EmailMultiAlternatives:
    """The message of a letter, without a recipient, in the language that is active.

    With a `stop_url` it says how to stop mail of its kind, to people and, by RFC 8058, to mail programs.
    """
    link = registry.letter(template).link
    told: dict[str, Any] = {name: _written(value) for name, value in context.items()} | {
        "settings_path": reverse("people:mail")
    }
    told["action_url"] = context[link] if link != "path" else f"{context['base_url']}{context['path']}"
    short = told | {name: _written(value, hour=False) for name, value in context.items()}
    subject = " ".join(render_to_string(f"emails/{template}.subject.txt", short).split())
    text = render_to_string(f"emails/{template}.txt", told).strip()
    told |= {"subject": subject, "preheader": _preheader(text, greeted=bool(context.get("name")))}
    foot = render_to_string("emails/_foot.txt", told)
    message = EmailMultiAlternatives(subject, f"{text}\n\n{foot}")
    message.attach_alternative(render_to_string(f"emails/{template}.html", told), "text/html")
    if "stop_url" in context:
        message.extra_headers["List-Unsubscribe"] = f"<{context['stop_url']}>"
        message.extra_headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return message


def _written(value: object, *, hour: bool = True) -> object:
    """A day, with or without an hour, travels as ISO, because a context is JSON, and is written as the reader writes it."""
    if isinstance(value, str) and (found := _DAY.fullmatch(value)):
        with suppress(ValueError):  # somebody's name for a thing, of that form and no day
            day = date_format(date.fromisoformat(found[1]))
            return f"{day}, {found[2]}\u00a0UTC" if found[2] and hour else day
    return value


def _hand_over(message: EmailMultiAlternatives, letter: Letter, to: str) -> None:
    message.to = [to]
    own_id = make_msgid(domain=urlsplit(settings.BASE_URL).hostname)
    message.extra_headers["Message-ID"] = own_id
    try:
        message.send()
    except SMTPRecipientsRefused as error:
        if not _no_such_mailbox(error):
            raise
        reach.remember(address=to, letter=letter.name, message_id=own_id, state=State.BOUNCED)
        reach.mark(address=to.lower(), why=Unreachable.Why.BOUNCED, at=timezone.now())
    except AnymailRecipientsRefused:
        # The service withholds mail from addresses that failed it before; its own event says why, and is believed.
        reach.remember(address=to, letter=letter.name, state=State.REFUSED)
    else:
        service: Any = getattr(message, "anymail_status", None)
        reach.remember(address=to, letter=letter.name, message_id=service.message_id if service else own_id)


def _part(message: EmailMultiAlternatives, to: str) -> None:
    """Hand over without remembering; where nobody has the address any more, there is nobody to tell."""
    message.to = [to]
    try:
        message.send()
    except SMTPRecipientsRefused as error:
        if not _no_such_mailbox(error):
            raise
    except AnymailRecipientsRefused:
        pass


def _no_such_mailbox(error: SMTPRecipientsRefused) -> bool:
    """Whether the server says that the address is bad (RFC 3463: 5.1.x), not that it will not relay, or not now."""
    answers = [(code, bytes(text)) for code, text in error.recipients.values()]
    return bool(answers) and all(code >= 500 and text.lstrip().startswith(b"5.1.") for code, text in answers)


def _preheader(text: str, *, greeted: bool) -> str:
    """What an inbox shows beside the subject: the first sentence after the greeting, cut at a word."""
    return textwrap.shorten(text.split("\n\n")[int(greeted)], PREHEADER, placeholder=" …")
