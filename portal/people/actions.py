"""The writers of people, labs and memberships."""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid
from portal.outbox import delivery
from portal.people.affiliation_actions import Place, affiliate
from portal.people.models import Lab, Membership, Role, User
from portal.people.reserved import is_reserved
from portal.people.signals import lab_turned, turning


def bump_user(user: User) -> int:
    """Raise the person's generation and announce it; returns the new one. Call inside the action's transaction."""
    User.objects.filter(pk=user.pk).update(generation=F("generation") + 1)
    user.refresh_from_db(fields=["generation"])
    identity = str(user.pk)
    delivery.enqueue("rights.changed", key=f"user:{identity}", kind="user", id=identity, generation=user.generation)
    return user.generation


@transaction.atomic
def register(*, email: str, name: str, password: str, by: User | None = None) -> User:
    """A new person. Raises Invalid when the address has an account."""
    if User.objects.filter(email=email.strip().lower()).exists():
        raise Invalid(
            _("This address has an account. Sign in instead."), fields={"email": [_("This address has an account.")]}
        )
    user = User.objects.create_user(email, password, name=name)
    trail.record(Event.USER_REGISTERED, by=by or user, target=user)
    return user


@transaction.atomic
def update_profile(*, by: User, name: str, page: str = "", place: Place | None = None) -> User:
    """Change one's own name, page and, where one is given, place of work."""
    user = User.objects.select_for_update().get(pk=by.pk)
    user.name, user.page = name.strip(), page.strip()
    user.save(update_fields=["name", "page"])
    if place is not None:
        affiliate(by=user, place=place)
    trail.record(Event.USER_UPDATED, by=by, target=user)
    return user


@transaction.atomic
def choose_language(*, by: User, language: str) -> User:
    """Write to this person in that language from now on. Raises Invalid for one that the portal does not speak."""
    if language not in dict(settings.LANGUAGES):
        raise Invalid(_("Choose one of the languages."), fields={"language": [_("Choose one of the languages.")]})
    user = User.objects.select_for_update().get(pk=by.pk)
    user.language = language
    user.save(update_fields=["language"])
    trail.record(Event.USER_UPDATED, by=by, target=user)
    return user


@transaction.atomic
def suspend(*, user: User, by: User, reason: str) -> User:
    """Close an account: every door refuses this person, and the teams that they lead, from the next request on."""
    turning.send(sender=User, user=user)
    locked = _locked_with_operators(user)
    if not locked.is_active:
        raise Conflict(_("This account is suspended already."))
    _keep_an_operator(without=locked)
    locked.is_active = False
    locked.save(update_fields=["is_active"])
    trail.record(Event.USER_SUSPENDED, by=by, target=locked, reason=reason)
    bump_user(locked)
    return locked


@transaction.atomic
def restore(*, user: User, by: User, reason: str) -> User:
    """Open a suspended account again."""
    turning.send(sender=User, user=user)
    locked = User.objects.select_for_update().get(pk=user.pk)
    if locked.is_active:
        raise Conflict(_("This account is not suspended."))
    locked.is_active = True
    locked.save(update_fields=["is_active"])
    trail.record(Event.USER_RESTORED, by=by, target=locked, reason=reason)
    bump_user(locked)
    return locked


def _operators() -> QuerySet[User]:
    return User.objects.filter(is_superuser=True, is_staff=True, is_active=True)


def _locked_with_operators(user: User) -> User:
    """The person, locked together with all operators in one order: of two who close each other out, one is second."""
    whose = Q(pk=user.pk) | Q(pk__in=_operators().values("pk"))
    rows = {row.pk: row for row in User.objects.select_for_update().filter(whose).order_by("pk")}
    return rows[user.pk]


def _keep_an_operator(*, without: User) -> None:
    """Raise Conflict where nobody else could open the operator's admin."""
    others = _operators().exclude(pk=without.pk)
    if without.is_superuser and without.is_staff and without.is_active and not others.exists():
        raise Conflict(_("This is the last operator. Make somebody else one first."), code="last_operator")


@transaction.atomic
def set_operator(
    *,
    user: User,
    by: User,
    is_staff: bool,
    is_superuser: bool,
    groups: Collection[Group] = (),
    permissions: Collection[Permission] = (),
) -> User:
    """Say what a person may do in the operator's admin, and no more than that.

    Raises Conflict where nobody who may do everything there would be left, and for whoever waits to be erased.
    """
    locked = _locked_with_operators(user)
    if not (is_staff and is_superuser):
        _keep_an_operator(without=locked)
    if is_staff and not locked.is_staff:
        _stays(locked)
    locked.is_staff, locked.is_superuser = is_staff, is_superuser
    locked.save(update_fields=["is_staff", "is_superuser"])
    locked.groups.set(groups)
    locked.user_permissions.set(permissions)
    names = sorted([*(group.name for group in groups), *(each.codename for each in permissions)])
    trail.record(Event.OPERATOR_SET, by=by, target=locked, staff=is_staff, all=is_superuser, rights=names)
    return locked


