"""The one foreign thing here: allauth. Its accounts become our people, its mails go through our outbox."""

from __future__ import annotations

import logging
from typing import Any, Final
from urllib.parse import urlencode

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.flows.reauthentication import resume_request
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal import ratelimit
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base import Provider
from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.forms import BaseForm
from django.http import HttpRequest, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from portal.audit import trail
from portal.audit.events import Event
from portal.http import sender
from portal.mail import sending
from portal.people import identity
from portal.people.models import User
from portal.people.second_factor import devices_alone, is_confirmed, takes_device

logger = logging.getLogger(__name__)
MAILS: Final = {
    "email_confirmation": "account_confirm",
    "email_confirmation_signup": "account_confirm",
    "password_reset_key": "account_reset",
    "account_already_exists": "account_exists",
    "recovery_codes_generated": "account_changed",
    "totp_activated": "account_changed",
    "totp_deactivated": "account_changed",
    "webauthn_added": "account_changed",
    "webauthn_removed": "account_changed",
    "unknown_account": "account_unknown",
    "email_added": "account_changed",
    "email_changed": "account_changed",
    "email_deleted": "account_changed",
    "password_changed": "account_changed",
    "password_reset": "account_changed",
    "password_set": "account_changed",
    "account_connected": "account_changed",
    "account_disconnected": "account_changed",
}
"""allauth's names of mails, and the template of ours that says the same."""

LINKS: Final = ("activate_url", "password_reset_url", "signup_url")


LIMITS: Final = {
    "institution_search": "120/m/user",
    "mail_check": "5/d/user",
    "letter_try": "20/h/user",
    "device_login": "30/5m/ip",
    "user_code": "10/5m/user,20/5m/ip",
}
"""allauth's notation: how many, in which time, of whom."""


def within_limit(request: HttpRequest, action: str) -> bool:
    """Count one request against its limit, GET too; False where it is one too many."""
    return ratelimit.consume(request, app="portal.people", action=action, config=LIMITS, limit_get=True) is not None


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-up stores the name and an audit row; every mail is one of templates/emails."""

    def save_user(self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True) -> User:  # noqa: FBT001, FBT002 - allauth's signature
        """Store the new person, in the language they read just now, together with the audit row."""
        user.name = form.cleaned_data.get("name", "").strip()
        user.language = get_language() or settings.LANGUAGE_CODE
        with transaction.atomic():
            saved: User = super().save_user(request, user, form, commit)
            if commit:
                trail.record(Event.USER_REGISTERED, by=saved, target=saved)
        return saved

    def populate_username(self, request: HttpRequest, user: User) -> None:
        """Leave it: our people have no user name, the address is enough."""

    def get_client_ip(self, request: HttpRequest) -> str:
        """Whom limits by address count; allauth's own answer knows nothing of our proxies."""
        return sender(request)

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """Where one says again that it is oneself; whoever has neither password nor second factor, at their provider."""
        known: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if known and takes_device(self.request):
            return devices_alone(user, known)
        if known or not user.is_authenticated:
            return known
        return [{"id": "linked", "description": _("Use a linked account"), "url": reverse("linked_confirm")}]

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Whether what is asked for needs that, and it was not said lately: at a provider counts too, which allauth leaves out."""
        return super().is_reauthentication_required(app=app, **kwargs) and not is_confirmed(self.request)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Count the address as theirs where it is still among theirs, and nobody else's by now.

        Whoever may confirm it, too, is locked in one order: of several at once one is first, and the others are told.
        """
        email = email_address.email
        theirs = Q(pk=email_address.user_id) | Q(email=email)
        claims = Q(pk__in=EmailAddress.objects.filter(email=email).values("user"))
        try:
            with transaction.atomic():
                list(User.objects.select_for_update().filter(theirs | claims).order_by("pk"))
                address = EmailAddress.objects.filter(pk=email_address.pk, email=email, verified=False).first()
                if address is not None:
                    return bool(super().confirm_email(request, address))
        except IntegrityError:  # a provider has vouched for somebody else meanwhile
            pass
        self.add_message(request, messages.ERROR, "account/messages/email_confirmation_failed.txt", {"email": email})
        return False

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Hand one of allauth's mails to the outbox, with only what its template reads."""
        event = template_prefix.rsplit("/", 1)[-1]
        user = context.get("user")
        known: dict[str, Any] = {name: context[name] for name in LINKS if name in context}
        known |= {"email": email, "event": event, "name": user.get_full_name() if isinstance(user, User) else ""}
        known["path"] = reverse("account_reset_password")
        language = user.language if isinstance(user, User) else get_language() or ""
        with transaction.atomic():
            sending.send(to=email, template=MAILS[event], context=known, key=f"account:{email}", language=language)


class LinkedAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Accounts elsewhere that open one here. Providers come from the settings alone; rows of SocialApp are not read."""

    error_messages = {
        **DefaultSocialAccountAdapter.error_messages,
        "no_password": _("Set a password first: without one, nothing would open this account any more."),
        "no_verified_email": _("Verify an address first: without one, nothing would open this account any more."),
    }

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """The providers that the lab lists, in its order; of `provider`, the one of this id."""
        known = settings.SOCIALACCOUNT_PROVIDERS
        apps = [SocialApp(provider=kind, **app) for kind, told in known.items() for app in told["APPS"]]
        return [app for app in apps if provider in (None, app.provider_id) and client_id in (None, app.client_id)]

    def on_authentication_error(
        self, request: HttpRequest, provider: Provider, error: str = "", exception: object = None, **_context: object
    ) -> None:
        """For the operator; the person gets a page."""
        logger.warning("Nobody was let in by %s: %s", provider, exception or error)

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Back from the provider only to confirm that it is the same person: then what waited goes on by itself."""
        if sociallogin.state.get("process") != identity.CONFIRM:
            return
        if not request.user.is_authenticated or sociallogin.user != request.user:
            messages.error(request, _("That account is not linked to the one that you are signed in to."))
            raise ImmediateHttpResponse(redirect("linked_confirm"))
        account = sociallogin.account
        told = {"provider": account.provider, "uid": account.uid, "reauthenticated": True}
        record_authentication(request, request.user, "socialaccount", **told)
        address = sociallogin.get_redirect_url(request) or settings.LOGIN_REDIRECT_URL
        request.GET = QueryDict(urlencode({"next": address}))  # where allauth looks for it
        raise ImmediateHttpResponse(resume_request(request) or redirect(address))

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        """The name as the provider tells it."""
        super().populate_user(request, sociallogin, data)
        user: User = sociallogin.user
        user.name = str(data.get("name") or "").replace("\x00", "").strip()[:120]
        return user

    def get_signup_form_initial_data(self, sociallogin: SocialLogin) -> dict[str, Any]:
        """Name and address, to be looked at before the account is made."""
        return {**super().get_signup_form_initial_data(sociallogin), "name": sociallogin.user.name}

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: BaseForm | None = None) -> User:
        """The new person with the linked account. A verified address counts only where it is the one that was chosen."""
        chosen = form.cleaned_data["email"].lower() if form else ""
        sociallogin.email_addresses = [each for each in sociallogin.email_addresses if each.email.lower() == chosen]
        try:
            with transaction.atomic():
                user: User = super().save_user(request, sociallogin, form)
                identity.record_linked(user, sociallogin.account.provider)
        except IntegrityError:  # the same person was quicker, in another window
            messages.error(request, _("There is an account for this already. Sign in."))
            raise ImmediateHttpResponse(redirect("account_login")) from None
        return user
