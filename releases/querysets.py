"""Questions about families, models, revisions and files, as QuerySets."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import connection, models
from django.db.models import Q
from django.utils import timezone

from portal.people.models import Lab, Membership, User
from releases import policy
from releases.lifecycle import State
from releases.stop_models import stopped

if TYPE_CHECKING:
    from releases.models import Blob, Family, File, Model, Revision  # noqa: F401 the sets' type arguments


class FamilyQuerySet(models.QuerySet["Family"]):
    """Families by what one may see of them."""

    def listed(self) -> FamilyQuerySet:
        """Those with something to show: described here, or with a published model."""
        return self.filter(Q(hosted=False) | Q(models__main__isnull=False)).distinct()


class ModelQuerySet(models.QuerySet["Model"]):
    """Models by name, state and reader."""

    def called(self, namespace: Any, name: Any) -> ModelQuerySet:  # noqa: ANN401 texts, or what stands for them
        """The one model of this name."""
        return self.filter(lab__slug=namespace, name__iexact=name).exclude(_DELETED)

    def once_called(self, namespace: str, name: str) -> ModelQuerySet:
        """The one model that had this name before, with what every page and answer about it needs."""
        former = self.filter(former_names__lab__slug=namespace, former_names__name__iexact=name)
        return former.exclude(_DELETED).whole()

    def ever_called(self, namespace: str, name: str) -> ModelQuerySet:
        """The one model that has this name or had it, perhaps more than once: what lists are narrowed down to."""
        now = Q(lab__slug=namespace, name__iexact=name)
        before = Q(former_names__lab__slug=namespace, former_names__name__iexact=name)
        return self.filter(now | before).exclude(_DELETED)

    def named(self, namespace: str, name: str) -> ModelQuerySet:
        """The one model of this name, with what every page and answer about it needs."""
        return self.called(namespace, name).whole()

    def whole(self) -> ModelQuerySet:
        """Each with what every page and answer about it needs."""
        beside = self.with_stops().select_related("lab", "gate", "gate__lab", "family", "main", "tip")
        # They are as large as the tree, and asked for by lists of files alone.
        return beside.defer("main__folders", "tip__folders")

    def published(self) -> ModelQuerySet:
        """Those with a published revision."""
        return self.filter(main__isnull=False)

    def with_stops(self) -> ModelQuerySet:
        """Each with `stopped`: whether a stop holds it back."""
        return self.annotate(stopped=stopped())  # type: ignore[no-redef]  # the attribute says what is so without asking

    def open_to(self, person: User | None, capability: str, now: datetime | None = None) -> ModelQuerySet:
        """Exactly those for which policy.decide() says Allow to this person, in a browser session, for `main`."""
        return self.filter(policy.open_to(person, capability, now or timezone.now()))


class RevisionQuerySet(models.QuerySet["Revision"]):
    """Revisions by state and reader."""

    def public(self) -> RevisionQuerySet:
        """Published, or published once and withdrawn since."""
        return self.exclude(published_at=None)

    def visible_to(self, person: User | None, now: datetime | None = None) -> RevisionQuerySet:
        """Public ones, and every revision of the labs where the person holds a role."""
        if person is None:
            return self.public()
        labs = Membership.objects.active(now).filter(user=person).values("lab")
        return self.filter(Q(published_at__isnull=False) | Q(model__lab__in=labs))

    def published(self) -> RevisionQuerySet:
        """Published and not withdrawn."""
        return self.filter(state=State.PUBLISHED.value)


class FileQuerySet(models.QuerySet["File"]):
    """Files of a revision."""

    def with_release(self) -> FileQuerySet:
        """Each with as much of its revision, model, lab, gate and object as giving it out reads."""
        release = self.select_related("blob", "revision__model__lab", "revision__model__gate")
        return release.only(*_OF_FILE, *(f"revision__{name}" for name in _OF_REVISION))

    def inside(self, folder: str) -> FileQuerySet:
        """All files under a folder, at any depth; `""` is the root."""
        return self.filter(path__startswith=f"{folder}/") if folder else self.all()


class BlobQuerySet(models.QuerySet["Blob"]):
    """Objects of the store by who may build on them."""

    def of_lab(self, lab: Lab) -> BlobQuerySet:
        """Those in a revision of the lab, or uploaded whole for one of its models."""
        return self.filter(Q(files__revision__model__lab=lab) | Q(uploads__model__lab=lab)).distinct()

    def hold(self, digests: list[str]) -> set[str]:
        """Those that have a row, each kept from being deleted until the transaction ends; others may hold them too."""
        with connection.cursor() as cursor:
            cursor.execute(_HOLD, [digests])
            return {row[0] for row in cursor.fetchall()}


_DELETED: Final = Q(opened_at=None, withdrawn_at__isnull=False)
_OF_FILE: Final = ("path", "size", "sha1", "lfs", "blob__state")
_OF_REVISION: Final = (
    "commit", "state", "published_at",
    *(f"model__{name}" for name in ("name", "family", "main", "opened_at", "withdrawn_at")),
    *("model__lab__slug", "model__lab__is_active", "model__gate__slug"),
)  # fmt: skip
_HOLD: Final = "SELECT sha256 FROM releases_blob WHERE sha256 = ANY(%s) ORDER BY sha256 FOR KEY SHARE"
