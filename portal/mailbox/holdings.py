"""What the demo's mailbox holds about people."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from portal.mailbox.models import Mail
from portal.people.privacy import Holding, hold

hold(
    Holding(
        "mailbox.Mail", why=_("the demo has no mail server"), kept=_("90 days, in the demo alone"),
        of=lambda user: Mail.objects.filter(to__contains=[user.email]),
        erased={"to": [], "subject": "", "text": "", "html": ""}, plain=("sender",), deletes=True,
        purge="sent_at", age=timedelta(days=90),
    )
)  # fmt: skip
