"""The operator's admin: entered as the portal is, and no way round an action or its place on the trail."""

from __future__ import annotations

import datetime
import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.audit.models import Entry
from portal.people import erasure
from portal.people.erasure_models import ErasureRequest
from portal.people.models import Institution, Lab, Membership, ReviewedDomain, Role, User
from tests.portal import world

pytestmark = pytest.mark.django_db
WRITTEN = {
    "announcements.Announcement",
    "people.User",
    "people.Lab",
    "people.Membership",
    "people.ReviewedDomain",
    "auth.Group",
}
"""Of all tables, those of which a row can be made or changed here."""


@pytest.fixture
def browser(operator):
    client = Client()
    client.force_login(operator, "allauth.account.auth_backends.AuthenticationBackend")
    return client


def chosen(browser, page, action, *rows):
    return browser.post(page, {"action": action, "_selected_action": [str(row.pk) for row in rows], "post": "yes"})


def of(event):
    return list(Entry.objects.filter(event=event).order_by("pk"))


def test_a_password_alone_does_not_open_the_admin_of_an_operator_with_a_second_factor(operator):
    TOTP.activate(operator, generate_totp_secret())
    EmailAddress.objects.create(user=operator, email=operator.email, verified=True, primary=True)
    client = Client()
    sent = {"username": operator.email, "password": world.PASSWORD, "next": "/admin/"}
    answer = client.post("/admin/login/?next=/admin/", sent)
    assert (answer.status_code, answer["Location"]) == (302, "/account/login/?next=/admin/")
    assert client.get("/admin/")["Location"].startswith("/admin/login/")
    halfway = client.post(answer["Location"], {"login": operator.email, "password": world.PASSWORD})
    assert halfway["Location"].startswith("/account/second-factor/")
    assert client.get("/admin/").status_code == 302


def test_whoever_is_no_operator_is_told_so_and_an_operator_goes_on(browser, mara):
    other = Client()
    other.force_login(mara, "allauth.account.auth_backends.AuthenticationBackend")
    refused = other.get("/admin/login/?next=/admin/")
    assert refused.status_code == 403
    assert "for the operator of the portal" in refused.content.decode()
    assert browser.get("/admin/login/")["Location"] == "/admin/"
    assert browser.get("/admin/password_change/")["Location"] == reverse("account_change_password")


def test_an_operator_finds_the_admin_at_the_foot_of_a_page_and_nobody_else_does(browser, mara):
    other = Client()
    other.force_login(mara, "allauth.account.auth_backends.AuthenticationBackend")
    assert 'href="/admin/"' in browser.get("/me/").content.decode()
    assert 'href="/admin/"' not in other.get("/me/").content.decode()
    assert 'href="/admin/"' not in Client().get("/help/").content.decode()


def test_the_admin_bears_the_name_of_the_portal_and_writes_entries(browser):
    page = browser.get("/admin/").content.decode()
    assert "Weighbridge, for its operator" in page
    assert "Django administration" not in page
    assert ">Entries</a>" in page


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en-gb", "23 Nov 2026, 14:20\u00a0UTC"),
        ("de", "23. November 2026, 14:20\u00a0UTC"),
    ],
)
def test_the_admin_writes_a_moment_on_24_hours_with_its_zone(browser, operator, mara, language, written):
    User.objects.filter(pk=operator.pk).update(language=language)
    User.objects.filter(pk=mara.pk).update(joined_at=datetime.datetime(2026, 11, 23, 14, 20, tzinfo=datetime.UTC))
    page = browser.get("/admin/people/user/").content.decode()
    assert f">{written}<" in page
    assert "p.m." not in page


@pytest.mark.filterwarnings("ignore:The default scheme")  # of a form that is never shown
def test_every_list_is_shown_and_what_has_an_action_is_written_by_nothing_else(browser, rf, operator, lyceum, mara):
    lyceum.granted(mara)
    request = rf.get("/")
    request.user = operator
    for model, page in admin.site._registry.items():
        place = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert browser.get(reverse(f"{place}_changelist")).status_code == 200, model
        row = model._default_manager.first()
        if row is not None:
            assert browser.get(reverse(f"{place}_change", args=[row.pk])).status_code == 200, model
        writes = page.has_add_permission(request) or page.has_change_permission(request, row or model())
        assert writes == (model._meta.label in WRITTEN), model
        goes = {"announcements.Announcement", "people.ReviewedDomain", "mfa.Authenticator", "auth.Group"}
        assert page.has_delete_permission(request, row or model()) == (model._meta.label in goes), model


