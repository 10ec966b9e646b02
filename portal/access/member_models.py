"""Who is named on an application beside the person who applies, and what they answered."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.access.members import ON_TEAM, MemberStatus, Party, verbs


class Member(models.Model):
    """One person of one team. Their own signature is the undertaking; their own grant rests on the lead's."""

    application = models.ForeignKey("access.Application", on_delete=models.PROTECT, related_name="members")
    name = models.CharField(max_length=120)
    """As the lead wrote it; the account has the name that signs."""
    email = models.EmailField()
    mailbox = models.CharField(max_length=254)
    """The address in one spelling: nobody is named twice."""
    status = models.CharField(max_length=12, default=MemberStatus.INVITED.value)
    digest = models.CharField(max_length=64, blank=True)
    """SHA-256 of the secret in the mailed link; empty once it was answered or taken back."""
    invited_at = models.DateTimeField()
    sent_at = models.DateTimeField()
    """When the last mail left."""
    reminders = models.PositiveSmallIntegerField(default=0)
    ended_at = models.DateTimeField(null=True, blank=True)
    """When they declined, were removed or took over, or the invitation ran out unanswered."""
    accepted_at = models.DateTimeField(null=True, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="places_on_teams"
    )
    signature = models.ForeignKey(
        "agreements.Signature", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    grant = models.OneToOneField(
        "access.Grant", on_delete=models.PROTECT, null=True, blank=True, related_name="membership"
    )

    class Meta:
        ordering = ["invited_at", "id"]
        indexes = [models.Index(fields=["mailbox"], name="member_by_mailbox")]
        constraints = [
            models.UniqueConstraint(
                fields=["application", "mailbox"],
                condition=Q(status__in=sorted(ON_TEAM)) & ~Q(mailbox=""),
                name="member_named_once",
            ),
            models.UniqueConstraint(
                fields=["application", "user"], condition=Q(status=MemberStatus.ACCEPTED), name="member_accepts_once"
            ),
            models.UniqueConstraint(fields=["digest"], condition=~Q(digest=""), name="member_link"),
            models.CheckConstraint(name="member_status_known", condition=Q(status__in=list(MemberStatus))),
            models.CheckConstraint(
                name="member_link_while_invited",
                condition=Q(status=MemberStatus.INVITED) & ~Q(digest="")
                | ~Q(status=MemberStatus.INVITED) & Q(digest=""),
            ),
            models.CheckConstraint(
                name="member_accepted_with_a_signature",
                condition=~Q(status=MemberStatus.ACCEPTED)
                | Q(user__isnull=False, signature__isnull=False, accepted_at__isnull=False),
            ),
            models.CheckConstraint(
                name="member_ended_with_status",
                condition=Q(status__in=[MemberStatus.INVITED, MemberStatus.ACCEPTED], ended_at=None)
                | Q(
                    status__in=[
                        MemberStatus.DECLINED,
                        MemberStatus.REMOVED,
                        MemberStatus.LAPSED,
                        MemberStatus.TOOK_OVER,
                    ],
                    ended_at__isnull=False,
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.status}"

    @property
    def lead_may(self) -> tuple[str, ...]:
        """What the lead may do about this person now."""
        return verbs(self.status, {Party.LEAD})