@transaction.atomic
def make_first_operator(*, email: str) -> User:
    """The operator of a new portal, without a password. Raises Conflict where the address is the account of somebody else."""
    user = User.objects.filter(email=email).first()
    if user is None:
        user = User.objects.create_superuser(email, None, name="Administrator")
        trail.record(Event.USER_REGISTERED, by=user, target=user)
        trail.record(Event.OPERATOR_SET, by=user, target=user, staff=True, all=True, rights=[])
    if not user.is_superuser:
        raise Conflict(f"{email} has an account already, which is not an administrator's. Use another address.")
    return user


def _stays(user: User) -> None:
    """Raise Conflict for whoever is about to go: who acts for a lab or the portal hands over before they are erased."""
    if user.erasure_requests.filter(Q(ended_at=None) | Q(done=True)).exists():
        raise Conflict(_("This person has asked to be erased. They can act here once they have taken that back."))


@transaction.atomic
def create_lab(*, slug: str, name: str, by: User | None, summary: str = "", site: str = "", contact: str = "") -> Lab:
    """A new lab. Raises Invalid when the slug is taken or would hide one of the portal's own addresses."""
    if is_reserved(slug):
        raise Invalid(_("This name is an address of the portal. Choose another."), fields={"slug": [_("Reserved.")]})
    if Lab.objects.filter(slug=slug).exists():
        raise Invalid(_("This name is taken. Choose another."), fields={"slug": [_("Taken.")]})
    lab = Lab(slug=slug, name=name, summary=summary, site=site, contact=contact)
    lab.full_clean()
    lab.save(force_insert=True)
    trail.record(Event.LAB_CREATED, by=by, target=lab, lab=lab)
    return lab


@transaction.atomic
def change_lab(*, lab: Lab, by: User, **facts: str) -> Lab:
    """Change what a lab says of itself: name, summary, site, contact. What changes nothing leaves no entry."""
    locked = Lab.objects.select_for_update().get(pk=lab.pk)
    changed = sorted(name for name, value in facts.items() if getattr(locked, name) != value)
    if changed:
        for name in changed:
            setattr(locked, name, facts[name])
        locked.full_clean()
        locked.save(update_fields=changed)
        trail.record(Event.LAB_CHANGED, by=by, target=locked, lab=locked, changed=changed)
    return locked


@transaction.atomic
def close_lab(*, lab: Lab, by: User) -> Lab:
    """Nothing of the lab is shown, downloaded or queried from the next request on, and its roles give no right. Whoever holds
    something of it, waits for it or has a role there is written to."""
    return _turned(lab, Event.LAB_CLOSED, by, is_active=False)


@transaction.atomic
def reopen_lab(*, lab: Lab, by: User) -> Lab:
    """Take the closing back: everything is as it was, and what waits for people waits as long as if they came to it now."""
    return _turned(lab, Event.LAB_REOPENED, by, is_active=True)


def _turned(lab: Lab, event: Event, by: User, *, is_active: bool) -> Lab:
    locked = Lab.objects.select_for_update().get(pk=lab.pk)
    if locked.is_active == is_active:
        raise Conflict(_("This lab is open already.") if is_active else _("This lab is closed already."))
    locked.is_active = is_active
    locked.save(update_fields=["is_active"])
    trail.record(event, by=by, target=locked, lab=locked)
    delivery.enqueue("release.changed", key=f"lab:{locked.pk}", lab=locked.slug)
    lab_turned.send(sender=Lab, lab=locked)
    return locked


@transaction.atomic
def give_role(*, user: User, lab: Lab, role: Role, by: User | None) -> Membership:
    """Give a role in a lab, from now; giving it twice returns the membership that holds.

    Raises Conflict for whoever waits to be erased.
    """
    _stays(User.objects.select_for_update().get(pk=user.pk))
    membership, created = Membership.objects.get_or_create(user=user, lab=lab, role=role, ends_at=None)
    if created:
        trail.record(Event.MEMBERSHIP_GIVEN, by=by, target=user, lab=lab, role=role)
    return membership


@transaction.atomic
def end_role(*, membership: Membership, by: User) -> Membership:
    """End a role now; every right that came from it ends in the same transaction."""
    locked = Membership.objects.select_for_update().get(pk=membership.pk)
    if locked.ends_at is not None:
        raise Conflict(_("This role has ended already."))
    locked.ends_at = max(timezone.now(), locked.starts_at)  # a clock may have been set back since
    locked.save(update_fields=["ends_at"])
    trail.record(Event.MEMBERSHIP_ENDED, by=by, target=locked.user, lab=locked.lab, role=locked.role)
    bump_user(locked.user)
    return locked
