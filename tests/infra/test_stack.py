"""What the operator chooses, and whether the public port answers by the name that was chosen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from infra.embedded import stack
from infra.embedded.engine import Engine
from infra.embedded.home import Home
from infra.embedded.problems import Problem
from infra.embedded.stack import Choices


class _Named(BaseHTTPRequestHandler):
    """As Django does, it serves the host of its own address alone."""

    def do_GET(self) -> None:
        self.send_response(200 if self.headers["Host"] == "models.example.org" else 400)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), _Named)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_portal_with_a_public_name_is_asked_by_it_whether_it_is_ready(port: int, host: str) -> None:
    told = {"PORT": str(port), "HOST": host, "BASE_URL": "https://models.example.org"}
    assert stack.healthy(Choices.from_environment("serve", told))
    assert not stack.healthy(Choices.from_environment("serve", told | {"BASE_URL": "https://another.example.org"}))


@pytest.mark.parametrize("text", ["abc", "0", "65536", "-1", "80 80", "²"])
def test_a_port_that_is_none_is_told_what_one_is(text: str) -> None:
    with pytest.raises(Problem, match=r"^PORT is ") as found:
        Choices.from_environment("demo", {"PORT": text})
    assert "from 1 to 65535" in found.value.step


def test_a_database_that_a_file_names_is_the_operators_own(tmp_path: object) -> None:
    for name in ("DATABASE_URL", "DATABASE_URL_FILE"):
        assert stack.brings_database({name: "x"})
        assert "postgresql" not in [
            spec.name for spec in stack.servers(Home(tmp_path), {name: "x", "REDIS_URL": "x", "BROKER_URL": "x"})
        ]
    assert not stack.brings_database({"DATABASE_URL": ""})


def test_an_operator_who_serves_is_told_step_by_step_what_an_engine_of_the_portals_own_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_PYTHON", "/usr/bin/python3")
    home = Home(tmp_path)
    home.prepare("serve")

    def absent(**told: str) -> str:
        engine = Engine(home, Choices.from_environment("serve", told))
        assert engine.spec({}) is None
        return engine.absent

    assert "ENGINE=vllm and ENGINE_MODELS" in absent()
    assert "Set ENGINE_MODELS" in absent(ENGINE="vllm")
    named = {"ENGINE": "vllm", "ENGINE_MODELS": "lab/one lab/two"}
    assert str(home.secret_file("ENGINE_TOKEN")) in absent(**named)
    home.secret_file("ENGINE_TOKEN").write_text("wb_dl_x")
    started = Engine(home, Choices.from_environment("serve", named)).spec({})
    assert started is not None
    assert list(started.argv[-2:]) == ["lab/one", "lab/two"]
