"""What every door of the Hub shares: who asks, how an error is said, how a parameter is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_exempt

from portal.errors import BadToken, NotAllowed, WeighbridgeError
from portal.people.models import User
from portal.tokens.authentication import Credential, by_password, identify, is_basic
from portal.tokens.scopes import Scope
from releases import lookup
from releases.actions.rights import require_staff
from releases.hub import limits, wire
from releases.hub.limits import Bucket
from releases.hub.target import send_on
from releases.hub.wire import Missing, NotSignedInToHub
from releases.lookup import Moved
from releases.models import Model
from releases.opening import State
from releases.opening_models import Opening

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and when. Doors of the Hub read bearer tokens alone, never the session."""

    credential: Credential | None
    now: datetime

    @property
    def person(self) -> User | None:
        """The token's holder."""
        return self.credential.user if self.credential else None

    @property
    def scopes(self) -> frozenset[str] | None:
        """The token's scopes; None without a token."""
        return frozenset(self.credential.scopes) if self.credential else None

    @property
    def publishes(self) -> bool:
        """Whether `main` means the newest draft to this token."""
        return self.credential is not None and Scope.PUBLISH in self.credential.scopes


Door = Callable[Concatenate[HttpRequest, Asker, P], HttpResponseBase]


def door(
    *methods: str,
    gate: bool = True,
    bucket: Bucket = Bucket.API,
    basic: bool = False,
    refusal: Callable[..., HttpResponse] = wire.refusal,
) -> Callable[[Door[P]], Callable[Concatenate[HttpRequest, P], HttpResponseBase]]:
    """A view for these methods that knows who asks, counts it, and answers every error in the Hub's shape.

    `gate` False: what it refuses is no access to files. `bucket`: what a request counts against. `basic`: the token may come as
    the password of HTTP's Basic scheme, as git sends it; never at a door that changes anything, since a browser repeats what it
    was once told to whatever page asks it to. `refusal`: the shape of errors, where it is not the Hub's.
    """

    def wrap(view: Door[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @wraps(view)
        def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if request.method not in methods:
                return _wrong_method(methods)
            credential, fault = _identified(request, basic=basic)
            standing = limits.take(bucket, request, credential.user if credential else None)
            response: HttpResponseBase
            try:
                if refused := standing.refusal or fault:
                    raise refused
                response = view(request, Asker(credential, timezone.now()), *args, **kwargs)
            except Moved as moved:
                response = send_on(request, moved)
            except WeighbridgeError as error:
                response = refusal(error, signed_in=credential is not None, gate=gate)
            return standing.tell(response)

        return csrf_exempt(answer)

    return wrap


def _identified(request: HttpRequest, *, basic: bool) -> tuple[Credential | None, BadToken | None]:
    """Who asks; a bad token is told only after it was counted against its address."""
    header = request.headers.get("Authorization")
    try:
        return (by_password(header) if header and basic and is_basic(header) else identify(header)), None
    except BadToken as fault:
        return None, fault


def model_named(namespace: str, name: str, who: Asker) -> Model:
    """The model of this name, as far as the asker may know of it; raises Missing."""
    found = lookup.model(namespace, name, person=who.person, now=who.now)
    if found is None and (renamed := lookup.renamed(namespace, name, person=who.person, now=who.now)):
        raise Moved(f"{namespace}/{name}", renamed)
    if found is None and (planned := Opening.objects.announced(namespace, name).first()):
        raise Missing("RepoNotFound", _not_yet(planned), topic="opening")
    if found is None:
        raise Missing("RepoNotFound", f"There is no model {namespace}/{name} here, or it is not public.")
    return found


def _not_yet(planned: Opening) -> str:
    """An announced model is not there yet, in the Hub's words, with what its page says to everybody."""
    name = planned.model.full_name
    if planned.state == State.HELD:
        return f"{name} is not open yet, and its opening is on hold. See {settings.BASE_URL}/{name}"
    if planned.opens_at and planned.opens_at > timezone.now():
        return f"{name} is not open yet. It opens on {planned.opens_at:%Y-%m-%d at %H:%M} UTC. See {settings.BASE_URL}/{name}"
    return f"{name} is not open yet. What its opening waits for: {settings.BASE_URL}/{name}"


def publisher(who: Asker) -> User:
    """The token's holder, if the token may publish. Raises NotSignedIn, NotAllowed."""
    if who.credential is None:
        raise NotSignedInToHub
    if not who.publishes:
        raise NotAllowed("This token does not publish. Make one of the kind 'publish' among your tokens.", code="scope")
    return who.credential.user


def own(namespace: str, name: str, who: Asker) -> Model:
    """A model whose lab the publisher looks after. Raises Missing, NotSignedIn, NotAllowed."""
    user = publisher(who)
    model = model_named(namespace, name, who)
    require_staff(user, model.lab)
    return model


def flag(request: HttpRequest, name: str) -> bool:
    """Clients write booleans as `true`, `True` or `1`."""
    return request.GET.get(name, "").lower() in {"true", "1"}


def text(request: HttpRequest, name: str) -> str:
    """A parameter as the database can take it."""
    return request.GET.get(name, "").replace("\0", "")


def number(request: HttpRequest, name: str, default: int) -> int:
    """A positive whole number of at most 18 digits, else the default."""
    said = request.GET.get(name, "")
    return int(said) if said.isascii() and said.isdigit() and 0 < len(said) < 19 else default


def link_next(request: HttpRequest, response: HttpResponse, cursor: str | int) -> None:
    """The address must be absolute and on our origin: the client sends its token there again."""
    query = {key: request.GET.getlist(key) for key in request.GET} | {"cursor": [str(cursor)]}
    response["Link"] = f'<{request.build_absolute_uri(request.path)}?{urlencode(query, doseq=True)}>; rel="next"'


def _wrong_method(methods: tuple[str, ...]) -> HttpResponse:
    answer = JsonResponse({"error": f"This address answers {', '.join(methods)}."}, status=405)
    answer["Allow"] = ", ".join(methods)
    return answer
