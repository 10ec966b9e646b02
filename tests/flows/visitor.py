"""Somebody with a browser without JavaScript: follows links, fills in forms, reads mail. httpx and the standard library."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx


@dataclass
class Form:
    """One form of a page: where it goes, what it holds."""

    action: str
    method: str
    values: dict[str, list[str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.links: list[tuple[str, str]] = []
        self.text: list[str] = []
        self._select = self._area = self._button = ""
        self._open = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form(at.get("action", ""), at.get("method", "get").lower()))
        elif tag == "a":
            self.links.append((at.get("href", ""), ""))
        if not self.forms:
            return
        form, name = self.forms[-1], at.get("name", "")
        if tag == "input" and name:
            form.names.add(name)
            if at.get("type") not in {"checkbox", "radio"} or "checked" in at:
                form.values.setdefault(name, []).append(at.get("value", "on"))
        elif tag == "select":
            self._select = name
            form.names.add(name)
        elif tag == "option" and self._select and "selected" in at:
            form.values[self._select] = [at.get("value", "")]
        elif tag == "textarea":
            self._area = name
            form.names.add(name)
            form.values[name] = [""]
        elif tag == "button":
            self._button = at.get("value", "") or "submit"
            form.buttons[self._button] = (name, at.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._area and self.forms:
            self.forms[-1].values[self._area][0] += data
        if self.links:
            href, words = self.links[-1]
            self.links[-1] = (href, words + data)


class Page:
    """A page as it was answered."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.url = str(response.url)
        self.path = urlsplit(self.url).path
        self.html = response.text
        parsed = _Forms()
        parsed.feed(self.html)
        self.forms = parsed.forms
        self.links = parsed.links
        self.text = " ".join(" ".join(parsed.text).split())

    def form_with(self, *names: str) -> Form:
        """The form that asks for all of these (never the button in the masthead that signs out)."""
        found = [form for form in self.forms if form.names.issuperset(names) and "/logout/" not in form.action]
        assert found, f"no form with {names} at {self.url}: {[sorted(form.names) for form in self.forms]}"
        return found[0]

    def link_with(self, pattern: str) -> str:
        """The address of the first link that matches."""
        found = [href for href, _ in self.links if re.search(pattern, href)]
        assert found, f"no link like {pattern} at {self.url}"
        return found[0]


class Visitor:
    """One person's browser."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._client = httpx.Client(base_url=base_url, follow_redirects=True, timeout=60, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def open(self, address: str, *, status: int = 200) -> Page:
        page = Page(self._client.get(address))
        assert page.status == status, f"{page.status} at {page.url}: {page.text[:600]}"
        return page

    def send(self, page: Page, *, button: str = "", status: int = 200, **answers: Any) -> Page:
        """Fill in the form that asks for `answers` and press a button; unknown names fail."""
        form = page.form_with("csrfmiddlewaretoken", *answers)
        data: dict[str, Any] = {**form.values}
        for name, value in answers.items():
            data[name] = value
            if value is False:
                del data[name]
            elif value is True:
                data[name] = "on"
        if button:
            name, value = form.buttons[button]
            data[name] = value
        answer = self._client.post(urljoin(page.url, form.action or page.url), data=data, headers={"Referer": page.url})
        result = Page(answer)
        assert result.status == status, f"{result.status} at {result.url}: {result.text[:600]}"
        return result

    def sign_in(self, email: str, password: str) -> Page:
        page = self.send(self.open("/account/login/"), login=email, password=password)
        assert page.path != "/account/login/", page.text
        return page

    def mail_to(self, address: str, pattern: str, *, within_s: float = 10) -> str:
        """The link like `pattern` in the newest mail to the address that has one; mail comes within a second."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            box = self.open(f"/mailbox/?to={address}")
            for href, _ in box.links:
                if re.fullmatch(r"/mailbox/\d+/", href):
                    found = re.search(pattern, self.open(href).html)
                    if found:
                        return found.group(0)
            time.sleep(0.1)
        raise AssertionError(f"no mail to {address} with {pattern}")
