"""Mail addresses as evidence: who may have one, and when two are the same mailbox. No Django."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

FREE_MAIL: Final = frozenset(
    [
        "gmail.com",
        "googlemail.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "yahoo.com",
        "icloud.com",
        "me.com",
        "proton.me",
        "protonmail.com",
        "gmx.net",
        "gmx.de",
        "web.de",
        "mail.com",
        "mail.ru",
        "yandex.ru",
        "qq.com",
        "163.com",
        "126.com",
        "aol.com",
        "zoho.com",
    ]
)
"""Addresses that anyone may have: they say nothing about where a person works."""


def domain_of(address: str) -> str:
    """The part after the @, in lower case."""
    return address.rpartition("@")[2].strip().lower().rstrip(".")


def mailbox_of(address: str) -> str:
    """One spelling for one mailbox: lower case, without the tag after a plus. A@x.example is a+b@x.example."""
    local, _, _domain = address.strip().lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain_of(address)}"


def belongs(domain: str, domains: Iterable[str]) -> bool:
    """Whether the domain is one of these or lies below one of them."""
    return any(domain == each or domain.endswith("." + each) for each in domains)
