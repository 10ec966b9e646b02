"""Project and its members. An allowance and every usage record name a project."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.people.models import Lab, User


class Kind(models.TextChoices):
    """Where a project comes from."""

    PERSONAL = "personal", _("personal")
    GRANTED = "granted", _("granted")


class ProjectQuerySet(models.QuerySet["Project"]):
    """Projects by state and person."""

    def open(self) -> ProjectQuerySet:
        """Those not closed."""
        return self.filter(closed_at=None)

    def of(self, user: User) -> ProjectQuerySet:
        """Those that the person is a member of today."""
        return self.filter(members__user=user, members__left_at=None)


class Project(models.Model):
    """What people are granted access for, and what use is counted against."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title = models.CharField(max_length=160)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    lab = models.ForeignKey(Lab, on_delete=models.PROTECT, null=True, related_name="projects")
    """The lab that granted it; a personal project has none."""
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="owned_projects")
    generation = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Project]] = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.CheckConstraint(name="project_kind_known", condition=models.Q(kind__in=Kind.values)),
            models.CheckConstraint(
                name="project_lab_iff_granted",
                condition=models.Q(kind="personal", lab=None) | models.Q(kind="granted", lab__isnull=False),
            ),
            models.UniqueConstraint(name="project_one_personal", fields=["owner"], condition=models.Q(kind="personal")),
        ]

    def __str__(self) -> str:
        return self.title


class ProjectMember(models.Model):
    """One person's time in a project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="project_memberships")
    joined_at = models.DateTimeField(default=timezone.now)
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="project_member_once", fields=["project", "user"], condition=models.Q(left_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.project}"
