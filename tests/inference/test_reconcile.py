"""The ledger held against an engine's counters."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from itertools import groupby

import pytest
from django.core.management import CommandError, call_command

from inference import ledger, metrics, reconcile
from inference.models import Backend, EngineCount
from tests.inference.bench import OPEN, event

PAGE = """# HELP vllm:prompt_tokens_total Number of prefill tokens processed.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{{engine="0",model_name="{model}"}} {prompt}
vllm:prompt_tokens_created{{engine="0",model_name="{model}"}} 1.7e+09
vllm:prompt_tokens_total{{engine="0",model_name="another"}} 999.0
vllm:generation_tokens_total{{engine="0",model_name="{model}"}} {completion}
vllm:generation_tokens_total{{engine="1",model_name="{model}"}} 1.0
process_resident_memory_bytes 1.0e+09
"""


class Metrics(BaseHTTPRequestHandler):
    prompt, completion = "30.0", "1.2e+01"

    def do_GET(self) -> None:
        body = PAGE.format(model=OPEN, prompt=self.prompt, completion=self.completion).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def backend(bench) -> Iterator[Backend]:
    server = HTTPServer(("127.0.0.1", 0), Metrics)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found = Backend.objects.select_related("pool__lab").get(pool__model=bench.open_model)
    Backend.objects.exclude(pk=found.pk).delete()
    found.url = f"http://127.0.0.1:{server.server_port}"
    found.save()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def settle(backend: Backend, **changes) -> None:
    started = int(backend.started_at.timestamp() * 1000) + 10
    ledger.post([event(backend=str(backend), started_at=started, **changes)])


def test_totals_are_of_this_model_over_all_engines():
    text = PAGE.format(model=OPEN, prompt="5.0", completion="7.0")
    assert reconcile.totals_in(text, OPEN) == {reconcile.PROMPT: 5, reconcile.COMPLETION: 8}


def test_finished_and_aborted_are_apart_and_add_up(backend):
    settle(backend, prompt_tokens=20, completion_tokens=9)
    settle(backend, prompt_tokens=10, completion_tokens=3, status="client_abort")
    count = reconcile.compare(backend)
    assert (count.finished_prompt, count.aborted_prompt, count.finished_completion, count.aborted_completion) == (
        20,
        10,
        9,
        3,
    )
    assert (count.prompt_drift, count.completion_drift) == (0, 1)


def test_what_an_earlier_process_served_does_not_count(backend):
    ledger.post([event(backend=str(backend), started_at=int(backend.started_at.timestamp() * 1000) - 1000)])
    assert reconcile.compare(backend).finished_prompt == 0


def test_the_command_prints_both_and_fails_on_drift_when_asked(backend):
    settle(backend, prompt_tokens=30, completion_tokens=13)
    out = StringIO()
    call_command("reconcile_usage", "--fail-on-drift", stdout=out)
    assert "lyceum/pico-opt-1m/pico-opt-1m" in out.getvalue()
    settle(backend, prompt_tokens=1)
    with pytest.raises(CommandError, match="differ"):
        call_command("reconcile_usage", "--fail-on-drift", stdout=StringIO())


def test_a_silent_engine_is_named(backend):
    Backend.objects.update(url="http://127.0.0.1:1")
    err = StringIO()
    with pytest.raises(CommandError):
        call_command("reconcile_usage", "--fail-on-drift", stdout=StringIO(), stderr=err)
    assert "does not answer" in err.getvalue()
    assert not EngineCount.objects.exists()


class BreaksOff(BaseHTTPRequestHandler):
    """An engine that is killed in the middle of its answer."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        self.wfile.write(b"vllm:")

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("answer", [BreaksOff, type("Odd", (Metrics,), {"prompt": "NaN"})], ids=["half", "no number"])
def test_an_engine_that_answers_badly_is_named_and_the_next_one_is_compared(backend, answer):
    server = HTTPServer(("127.0.0.1", 0), answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Backend.objects.create(pool=backend.pool, name="a-first", url=f"http://127.0.0.1:{server.server_port}")
    err = StringIO()
    call_command("reconcile_usage", stdout=StringIO(), stderr=err)
    server.shutdown()
    server.server_close()
    assert "a-first does not answer" in err.getvalue()
    assert [count.backend for count in EngineCount.objects.all()] == [str(backend)]


def test_the_drift_is_a_metric(backend):
    reconcile.compare(backend)
    assert f'weighbridge_ledger_prompt_drift_tokens{{backend="{backend}"}} 30' in metrics.exposition()


def test_each_metric_is_described_once_and_stands_in_one_piece(backend):
    Backend.objects.create(pool=backend.pool, name="second", url=backend.url)
    for each in Backend.objects.select_related("pool__lab"):
        reconcile.compare(each)
    lines = metrics.exposition().splitlines()
    names = [line.split()[2] if line.startswith("#") else line.partition("{")[0].split()[0] for line in lines]
    heads = [line for line in lines if line.startswith("#")]
    assert len(heads) == len(set(heads)) == len(list(groupby(names)))
    assert sum(line.startswith("weighbridge_ledger_prompt_drift_tokens{") for line in lines) == 2
