"""Providers of sign-in, as allauth looks for them in a module of this name: OpenID Connect, checked in full, and GitHub.

allauth trusts what came straight from the token endpoint and sends no nonce. We check the ID token's signature, issuer,
audience, time and nonce ourselves, and that the user info speaks of the same subject (OpenID Connect Core 1.0, 3.1.3.7
and 5.3.2). Of what a provider tells, KEPT is kept.
"""

from __future__ import annotations

from typing import Any, Final

import jwt
from allauth.account.models import EmailAddress
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base import Provider
from allauth.socialaccount.providers.github.provider import GitHubProvider
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.provider import OAuth2Provider
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import get_random_string

from portal.people import identity, orcid

SIGNED_WITH: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures that only the provider can make: none that needs no key, none that we could make ourselves."""
CLOCKS_APART_S: Final = 60
LONGEST_SUBJECT: Final = 191
KEPT: Final = ("name", "email", "login", "schac_home_organization", "eduperson_scoped_affiliation")
"""Claims that the page of linked accounts, reviewers and the form's first answers need."""


def kept(claims: dict[str, Any]) -> dict[str, Any]:
    """The few claims that we store; the text of an address only where the provider has verified it."""
    told = {name: _plain(claims.get(name)) for name in KEPT if name != "email" or is_verified(claims)}
    return {name: value for name, value in told.items() if value}


def _plain(value: object) -> str | list[str]:
    """A claim as a text or texts of a bounded length; anything else is nothing."""
    if isinstance(value, list):
        return [each.replace("\x00", "")[:254] for each in value[:20] if isinstance(each, str)]
    return value.replace("\x00", "")[:254] if isinstance(value, str) else ""


def is_verified(claims: dict[str, Any]) -> bool:
    """Whether the provider says that it has verified the address. Anything but a plain yes is a no."""
    said = claims.get("email_verified")
    return (said is True or said == "true") and bool(claims.get("email"))


class OpenIdAdapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """Talks to one OpenID Connect provider; whatever goes wrong on the way is an OAuth2Error, which has a page."""

    nonce = ""

    @property
    def openid_config(self) -> dict[str, Any]:
        """What the provider says about itself."""
        try:
            found = super().openid_config
            needed = {key: str(found[key]) for key in ("issuer", "jwks_uri", "userinfo_endpoint", "token_endpoint")}
        except (OSError, LookupError, TypeError, ValueError) as error:
            raise OAuth2Error(f"The provider {self.provider_id} does not describe itself: {error}") from error
        return {**found, **needed}

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        """Check everything, then say who it is."""
        try:
            claims = self._checked(app, str(kwargs["response"]["id_token"]))
            told = self._fetch_user_info(token.token)
            if told["sub"] != claims["sub"]:
                raise OAuth2Error("The user info is about somebody else.")
        except (OSError, LookupError, TypeError, ValueError, jwt.PyJWTError) as error:
            raise OAuth2Error(f"The answer of {self.provider_id} does not hold: {error}") from error
        return self.get_provider().sociallogin_from_response(request, {**claims, **told})

    def _checked(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            id_token,
            self._key(jwt.get_unverified_header(id_token).get("kid")),
            algorithms=list(SIGNED_WITH),
            audience=app.client_id,
            issuer=self.openid_config["issuer"],
            leeway=CLOCKS_APART_S,
            options={"require": ["iss", "aud", "exp", "iat", "sub"]},
        )
        if not self.nonce or claims.get("nonce") != self.nonce or claims.get("azp", app.client_id) != app.client_id:
            raise OAuth2Error("The ID token was not made for this sign-in.")
        return claims

    def _key(self, name: str | None) -> jwt.PyJWK:
        """The provider's public key of this name; without a name, its only one."""
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
        keys = [key for key in jwt.PyJWKSet.from_dict(answer.json()).keys if key.public_key_use in (None, "sig")]
        named = [key for key in keys if name in (None, key.key_id)]
        if len(named) != 1:
            raise OAuth2Error(f"The provider has {len(named)} keys of the name {name}.")
        return named[0]


class _AsListed(OAuth2Provider):  # type: ignore[misc]
    """What is asked of a provider is the lab's choice: nothing in an address of ours adds to it."""

    def get_scope_from_request(self, request: HttpRequest) -> list[str]:
        """As the settings say."""
        scope: list[str] = self.get_scope()
        return scope

    def get_auth_params_from_request(self, request: HttpRequest, action: str) -> dict[str, str]:
        """As the settings say."""
        params: dict[str, str] = self.get_auth_params()
        return params


class OpenIdProvider(_AsListed, OpenIDConnectProvider):  # type: ignore[misc]
    """ORCID, Google, an institution: whoever speaks OpenID Connect."""

    oauth2_adapter_class = OpenIdAdapter

    def serialize(self) -> dict[str, Any]:
        """For the session: by its id, because two providers may know us under the same client id."""
        return {**super().serialize(), "id": self.sub_id}

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, data: object = None, **kwargs: Any
    ) -> HttpResponse:
        """Send to the provider with a nonce, which waits in the session for the ID token."""
        nonce = get_random_string(32)
        kwargs["auth_params"] = {**(kwargs.get("auth_params") or {}), "nonce": nonce}
        if process == identity.CONFIRM:  # the provider must ask, too: an open session there proves nothing
            kwargs["auth_params"]["prompt"] = "select_account" if self.app.provider_id == "google" else "login"
        response: HttpResponse = super().redirect(request, process, next_url, data, nonce=nonce, **kwargs)
        return response

    def extract_uid(self, data: dict[str, Any]) -> str:
        """The subject. ORCID's must be an ORCID iD, because we show it to reviewers as one."""
        subject = str(data["sub"])
        is_meant = self.app.provider_id != orcid.PROVIDER or orcid.is_id(subject)
        if not is_meant or not subject.isprintable() or not 0 < len(subject) < LONGEST_SUBJECT:
            raise OAuth2Error("The provider's name for this person cannot be read.")
        return subject

    def extract_common_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        """Name and address, for the first answers of the form."""
        parts = (str(data.get(part) or "") for part in ("given_name", "family_name"))
        return {"email": data.get("email"), "name": _plain(data.get("name")) or " ".join(filter(None, parts))}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[EmailAddress]:
        """The one address, verified or not."""
        if not isinstance(data.get("email"), str):
            return []
        return [EmailAddress(email=data["email"], verified=is_verified(data), primary=True)]

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """What we store."""
        return kept({**data, **self.extract_common_fields(data)})


class GitHub(_AsListed, GitHubProvider):  # type: ignore[misc]
    """GitHub, which speaks OAuth 2 and its own API."""

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """What we store."""
        return kept(data)


class Callback(OAuth2CallbackView):  # type: ignore[misc]
    """Where a provider sends people back to; hands the nonce of the sign-in to the adapter."""

    def _get_state(self, request: HttpRequest, provider: Provider) -> tuple[dict[str, Any], HttpResponse | None]:
        state, response = super()._get_state(request, provider)
        self.adapter.nonce = (state or {}).get("nonce", "")
        return state, response


provider_classes = [OpenIdProvider, GitHub]
