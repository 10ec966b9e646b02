"""Links of a card that lead nowhere: asked of real servers, where the operator allows it, and told as a warning."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any

import pytest

from portal import outward
from releases import actions, links
from releases.lint.about import web_links
from tests.portal import world

STATUS = {
    "/alive": (200, 200), "/gone": (404, 404), "/for-good": (410, 410), "/no-head": (404, 200), "/not-for-programs": (403, 403),
    "/broken": (500, 500), "/elsewhere": (302, 302), "/gone?page=2": (404, 404),
}  # fmt: skip
"""What HEAD and GET of a page are answered."""


@dataclass
class Site:
    url: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def site(settings: Any) -> Iterator[Site]:
    """Somebody's web server, on this machine: so addresses that are not public are allowed."""
    settings.CARD_LINKS = "any"

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            found.asked.append(f"{self.command} {self.path}")
            status = STATUS[self.path][self.command == "GET"]
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/gone")
            self.end_headers()

        do_GET = do_HEAD  # noqa: N815 the server's own name for it

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Site(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


def test_only_what_is_certain_is_told(site: Site) -> None:
    every = [site.url + path for path in STATUS]
    assert links.dead(every) == tuple(site.url + path for path in ("/gone", "/for-good", "/gone?page=2"))
    assert "GET /alive" not in site.asked, "HEAD was enough"
    assert site.asked.count("HEAD /gone") == 1, "a redirect is an answer, and is not followed"


def test_who_does_not_answer_says_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outward, "SILENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in (silent, closed)]
        assert links.dead([f"http://127.0.0.1:{port}/" for port in ports]) == ()


@pytest.mark.parametrize(
    "link", ["http://[", "http://", "http://127.0.0.1:99999/", "https://a b/", "ftp://x/", "http://ü" + "a" * 300]
)
def test_what_is_no_address_is_survived(site: Site, link: str) -> None:
    assert links.dead([link]) == ()


def test_a_host_that_is_not_there_is_told_where_others_answer(site: Site) -> None:
    """On a network without a way out no host is there, and nothing is told."""
    nobody = "http://nowhere.invalid/paper"
    assert links.dead([nobody, site.url + "/alive"]) == (nobody,)
    assert links.dead([nobody]) == ()


@pytest.mark.parametrize(
    "link",
    ["{site}/alive", "http://localhost/", "http://169.254.169.254/latest/", "http://[::ffff:10.0.0.1]/",
     "http://[64:ff9b::10.0.0.1]/", "http://[64:ff9b:1::10.0.0.1]/", "http://[2002:a00:1::1]/", "http://[::10.0.0.1]/"],
)  # fmt: skip
def test_inside_is_never_asked_and_is_like_a_host_that_is_not_there(site: Site, settings: Any, link: str) -> None:
    settings.CARD_LINKS = "public"
    link = link.format(site=site.url)
    assert links.dead([link]) == ()
    with pytest.raises(outward.NoAnswer) as refused:
        outward.ask("HEAD", link, headers={}, private=False)
    assert refused.value.nowhere
    assert site.asked == []


@pytest.mark.parametrize("address", ["64:ff9b::8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "8.8.8.8"])
def test_outside_is_asked_however_a_network_of_ipv6_alone_writes_it(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """By NAT64 every host that has IPv4 alone has such an address."""
    asked: list[str] = []

    def connect(to: tuple[str, int], **_more: object) -> None:
        asked.append(to[0])
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(outward.socket, "create_connection", connect)
    with pytest.raises(outward.NoAnswer, match="unreachable") as silent:
        outward.ask(
            "HEAD", f"http://[{address}]/" if ":" in address else f"http://{address}/", headers={}, private=False
        )
    assert not silent.value.nowhere
    assert [ip_address(each) for each in asked] == [ip_address(address)]


def test_each_link_once_and_no_more_than_so_many(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "MOST", 2)
    alive, gone, more = (site.url + path for path in ("/alive", "/gone", "/for-good"))
    assert links.dead([alive, alive, gone, more]) == (gone,)
    assert site.asked == ["HEAD /alive", "HEAD /gone", "GET /gone"]


def test_time_ends_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "WHOLE_S", 0.0)
    assert links.dead([site.url + "/gone"]) == ()
    assert site.asked == []


def test_links_of_a_text_to_other_servers() -> None:
    text = (
        "[a](https://a.example/x?y=1#part) ![b](HTTP://b.example/i.png) <https://c.example/> [here](docs/a.md) "
        "[top](#top) [mail](mailto:a@b.example) [root](/x) `https://code.example/` \n\n| t |\n|---|\n| [d](http://d.example) |\n"
    )
    assert list(web_links(text)) == [
        "https://a.example/x?y=1", "HTTP://b.example/i.png", "https://c.example/", "http://d.example",
    ]  # fmt: skip


@pytest.mark.parametrize("allowed", ["any", "off"])
def test_a_check_remarks_on_them_and_stops_nothing(
    lyceum: world.World, publish: Any, site: Site, settings: Any, allowed: str
) -> None:
    settings.CARD_LINKS = allowed
    card = f"---\nlicense: mit\n---\n# Mine\n[Paper]({site.url}/gone) [code]({site.url}/alive)\n"
    revision = publish(lyceum, "mine", publish=False, **{"README.md": card}).revisions.get()
    checked = actions.check(revision=revision, by=lyceum.manager)
    said = [notice["message"] for notice in checked.notices if notice["rule"] == "dead-links-elsewhere"]
    assert checked.state == "checked"
    if allowed == "off":
        assert (said, site.asked) == ([], [])
    else:
        assert len(said) == 1
        assert f"{site.url}/gone" in said[0]
        assert "/alive" not in said[0]
