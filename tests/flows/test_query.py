"""The query half of the journey, against a real vLLM that took its weights from this portal. Legs run in order."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai
import pytest

from tests.flows.visitor import Visitor
from tests.stack import ROOT, Stack, loaded

pytestmark = pytest.mark.engine

_SUMS = (
    "import json; from django.db.models import Sum, Count; from inference.models import UsageRecord as U\n"
    "rows = U.objects.values('status').annotate(n=Count('request_id'), p=Sum('prompt_tokens'), c=Sum('completion_tokens'))\n"
    "print(json.dumps({r['status']: [r['n'], r['p'], r['c']] for r in rows.order_by()}))"
)


@pytest.fixture(scope="module")
def client(engine_stack: Stack) -> Iterator[openai.OpenAI]:
    token = engine_stack.demo["tokens"]["query"]
    with openai.OpenAI(base_url=f"{engine_stack.base_url}/v1", api_key=token, max_retries=0, timeout=60) as found:
        yield found


@pytest.fixture(scope="module")
def model(engine_stack: Stack) -> str:
    return str(engine_stack.demo["engine"]["model"])


def _ledger(stack: Stack) -> dict[str, list[int]]:
    """Status → requests, prompt tokens, completion tokens."""
    found: dict[str, list[int]] = json.loads(stack.manage("shell", "-v", "0", "-c", _SUMS).splitlines()[-1])
    return found


def _engine(stack: Stack) -> tuple[int, int]:
    """The engine's own counters: (prompt tokens, generated tokens) since it started."""
    events = [json.loads(line) for line in (stack.home / "logs" / "engine.log").read_text().splitlines()]
    url = next(event["url"] for event in reversed(events) if event["event"] == "ready")
    text = httpx.get(f"{url}/metrics", timeout=30).text
    names = ("vllm:prompt_tokens_total", "vllm:generation_tokens_total")
    prompt, generated = (sum(float(v) for v in re.findall(rf"^{name}{{.*}} (\S+)$", text, re.M)) for name in names)
    return int(prompt), int(generated)


def _settled(stack: Stack, requests: int) -> dict[str, list[int]]:
    """The ledger once it holds this many requests."""
    end = time.monotonic() + 20
    found = _ledger(stack)
    while sum(row[0] for row in found.values()) < requests:
        assert time.monotonic() < end, found
        time.sleep(0.5)
        found = _ledger(stack)
    return found


def test_demo_json_and_the_screen_name_the_engine(engine_stack: Stack, model: str, client: openai.OpenAI) -> None:
    assert engine_stack.demo["engine"]["name"] == "vllm"
    assert engine_stack.demo["engine"]["version"]
    assert [found.id for found in client.models.list()] == [model]
    assert "/v1/chat/completions" in engine_stack.output
    assert "Without an engine" not in engine_stack.output


def test_the_engine_took_its_weights_from_this_portal(engine_stack: Stack, model: str) -> None:
    cached = engine_stack.home / "engine" / "hub" / "hub" / f"models--{model.replace('/', '--')}"
    assert list(cached.rglob("*.safetensors"))
    script = (
        "from releases.models import Download; import sys\n"
        "from portal.tokens.models import AccessToken as T; t = T.objects.get(label='demo engine', revoked_at=None)\n"
        "print(Download.objects.filter(token_id=t.pk).count())"
    )
    assert int(engine_stack.manage("shell", "-v", "0", "-c", script).split()[-1]) >= 1


def test_transformers_loads_what_was_downloaded(engine_stack: Stack, model: str, tmp_path: Path) -> None:
    script = (
        "import sys; from transformers import AutoModelForCausalLM as M, AutoTokenizer as T\n"
        "m, t = M.from_pretrained(sys.argv[1]), T.from_pretrained(sys.argv[1])\n"
        "out = m.generate(**t('def main():', return_tensors='pt'), max_new_tokens=4, do_sample=False)\n"
        "print(sum(p.numel() for p in m.parameters()), out.shape[1])"
    )
    env = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1",
        "HF_ENDPOINT": engine_stack.base_url, "HF_TOKEN": engine_stack.demo["tokens"]["download"],
    }  # fmt: skip
    command = [str(ROOT / ".venv-engine/bin/python"), "-c", script, model]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    parameters, length = map(int, done.stdout.split()[-2:])
    assert parameters > 1_000_000
    assert length > 4


def test_the_ledger_equals_the_engines_counters(engine_stack: Stack, client: openai.OpenAI, model: str) -> None:
    before, counted = _ledger(engine_stack), _engine(engine_stack)
    reply = client.completions.create(model=model, prompt="def main():", max_tokens=12)
    assert reply.usage is not None
    said = [reply.usage.prompt_tokens, reply.usage.completion_tokens]
    text = ""
    stream = client.completions.create(model=model, prompt="import os\n", max_tokens=24, stream=True)
    for chunk in stream:
        assert chunk.usage is None, "usage is reported to those who ask for it"
        text += chunk.choices[0].text
    assert text
    chat = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Write a loop."}], max_tokens=16, stream=True,
        stream_options={"include_usage": True},
    )  # fmt: skip
    usage = [chunk.usage for chunk in chat if chunk.usage]
    assert len(usage) == 1
    requests = sum(row[0] for row in before.values()) + 3
    after = _settled(engine_stack, requests)["ok"]
    time.sleep(1)  # the engine's counters lag its replies by a step
    posted = [now - then for now, then in zip(after, before.get("ok", [0, 0, 0]), strict=True)]
    engine = [now - then for now, then in zip(_engine(engine_stack), counted, strict=True)]
    assert posted == [3, *engine]
    assert posted[1] > said[0] + usage[0].prompt_tokens


