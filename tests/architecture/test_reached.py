"""What pages of the portal can do, programs can: each action that a page calls is called by an operation of the API too."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from types import FunctionType

from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.views import APIView

BY_PAGE_ALONE = {
    "portal.access.actions.attaching.attach": "a file; bodies of the API are JSON",
    "portal.access.actions.attaching.detach": "a file; bodies of the API are JSON",
    "portal.access.actions.attaching.record_reading": "a file; bodies of the API are JSON",
    "portal.access.actions.attesting.record_roster_export": "a file of a list that the API gives page by page",
    "portal.access.actions.calling.record_outstanding_export": "a file of a list that the API gives page by page",
    "portal.access.actions.desk.record_export": "a file of a list that the API gives page by page",
    "portal.access.actions.desk.record_grants_export": "a file of a list that the API gives page by page",
    "portal.access.actions.wording.try_letter": "mails a letter to oneself, to look at",
    "portal.mail.pacing.stop": "the link in a mail, for a mail program",
    "portal.people.actions.choose_language": "the language of this browser; programs are answered in English",
    "portal.people.affiliation_actions.confirm_address": "a mailed link that a person opens in the browser",
    "portal.people.affiliation_actions.proof_of": "a mailed link that a person opens in the browser",
    "portal.people.erasure.cancel_erasure": "one reads first what goes and what stays",
    "portal.people.erasure.export": "a file, after the password was asked",
    "portal.people.erasure.request_erasure": "one reads first what goes and what stays",
    "portal.people.reach.address_of": "a mailed link that a person opens in the browser",
    "portal.people.reach.confirm": "a mailed link that a person opens in the browser",
    "portal.tokens.device_actions.approve": "a person looks at what asks, in the browser: that is what it is for",
    "portal.tokens.device_actions.begin": "the device authorization grant, on the addresses of RFC 8628",
    "portal.tokens.device_actions.poll": "the device authorization grant, on the addresses of RFC 8628",
    "portal.tokens.device_actions.refuse": "a person looks at what asks, in the browser: that is what it is for",
}
"""Why no operation does it. What is not needed here any more fails as well."""


def _modules(resolver: URLResolver) -> Iterator[tuple[str, bool]]:
    """(module of a view of the portal, whether it is one of the API) for every address."""
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _modules(pattern)
        elif isinstance(pattern, URLPattern):
            view = getattr(pattern.callback, "cls", None) or inspect.unwrap(pattern.callback)
            name = getattr(view, "__module__", "")
            if name.startswith("portal."):
                yield name, inspect.isclass(view) and issubclass(view, APIView)


def _called(name: str) -> set[str]:
    """The actions that a module names: functions of the portal, of another module, whose parameters are all by keyword."""
    known = vars(importlib.import_module(name))
    found = set()
    for node in ast.walk(ast.parse(inspect.getsource(importlib.import_module(name)))):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and inspect.ismodule(known.get(node.value.id))
        ):
            named = getattr(known[node.value.id], node.attr, None)
        else:
            named = known.get(node.id) if isinstance(node, ast.Name) else None
        if isinstance(named, FunctionType) and named.__module__.startswith("portal.") and named.__module__ != name:
            asked = inspect.signature(named).parameters.values()
            if asked and all(each.kind in {each.KEYWORD_ONLY, each.VAR_KEYWORD} for each in asked):
                found.add(f"{named.__module__}.{named.__name__}")
    return found


def test_what_a_page_can_do_a_program_can_or_a_reason_says_why_not():
    modules = set(_modules(get_resolver()))
    pages, api = (
        set().union(*(_called(name) for name, is_api in modules if is_api is which)) for which in (False, True)
    )
    assert "portal.access.actions.reviewing.cast_vote" in pages & api, "the comparison sees what both call"
    assert pages - api == BY_PAGE_ALONE.keys()
