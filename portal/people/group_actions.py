"""The writers of groups: what their members may do in the operator's admin."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from portal.audit import trail
from portal.audit.events import Event
from portal.people.models import User


@transaction.atomic
def set_group(*, by: User, name: str, permissions: Collection[Permission], group: Group | None = None) -> Group:
    """A new group, or what one that is there is called and may do from now on. What changes nothing leaves no entry."""
    locked = Group.objects.select_for_update().get(pk=group.pk) if group else Group()
    if group and locked.name == name and set(locked.permissions.all()) == set(permissions):
        return locked
    locked.name = name
    locked.save()
    locked.permissions.set(permissions)
    rights = sorted(each.codename for each in permissions)
    trail.record(Event.OPERATOR_GROUP_SET, by=by, target=locked, name=name, rights=rights)
    return locked


@transaction.atomic
def delete_group(*, by: User, group: Group) -> None:
    """Its members lose what they had by it alone."""
    trail.record(Event.OPERATOR_GROUP_DELETED, by=by, target=group, name=group.name)
    group.delete()
