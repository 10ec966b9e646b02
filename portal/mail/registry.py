"""Every letter that the portal sends, as data: when, to whom, about what, with invented values to show it with.

The apps declare theirs in a `letters.py`. Nothing is sent that is not declared, so the page that shows all mail, the
test that renders all mail and docs/mail.md cannot miss any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Words = str | Promise


class Topic(models.TextChoices):
    """What a letter is about. The first five always arrive, at once; the reader chooses the pace of the next four."""

    SIGN_IN = "sign_in", _("signing in and verifying addresses")
    SECURITY = "security", _("the security of your account")
    LEGAL = "legal", _("agreements, deletions and deadlines")
    DECISIONS = "decisions", _("decisions about you")
    RELEASES = "releases", _("models that you may download")
    APPLICATIONS = "applications", _("your applications on their way")
    REVIEW = "review", _("what waits for a reviewer")
    LAB = "lab", _("how your lab’s gates and webhooks do")
    QUERIES = "queries", _("your queries and batches")
    DIGEST = "digest", _("what you have once a day")


CHOOSABLE: Final = (Topic.APPLICATIONS, Topic.REVIEW, Topic.LAB, Topic.QUERIES)
"""Topics whose pace the reader chooses."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One kind of mail: the templates emails/<name>.subject.txt, .txt and .html.

    `sample` holds an invented value for everything that the sender puts into the context, and nothing else: names,
    references, days and addresses, never what somebody wrote in confidence. `link` names the value that the one call
    to action leads to: `path` is within the portal, any other holds a whole address.

    `later` names values that came after the letter was first sent. One that an earlier version queued lacks them, and is
    sent all the same: the templates do without. A value that becomes another kind of thing takes another name.
    """

    name: str
    topic: Topic
    to: Words
    when: Words
    sample: Mapping[str, Any] = field(default_factory=dict)
    link: str = "path"
    later: tuple[str, ...] = ()

    @property
    def choosable(self) -> bool:
        """Whether the reader may have it once a day, or not at all."""
        return self.topic in CHOOSABLE


_letters: dict[str, Letter] = {}


def declare(*letters: Letter) -> None:
    """Register, from AppConfig.ready."""
    _letters.update({letter.name: letter for letter in letters})


def letter(name: str) -> Letter:
    """The letter of this name. Raises LookupError, which says what to do, where nobody declared it."""
    try:
        return _letters[name]
    except KeyError:
        raise LookupError(
            f"No letter is called {name!r}. Declare it with registry.declare(Letter(…)) in the letters.py of the app "
            f"that sends it, and write templates/emails/{name}.subject.txt, .txt and .html."
        ) from None


def letters() -> list[Letter]:
    """All of them, by topic, then by name."""
    order = list(Topic)
    return sorted(_letters.values(), key=lambda each: (order.index(each.topic), each.name))
