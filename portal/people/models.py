"""User, Lab, Membership, Institution, Affiliation, Evidence."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Length, Lower
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from portal.people import erasure_models  # noqa: F401 Django looks for every model of an app here
from portal.people.ror import class_of, folded

SHORTEST_SEARCH = 2
"""Letters that a search for an institution needs."""
EVIDENCE_LIFE = timedelta(days=365)
"""How long an address at an institution shows that one works there."""
ADDRESS_AT: Final = "address at "
"""What evidence by an address begins with; its domain follows."""
SLUG = RegexValidator(r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$", _("Use lower-case letters, digits and hyphens."))


class UserManager(BaseUserManager["User"]):
    """Creates users by e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A person; the address is stored in lower case."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """The operator: may open the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        """By address, whatever its case."""
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Roles are never flags here: they are memberships of a lab."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(_("e-mail address"), max_length=254, unique=True)
    name = models.CharField(_("name"), max_length=120)
    page = models.URLField(_("a page about your work"), max_length=200, blank=True)
    language = models.CharField(max_length=12, default=settings.LANGUAGE_CODE)
    """What this person is written to in, one of LANGUAGES; the pages too, where the browser knows no choice."""
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May open the operator's admin; gives no right in any lab.")
    generation = models.PositiveBigIntegerField(default=0)
    """Rises whenever any right of this person shrinks; cached principals of an older generation are refused."""
    joined_at = models.DateTimeField(default=timezone.now)
    unreachable_since = models.DateTimeField(null=True, blank=True, editable=False)
    """Since when mail to `email` does not arrive; a copy of what portal.mail knows of the address, for every page to read."""

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_once",
                violation_error_message=_("This address has an account. Sign in instead."),
            ),
        ]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        """The name to greet by."""
        return self.name or self.email

    def get_short_name(self) -> str:
        """The first word of the name."""
        return self.get_full_name().split()[0]

    @cached_property
    def roles(self) -> frozenset[str]:
        """The roles that this person holds in any lab today; asked once, so for one request's pages and not for a right."""
        return frozenset(Membership.objects.active().filter(user=self).values_list("role", flat=True))

    def roles_in(self, lab: Lab) -> frozenset[str]:
        """The roles that this person holds in the lab today."""
        return frozenset(Membership.objects.active().filter(user=self, lab=lab).values_list("role", flat=True))


class Lab(models.Model):
    """Who publishes. Its slug is the namespace of its models and is never given to another."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(max_length=64, unique=True, validators=[SLUG])
    name = models.CharField(max_length=120)
    summary = models.TextField(blank=True)
    site = models.URLField(blank=True)
    contact = models.EmailField(blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What one may do in a lab."""

    REVIEWER = "reviewer", _("reviewer")
    MANAGER = "manager", _("release manager")
    ADMINISTRATOR = "administrator", _("administrator")


MANAGERS: Final = (Role.MANAGER, Role.ADMINISTRATOR)
"""Who decides for a lab beyond the single application. Tables of states, which are plain Python, spell the two out."""


class MembershipQuerySet(models.QuerySet["Membership"]):
    """Memberships by period."""

    def active(self, now: datetime | None = None) -> MembershipQuerySet:
        """Those that hold at `now` (default: this moment), of active people and labs."""
        now = now or timezone.now()
        period = models.Q(starts_at__lte=now) & (models.Q(ends_at=None) | models.Q(ends_at__gt=now))
        return self.filter(period, user__is_active=True, lab__is_active=True)


class Membership(models.Model):
    """One person, one lab, one role, one period."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    lab = models.ForeignKey(Lab, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Membership]] = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="membership_role_known", condition=models.Q(role__in=Role.values)),
            models.CheckConstraint(
                name="membership_period",
                condition=models.Q(ends_at=None) | models.Q(ends_at__gte=models.F("starts_at")),
            ),
            models.UniqueConstraint(
                name="membership_once", fields=["user", "lab", "role"], condition=models.Q(ends_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.lab}"


class InstitutionStatus(models.TextChoices):
    """ROR's own words."""

    ACTIVE = "active", _("active")
    INACTIVE = "inactive", _("closed")
    WITHDRAWN = "withdrawn", _("withdrawn from the register")


