"""Forms of allauth's that say or do something else here: entrances, accounts linked and unlinked, and passkeys."""

from __future__ import annotations

import re
from typing import Final

from allauth.account.adapter import get_adapter
from allauth.account.forms import AddEmailForm, ChangePasswordForm, LoginForm, ResetPasswordForm, ResetPasswordKeyForm
from allauth.account.forms import SignupForm as PasswordSignupForm
from allauth.core import context
from allauth.core.exceptions import ReauthenticationRequired
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.base.forms import ReauthenticateForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm, LoginWebAuthnForm, ReauthenticateWebAuthnForm
from allauth.socialaccount.adapter import get_adapter as get_linked_adapter
from allauth.socialaccount.forms import DisconnectForm, SignupForm
from django import forms
from django.contrib import messages
from django.utils.translation import gettext_lazy as _

from portal.people import identity
from portal.people.addresses import opened_by
from portal.people.second_factor import is_confirmed, takes_device

_ADDRESS: Final = _("E-mail address")
_OF_AN_APP: Final = re.compile(r"[0-9]{6}")


def _name_new_password(fields: dict[str, forms.Field]) -> None:
    fields["password1"].label = _("New password")
    fields["password2"].label = _("New password (again)")


class EntranceForm(LoginForm):  # type: ignore[misc]
    """An address and its password."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _ADDRESS
        self.fields["remember"].label = _("Remember me")
        self.fields["password"].help_text = ""  # its link stands beside the button, and not in the way to it


class _OneAccount:
    """Whom the address opens an account for already makes no second; who only claims it among theirs keeps nobody away."""

    def validate_unique_email(self, value: str) -> str:
        """The address; a page that would tell who has an account goes on, and the mail tells."""
        self.account_already_exists = bool(opened_by(value))
        checked: str = get_adapter().validate_unique_email(value)
        return checked


class NewAccountForm(_OneAccount, PasswordSignupForm):  # type: ignore[misc]
    """Name, address and password of whoever comes without a provider."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _ADDRESS


class ForgottenForm(ResetPasswordForm):  # type: ignore[misc]
    """The address of an account whose password is forgotten."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _ADDRESS

    def clean_email(self) -> str:
        """The accounts that mail to the address may open."""
        self.users = [user for user in opened_by(self.cleaned_data["email"]) if user.is_active]
        return str(self.cleaned_data["email"])


class NewPasswordForm(ChangePasswordForm):  # type: ignore[misc]
    """Another password, from whoever knows the present one."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["oldpassword"].label = _("Current password")
        _name_new_password(self.fields)


class ResetForm(ResetPasswordKeyForm):  # type: ignore[misc]
    """Another password, from whoever followed the link in a mail."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        _name_new_password(self.fields)


class AddressForm(AddEmailForm):  # type: ignore[misc]
    """One address more."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _ADDRESS


class LinkedSignupForm(_OneAccount, SignupForm):  # type: ignore[misc]
    """Name and address, as the provider told them; both can be changed before the account is made."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = _ADDRESS
        self.fields["email"].help_text = _(
            "Decisions go here. We send a link to it, unless the provider has verified it."
        )


class UnlinkForm(DisconnectForm):  # type: ignore[misc]
    """One linked account to be taken away; works for those of a provider that the lab no longer lists, too."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.identities = identity.identities(self.request.user)
        linked = {each.provider_id for each in self.identities}
        listed = get_linked_adapter(self.request).list_providers(self.request)
        self.open = [each for each in listed if each.sub_id not in linked]

    def save(self) -> None:
        """Unlink, once the person has confirmed that it is them."""
        if not is_confirmed(self.request):
            raise ReauthenticationRequired
        identity.unlink(by=self.request.user, account=self.cleaned_data["account"])
        get_adapter().send_notification_mail("socialaccount/email/account_disconnected", self.request.user)
        get_adapter().add_message(self.request, messages.INFO, "socialaccount/messages/account_disconnected.txt")


class _Readable:
    """allauth and the library below it stumble over a credential that no browser makes; it is a wrong one, no fault."""

    def clean_credential(self) -> object:
        """The key that was used."""
        try:
            return super().clean_credential()  # type: ignore[misc]
        except (LookupError, AttributeError, TypeError, ValueError) as error:
            raise get_mfa_adapter().validation_error("incorrect_code") from error


class PasskeyLoginForm(_Readable, LoginWebAuthnForm):  # type: ignore[misc]
    """A key in the password's place."""


class PasskeyReauthenticateForm(_Readable, ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """A key, to confirm that it is still the same person."""


class CodeForm(ReauthenticateForm):  # type: ignore[misc]
    """A code, to confirm that it is still the same person."""

    @property
    def by_device(self) -> bool:
        """Whether a recovery code would not do."""
        return takes_device(context.request)

    def clean_code(self) -> object:
        """The code. One that would not open what waits is refused before it is used up."""
        if self.by_device and not _OF_AN_APP.fullmatch(self.cleaned_data["code"].replace(" ", "")):
            raise forms.ValidationError(
                _("Type the six digits that your app shows; a recovery code does not open this.")
            )
        return super().clean_code()


class PasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    """A key beside the password, or in its place."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name")
        self.fields["passwordless"].label = _("Sign in with this key alone, without the password")
        self.fields["passwordless"].help_text = _("The key then asks for your finger, face or its own PIN.")

    def clean(self) -> dict[str, object]:
        """The key that was made."""
        try:
            cleaned: dict[str, object] = super().clean()
        except (LookupError, AttributeError, TypeError, ValueError) as error:
            raise get_mfa_adapter().validation_error("incorrect_code") from error
        return cleaned