def test_a_role_is_given_and_ended_by_its_actions(browser, operator, lyceum, mara):
    told = {"user": str(mara.pk), "lab": str(lyceum.lab.pk), "role": Role.MANAGER}
    for _ in range(2):
        assert browser.post("/admin/people/membership/add/", told).status_code == 302
    given = Membership.objects.get(user=mara)
    (entry,) = of("membership.given")[-1:]
    assert (entry.actor_id, entry.data["role"]) == (str(operator.pk), "manager")
    before = User.objects.get(pk=mara.pk).generation
    for _ in range(2):
        chosen(browser, "/admin/people/membership/", "end", given)
    given.refresh_from_db()
    assert given.ends_at is not None
    assert len(of("membership.ended")) == 1
    assert User.objects.get(pk=mara.pk).generation == before + 1, "or what is cached of their rights would stay"


def test_a_lab_is_made_by_its_action_and_never_under_a_name_of_the_portals_own(browser):
    told = {"slug": "atelier", "name": "Atelier", "summary": "", "site": "", "contact": ""}
    assert browser.post("/admin/people/lab/add/", told).status_code == 302
    lab = Lab.objects.get(slug="atelier")
    assert lab.is_active
    assert [entry.target_id for entry in of("lab.created")][-1] == str(lab.pk)
    assert (
        "is an address of the portal" in browser.post("/admin/people/lab/add/", told | {"slug": "api"}).content.decode()
    )
    assert "already exists" in browser.post("/admin/people/lab/add/", told).content.decode()
    changed = {"slug": "moved", "name": "Atelier Nord", "is_active": ""}
    assert browser.post(f"/admin/people/lab/{lab.pk}/change/", changed).status_code == 302
    lab.refresh_from_db()
    assert (lab.slug, lab.name, lab.is_active) == ("atelier", "Atelier Nord", True)


def test_a_lab_is_closed_and_opened_again_by_its_actions(browser, operator, lyceum):
    for verb, active in (("close", False), ("close", False), ("reopen", True), ("reopen", True)):
        chosen(browser, "/admin/people/lab/", verb, lyceum.lab)
        lyceum.lab.refresh_from_db()
        assert lyceum.lab.is_active == active
    entries = of("lab.closed") + of("lab.reopened")
    assert [(entry.event, entry.actor_id) for entry in entries] == [
        ("lab.closed", str(operator.pk)), ("lab.reopened", str(operator.pk)),
    ]  # fmt: skip


def test_an_account_is_suspended_and_restored_but_neither_the_operators_own_nor_an_erased_one(browser, operator, mara):
    chosen(browser, "/admin/people/user/", "suspend", mara, operator)
    assert [User.objects.get(pk=each.pk).is_active for each in (mara, operator)] == [False, True]
    assert [entry.target_id for entry in of("user.suspended")] == [str(mara.pk)]
    chosen(browser, "/admin/people/user/", "restore", mara)
    assert User.objects.get(pk=mara.pk).is_active
    now = timezone.now()
    ErasureRequest.objects.create(user=mara, requested_at=now, due_at=now, ended_at=now, done=True)
    User.objects.filter(pk=mara.pk).update(is_active=False)
    chosen(browser, "/admin/people/user/", "restore", mara)
    assert not User.objects.get(pk=mara.pk).is_active


def change(browser, user, **said):
    return browser.post(f"/admin/people/user/{user.pk}/change/", said)


def test_who_becomes_an_operator_and_who_no_more_is_on_the_trail(browser, operator, mara):
    looks = Permission.objects.get(codename="view_user")
    assert change(browser, mara, is_staff="on", user_permissions=[looks.pk]).status_code == 302
    mara.refresh_from_db()
    assert (mara.is_staff, mara.is_superuser, list(mara.user_permissions.all())) == (True, False, [looks])
    change(browser, mara)
    assert [(entry.actor_id, entry.target_id, entry.data) for entry in of("operator.set")] == [
        (str(operator.pk), str(mara.pk), {"staff": True, "all": False, "rights": ["view_user"]}),
        (str(operator.pk), str(mara.pk), {"staff": False, "all": False, "rights": []}),
    ]