def test_a_reader_who_leaves_is_billed_as_an_abort(engine_stack: Stack, client: openai.OpenAI, model: str) -> None:
    before, counted = _ledger(engine_stack), _engine(engine_stack)
    stream = client.completions.create(
        model=model, prompt="class A:\n", max_tokens=900, stream=True, extra_body={"ignore_eos": True}
    )
    for seen, _ in enumerate(stream):
        if seen == 5:
            break
    stream.close()
    after = _settled(engine_stack, sum(row[0] for row in before.values()) + 1)
    time.sleep(2)
    aborted = [
        now - then for now, then in zip(after["client_abort"], before.get("client_abort", [0, 0, 0]), strict=True)
    ]
    engine = [now - then for now, then in zip(_engine(engine_stack), counted, strict=True)]
    assert aborted[:2] == [1, engine[0]]
    assert 5 <= aborted[2] <= engine[1] < 900, "stopped upstream, and billed for no more than was generated"


def test_over_the_limit_says_how_long_to_wait_and_waiting_helps(
    engine_stack: Stack, client: openai.OpenAI, model: str
) -> None:
    script = (
        "from inference.actions import set_allowance; from inference.contract import Limits\n"
        "from portal.access.models import Grant; g = Grant.objects.standing().get(user__email='researcher@northfield.example')\n"
        "set_allowance(by=None, project=g.project, limits=Limits(requests_per_minute=30, tokens_per_minute=60000, "
        "concurrency=8, tokens_per_day=200000, tokens_per_period=2000000))"
    )
    engine_stack.manage("shell", "-v", "0", "-c", script)
    time.sleep(1)

    def ask(_: int) -> openai.RateLimitError | None:
        try:
            client.completions.create(model=model, prompt="x", max_tokens=1)
        except openai.RateLimitError as refused:
            return refused
        return None

    with ThreadPoolExecutor(8) as pool:
        refused = [found for found in pool.map(ask, range(60)) if found]
    assert refused
    headers = refused[0].response.headers
    assert headers["x-ratelimit-limit-requests"] == "30"
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert 0 < float(headers["retry-after"]) <= 60
    assert refused[0].code
    began = time.monotonic()
    patient = client.with_options(max_retries=5)
    assert patient.completions.create(model=model, prompt="x", max_tokens=1).choices
    assert time.monotonic() - began > 0.2


def test_a_revoked_grant_is_refused_within_a_second_at_both_doors(
    engine_stack: Stack, client: openai.OpenAI, model: str
) -> None:
    stack = engine_stack
    query = {"Authorization": f"Bearer {stack.demo['tokens']['query']}"}
    download = {"Authorization": f"Bearer {stack.demo['tokens']['download']}"}
    url = f"{stack.base_url}/{model}/resolve/main/config.json"
    assert httpx.get(url, headers=download, follow_redirects=True).status_code == 200
    time.sleep(5)  # let the request limit of the test before refill
    # More than a moment's work, in which the engine is stopped: the stream is open still, however fast the machine is.
    long = {"n": 4, "logprobs": 20, "max_tokens": 1000, "ignore_eos": True, "stream": True}
    body = {"model": model, "prompt": "x", **long}
    with Visitor(stack.base_url) as manager, httpx.Client(timeout=60) as http:
        manager.sign_in(stack.email("manager"), stack.password(stack.email("manager")))
        page = manager.open(_grant_of(manager, "Duarte"))
        with http.stream("POST", f"{stack.base_url}/v1/completions", json=body, headers=query) as stream:
            assert stream.status_code == 200
            with stack.held_engine():
                manager.send(page, button="revoke", reason="A test of the exits.")
                began = time.monotonic()
                refused = httpx.get(url, headers=download, timeout=30)
                short = {"model": model, "prompt": "x", "max_tokens": 1}
                answer = httpx.post(f"{stack.base_url}/v1/completions", json=short, headers=query, timeout=30)
                took = time.monotonic() - began
            rest = stream.read().decode()
    assert (refused.status_code, refused.headers["x-error-code"]) == (403, "GatedRepo")
    assert answer.status_code in {403, 404}
    assert took < 1 or loaded(), f"{took:.2f} s"
    assert "error" in rest.split("data: ")[-1] or "error" in rest.split("data: ")[-2], "cut with an error event"
    assert model not in [found.id for found in client.models.list()]


def _grant_of(manager: Visitor, name: str) -> str:
    links = {href for href, _ in manager.open("/grants/").links if re.fullmatch(r"/grants/[0-9a-f-]{36}/", href)}
    return next(href for href in links if name in manager.open(href).html)
