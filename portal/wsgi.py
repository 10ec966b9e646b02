"""Django under WSGI: the control plane's entry in both sizes."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
_django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
    """Answer as the public address: where that is https, TLS has ended in front of us, and what arrives is plain.

    Addresses that the Hub's clients are given, with which they send their token, would else be http.
    """
    environ["wsgi.url_scheme"] = settings.BASE_URL.partition(":")[0]
    answer: Iterable[bytes] = _django(environ, start_response)
    return answer