class InstitutionQuerySet(models.QuerySet["Institution"]):
    """Institutions by name."""

    def active(self) -> InstitutionQuerySet:
        """Those where somebody can work today."""
        return self.filter(status=InstitutionStatus.ACTIVE)

    def matching(self, text: str, *, limit: int = 10) -> list[Institution]:
        """Active ones whose name begins so, then those that have every word somewhere in a name. Two queries at most."""
        typed = folded(text)[:120]
        if len(typed) < SHORTEST_SEARCH:
            return []
        found = list(self.active().filter(search__startswith=typed).order_by("search")[:limit])
        if len(found) < limit:
            words = SearchQuery(" & ".join(f"{word}:*" for word in typed.split()), config="simple", search_type="raw")
            rest = self.active().annotate(words=SearchVector("search", config="simple")).filter(words=words)
            known = [institution.pk for institution in found]
            found += rest.exclude(pk__in=known).order_by(Length("name"), "search")[: limit - len(found)]
        return found

    def of_domain(self, domain: str) -> Institution | None:
        """The active one whose mail domain this is, or lies below, the nearest first; None where several share it.

        Two queries at most.
        """
        labels = domain.split(".")
        wanted = [".".join(labels[start:]) for start in range(len(labels) - 1)]
        known = models.Q(domains__overlap=wanted) | models.Q(reviewed_domains__domain__in=wanted)
        rows = list(self.active().filter(known).distinct().prefetch_related("reviewed_domains")[:50]) if wanted else []
        nearest = ([row for row in rows if each in row.mail_domains()] for each in wanted)
        found = next(filter(None, nearest), [])
        return found[0] if len(found) == 1 else None

    def named(self, name: str) -> Institution | None:
        """The active one of exactly this name, whatever its case and accents; None where there is none or several."""
        typed = folded(name)
        rows = self.active().filter(search__startswith=typed).order_by("search")[:50] if typed else []
        same = [row for row in rows if folded(row.name) == typed]
        return same[0] if len(same) == 1 else None


