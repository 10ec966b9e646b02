"""Attached files, to their owner and to those of the lab who may read the application; never as a page."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portal.access import actions, conflicts
from portal.access.application_models import Application
from portal.access.attachment_models import Attachment
from portal.access.review_models import Vote
from portal.errors import NotFound
from portal.people.models import User
from portal.people.views import signed_in


@login_required
@require_safe
def attachment(request: HttpRequest, pk: UUID, file: UUID) -> HttpResponse:
    """The PDF, to be saved: its own name, no sniffing, and a sandbox should a browser show it all the same."""
    user = signed_in(request)
    found = Attachment.objects.select_related("bytes", "application__gate__lab").filter(pk=file, application=pk).first()
    if found is None or not _may_read(user, found):
        raise NotFound(_("There is no such file, or it is not for you."))
    if found.application.applicant_id != user.pk:
        actions.record_reading(by=user, attachment=found)
    answer = HttpResponse(bytes(found.bytes.content), content_type="application/pdf")
    answer["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=found.name) or "attachment"
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer["Cache-Control"] = "private, no-store"
    return answer


def _may_read(user: User, attachment: Attachment) -> bool:
    """The applicant; or staff of the lab, once it was sent, without a conflict and not recused."""
    application = attachment.application
    if application.applicant_id == user.pk:
        return True
    if not Application.objects.for_staff(user).filter(pk=application.pk).exists():
        return False
    if application.reviews.filter(reviewer=user, vote=Vote.RECUSE).exists():
        return False
    sent = application.submissions.filter(**{f"answers__{attachment.field}__id": str(attachment.pk)}).exists()
    return sent and not conflicts.known(user, application)