def test_the_last_operator_stays_one_and_with_a_second_the_first_may_go(browser, operator, mara):
    answer = change(browser, operator, is_staff="on")
    assert (answer.status_code, User.objects.get(pk=operator.pk).is_superuser) == (409, True)
    assert "This is the last operator." in answer.content.decode()
    change(browser, mara, is_staff="on", is_superuser="on")
    assert change(browser, operator, is_staff="on").status_code == 302
    assert not User.objects.get(pk=operator.pk).is_superuser


def test_who_waits_to_be_erased_or_was_gets_neither_a_role_nor_the_admin(browser, lyceum, mara):
    erasure.request_erasure(by=mara)
    told = {"user": str(mara.pk), "lab": str(lyceum.lab.pk), "role": Role.MANAGER}
    assert browser.post("/admin/people/membership/add/", told).status_code == 409
    assert change(browser, mara, is_staff="on", is_superuser="on").status_code == 409
    assert not Membership.objects.filter(user=mara).exists()
    assert not User.objects.get(pk=mara.pk).is_staff
    erasure.cancel_erasure(by=mara)
    assert browser.post("/admin/people/membership/add/", told).status_code == 302


def test_what_was_not_done_is_not_announced_as_done(browser, operator, mara):
    def said(action):
        chosen(browser, "/admin/people/user/", action, mara)
        page = browser.get("/admin/people/user/").content.decode()
        return re.findall(r'<li class="(success|warning)">(.*?)</li>', page, re.DOTALL)

    assert said("suspend") == [("success", "Done: 1.")]
    assert [kind for kind, _words in said("suspend")] == ["warning", "warning"]


def test_who_may_only_look_suspends_nobody_ends_no_role_and_makes_no_operator(operator, lyceum, mara):
    helper = world.person("Hal Per")
    User.objects.filter(pk=helper.pk).update(is_staff=True)
    looks = Permission.objects.filter(codename__in=["view_user", "change_user", "view_membership"])
    helper.user_permissions.set(looks)
    browser = Client()
    browser.force_login(helper, "allauth.account.auth_backends.AuthenticationBackend")
    assert mara.email in browser.get("/admin/people/user/").content.decode()
    chosen(browser, "/admin/people/user/", "suspend", mara)
    chosen(browser, "/admin/people/membership/", "end", *Membership.objects.all())
    browser.post(f"/admin/people/user/{helper.pk}/change/", {"is_staff": "on", "is_superuser": "on"})
    assert User.objects.get(pk=mara.pk).is_active
    assert not Membership.objects.exclude(ends_at=None).exists()
    assert not User.objects.get(pk=helper.pk).is_superuser


def test_an_account_shows_no_password_and_its_facts_are_its_owners(browser, mara):
    page = f"/admin/people/user/{mara.pk}/change/"
    assert mara.password not in browser.get(page).content.decode()
    browser.post(page, {"name": "Another", "is_active": "", "is_staff": "on"})
    after = User.objects.get(pk=mara.pk)
    assert (after.name, after.is_active, after.is_staff) == (mara.name, True, True)


def test_a_second_factor_is_taken_away_and_its_secret_is_shown_to_nobody(browser, operator, mara):
    secret = generate_totp_secret()
    TOTP.activate(mara, secret)
    lost = Authenticator.objects.get(user=mara)
    page = f"/admin/mfa/authenticator/{lost.pk}/"
    shown = browser.get(page + "change/").content.decode()
    assert lost.data["secret"] not in shown
    assert "data" not in [name.split('"')[0] for name in shown.split('name="')[1:]]
    browser.post(page + "delete/", {"post": "yes"})
    assert not Authenticator.objects.filter(user=mara).exists()
    assert [(entry.actor_id, entry.target_id) for entry in of("second_factor.removed")] == [
        (str(operator.pk), str(mara.pk))
    ]