class Institution(models.Model):
    """Where people work, by its id in the Research Organization Registry (https://ror.org)."""

    ror = models.CharField(max_length=40, unique=True, help_text="https://ror.org/…")
    name = models.CharField(max_length=254)
    country = models.CharField(max_length=2, blank=True)
    city = models.CharField(max_length=120, blank=True)
    website = models.CharField(max_length=500, blank=True)
    domains = ArrayField(models.CharField(max_length=253), default=list, blank=True)
    types = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    aliases = ArrayField(models.CharField(max_length=254), default=list, blank=True)
    status = models.CharField(
        max_length=20, choices=InstitutionStatus.choices, default=InstitutionStatus.ACTIVE, db_index=True
    )
    successor = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="predecessors")
    search = models.TextField(db_collation="C", editable=False, default="")
    """Name, then the words of aliases and domains, folded: what one types is compared with this."""

    objects: ClassVar[models.Manager[Institution]] = InstitutionQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="institution_status_known", condition=models.Q(status__in=InstitutionStatus.values)
            ),
        ]
        indexes = [
            models.Index(fields=["search"], name="institution_begins"),
            GinIndex(SearchVector("search", config="simple"), name="institution_words"),
            GinIndex(fields=["domains"], name="institution_domains"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the searched column in step with the names."""
        self.index()
        super().save(*args, **kwargs)

    def index(self) -> None:
        """Compute what searches read."""
        name = folded(self.name)
        words = dict.fromkeys(" ".join(folded(text) for text in (*self.aliases, *self.domains)).split())
        self.search = " ".join([name, *(word for word in words if word not in name.split())])

    @property
    def klass(self) -> str:
        """The class of affiliation that its types in the register stand for."""
        return class_of(self.types)

    @property
    def place(self) -> str:
        """City and country, to tell namesakes apart."""
        return ", ".join(part for part in (self.city, self.country) if part)

    def line(self) -> list[Institution]:
        """Itself, and while one is withdrawn what took its place: no one can say any more that they work at the old one.

        A query for each that follows.
        """
        found = [self]
        while found[-1].status != InstitutionStatus.ACTIVE and (heir := found[-1].successor) and heir not in found:
            found.append(heir)
        return found

    def mail_domains(self) -> set[str]:
        """Domains of the register, and those that the operator has reviewed. One query, none where they were prefetched."""
        return {*self.domains, *(each.domain for each in self.reviewed_domains.all())}


class ReviewedDomain(models.Model):
    """A mail domain that the register does not know, accepted for an institution by the operator."""

    institution = models.ForeignKey(Institution, on_delete=models.CASCADE, related_name="reviewed_domains")
    domain = models.CharField(max_length=253)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(name="reviewed_domain_once", fields=["institution", "domain"])]

    def __str__(self) -> str:
        return f"{self.domain} of {self.institution}"


class AffiliationClass(models.TextChoices):
    """The classes of people that the OPT-175B announcement named, and everybody else."""

    ACADEMIA = "academia", _("academia")
    GOVERNMENT = "government", _("government")
    CIVIL_SOCIETY = "civil_society", _("civil society")
    INDUSTRY_RESEARCH = "industry_research", _("industry research")
    OTHER = "other", _("other")


class Position(models.TextChoices):
    """What one is where one works."""

    FACULTY = "faculty", _("Faculty")
    POSTDOC = "postdoc", _("Postdoctoral researcher")
    PHD = "phd", _("Doctoral student")
    STUDENT = "student", _("Other student")
    STAFF = "staff", _("Research staff or engineer")
    POLICY = "policy", _("Policy or civil society")
    INDEPENDENT = "independent", _("Independent researcher")


class AffiliationQuerySet(models.QuerySet["Affiliation"]):
    """Affiliations by period."""

    def current(self) -> AffiliationQuerySet:
        """Those that have not ended."""
        return self.filter(ends_at=None)

    def verified(self, now: datetime | None = None) -> AffiliationQuerySet:
        """Present ones at an institution of the register, with evidence that is not older than a year."""
        since = (now or timezone.now()) - EVIDENCE_LIFE
        return self.current().filter(institution__isnull=False, verified_at__gt=since)


class Affiliation(models.Model):
    """One person at one place for one period, with the evidence for it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="affiliations")
    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, null=True, blank=True)
    organisation = models.CharField(max_length=254)
    site = models.URLField(max_length=254, blank=True)
    country = models.CharField(max_length=2, blank=True)
    position = models.CharField(max_length=20, blank=True, choices=Position.choices)
    klass = models.CharField(max_length=20, choices=AffiliationClass.choices)
    contested = models.CharField(max_length=400, blank=True)
    """Why the person names another class than the register's types stand for; empty where they agree."""
    evidence = models.CharField(max_length=254, blank=True)
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Affiliation]] = AffiliationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="affiliation_class_known", condition=models.Q(klass__in=AffiliationClass.values)
            ),
            models.UniqueConstraint(name="affiliation_one_current", fields=["user"], condition=models.Q(ends_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.organisation}"

    @property
    def shown_by(self) -> str:
        """The evidence in the present language; as it was written where it is of another kind."""
        domain = self.evidence.removeprefix(ADDRESS_AT)
        return self.evidence if domain == self.evidence else str(_("address at %(domain)s")) % {"domain": domain}

    @property
    def verified_until(self) -> datetime | None:
        """When the evidence runs out; None where there is none."""
        return self.verified_at + EVIDENCE_LIFE if self.verified_at else None

    @property
    def is_verified(self) -> bool:
        """Whether the evidence is there and not older than a year."""
        return self.verified_until is not None and self.verified_until > timezone.now()


class MailedProof(models.Model):
    """A link on its way to an address at an institution; whoever follows it, signed in, works there."""

    affiliation = models.ForeignKey(Affiliation, on_delete=models.CASCADE, related_name="proofs")
    address = models.EmailField(max_length=254)
    mailbox = models.CharField(max_length=254)
    """The address in the one spelling by which it is unique."""
    digest = models.CharField(max_length=64, unique=True)
    """SHA-256 of the secret in the link."""
    sent_at = models.DateTimeField(default=timezone.now)
    verified_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="mailed_proof_one_mailbox_one_person",
                fields=["mailbox"],
                condition=models.Q(verified_at__isnull=False, ended_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.address} for {self.affiliation}"