@pytest.mark.parametrize("way", ["page", "list"])
def test_a_domain_that_is_taken_back_is_on_the_trail(browser, way):
    place = Institution.objects.create(ror="https://ror.org/0000000", name="Northfield University")
    browser.post("/admin/people/revieweddomain/add/", {"institution": place.pk, "domain": "northfield.example"})
    row = ReviewedDomain.objects.get()
    if way == "page":
        browser.post(f"/admin/people/revieweddomain/{row.pk}/delete/", {"post": "yes"})
    else:
        chosen(browser, "/admin/people/revieweddomain/", "delete_selected", row)
    assert not ReviewedDomain.objects.exists()
    assert [entry.data["domain"] for entry in of("domain.withdrawn")] == ["northfield.example"]


def group_page(browser, group, **said):
    return browser.post(f"/admin/auth/group/{group.pk}/change/", said)


def test_what_a_group_may_do_is_on_the_trail_from_its_making_to_its_end(browser, operator):
    looks, changes = (Permission.objects.get(codename=name) for name in ("view_user", "change_lab"))
    assert browser.post("/admin/auth/group/add/", {"name": "Desk", "permissions": [looks.pk]}).status_code == 302
    desk = Group.objects.get()
    assert list(desk.permissions.all()) == [looks]
    assert group_page(browser, desk, name="Front desk", permissions=[looks.pk, changes.pk]).status_code == 302
    group_page(browser, desk, name="Front desk", permissions=[looks.pk, changes.pk])
    assert set(desk.permissions.all()) == {looks, changes}
    browser.post(f"/admin/auth/group/{desk.pk}/delete/", {"post": "yes"})
    assert not Group.objects.exists()
    assert [(entry.event, entry.actor_id, entry.target_id, entry.data) for entry in of("operator_group.set")] == [
        ("operator_group.set", str(operator.pk), str(desk.pk), {"name": "Desk", "rights": ["view_user"]}),
        ("operator_group.set", str(operator.pk), str(desk.pk), {"name": "Front desk", "rights": ["change_lab", "view_user"]}),
    ]  # fmt: skip
    assert [(entry.target_id, entry.data) for entry in of("operator_group.deleted")] == [
        (str(desk.pk), {"name": "Front desk"})
    ]


def test_groups_deleted_from_the_list_are_on_the_trail_each(browser):
    for name in ("Desk", "Night desk"):
        browser.post("/admin/auth/group/add/", {"name": name})
    chosen(browser, "/admin/auth/group/", "delete_selected", *Group.objects.all())
    assert not Group.objects.exists()
    assert sorted(entry.data["name"] for entry in of("operator_group.deleted")) == ["Desk", "Night desk"]


def test_who_has_some_rights_gives_their_own_group_no_others(operator, mara):
    desk = Group.objects.create(name="Desk")
    desk.permissions.set(Permission.objects.filter(content_type__app_label="auth", content_type__model="group"))
    User.objects.filter(pk=mara.pk).update(is_staff=True)
    mara.groups.add(desk)
    browser = Client()
    browser.force_login(User.objects.get(pk=mara.pk), "allauth.account.auth_backends.AuthenticationBackend")
    assert "Desk" in browser.get("/admin/auth/group/").content.decode()
    every = [each.pk for each in Permission.objects.all()]
    assert group_page(browser, desk, name="Desk", permissions=every).status_code == 403
    assert browser.post("/admin/auth/group/add/", {"name": "All", "permissions": every}).status_code == 403
    assert browser.post(f"/admin/auth/group/{desk.pk}/delete/", {"post": "yes"}).status_code == 403
    assert desk.permissions.count() == 4


def test_what_a_lab_says_of_itself_is_changed_on_the_trail_and_nothing_changed_is_no_entry(browser, operator, lyceum):
    told = {"name": lyceum.lab.name, "summary": "Small models.", "site": "", "contact": "desk@lyceum.example"}
    for _ in range(2):
        assert browser.post(f"/admin/people/lab/{lyceum.lab.pk}/change/", told).status_code == 302
    lyceum.lab.refresh_from_db()
    assert (lyceum.lab.summary, lyceum.lab.contact) == ("Small models.", "desk@lyceum.example")
    assert [(entry.actor_id, entry.lab, entry.data) for entry in of("lab.changed")] == [
        (str(operator.pk), "lyceum", {"changed": ["contact", "summary"]})
    ]
