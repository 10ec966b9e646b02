"""A stand-in for vLLM's OpenAI server: its shapes, its timing, its faults, and the truth of what it produced.

It speaks HTTP/1.1 over a raw protocol, so that it costs little beside what is measured. A prompt steers it: words such
as `#ttft=50` are taken out as orders and the rest counts one token per word (token-id prompts: one per id).

  ttft=MS itl=MS     pause before the first token, and between events (0: everything in one write)
  per=N              tokens in one event
  die=N  stall=N     break the connection, or fall silent for ever, after N tokens
  fail=N             an error event and [DONE] after N tokens, as when vLLM's engine process dies
  status=CODE        answer with this HTTP error
  leak=1             answer with headers that no client should see
  text=WORD          what each token says
  numbered=1         and its number behind it: some gateways end a stream that repeats itself

Where a prompt is echoed with chances and ids and nothing is generated, a token is a word with the space before it, its id
and its chance follow from its text (`chance_of`), and `</s>` stands before the first, as OPT's tokenizer has it.

Truth: GET /truth → {prompt, generation, finished, aborted, open, last_abort (monotonic), bodies, headers}; POST /reset clears it. Run it as
`python tests/fakes/engine.py [--port N] [--name NAME]`; it prints the port and serves till it is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
import zlib
from functools import lru_cache

import uvloop

ORDER = re.compile(r"#(\w+)=(\S+)")
FINGERPRINT = "vllm-0.32.0-fake0001"
TRUTH = {"prompt": 0, "generation": 0, "finished": 0, "aborted": 0, "open": 0, "last_abort": 0.0}
SEEN = {"bodies": [], "headers": []}
NAME = "fake"
CONTEXT = 4096


def words(data: dict) -> tuple[dict[str, str], list[int]]:
    """Orders in the prompt, and the tokens of each prompt."""
    if "messages" in data:
        texts = [" ".join(str(message.get("content")) for message in data["messages"])]
        extra = 4 * len(data["messages"])
    else:
        prompt, extra = data.get("prompt", data.get("input", "")), 1
        texts = [prompt] if isinstance(prompt, str) else prompt
        if texts and isinstance(texts[0], int):
            texts = [texts]
    orders: dict[str, str] = {}
    counts = []
    for text in texts:
        if isinstance(text, list):
            counts.append(len(text))
            continue
        orders.update(ORDER.findall(text))
        counts.append(len(ORDER.sub("", text).split()) + extra)
    return orders, counts


LEAK = (
    b"server: uvicorn\r\nset-cookie: engine=1\r\nlocation: http://127.0.0.1:1/elsewhere\r\nx-request-id: the-engines\r\n"
    b"x-internal-host: node-7\r\nkeep-alive: timeout=1\r\nproxy-authenticate: Basic\r\nrefresh: 0; url=http://evil.test\r\n"
)
RICH_FIELDS = {
    "logprobs",
    "prompt_logprobs",
    "echo",
    "tools",
    "return_token_ids",
    "response_format",
    "structured_outputs",
}
RICH = (
    b'{"tokens":["\\u00e9", " \xf0\x9f\x98\x80"],"token_logprobs":[null,-1.0e-02],"top_logprobs":[null,{"\\/":-0.010}],'
    b'"text_offset":[0,1], "prompt_logprobs":[null,{"5":{"logprob":-0.10000000000000001,"rank":1}}]}'
)
"""Answers whose bytes no JSON writer of ours would give again."""


def response(status: int, body: bytes, kind: bytes = b"application/json", more: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %d X\r\ncontent-type: %s\r\n%scontent-length: %d\r\n\r\n%s"
    return head % (status, kind, more, len(body), body)


def error_body(status: int, message: str, param: str = "body.prompt") -> bytes:
    told = {"message": message, "type": "BadRequestError", "param": param, "code": status}
    return json.dumps({"error": told}).encode()


def error(status: int, message: str, param: str = "body.prompt") -> bytes:
    return response(status, error_body(status, message, param))


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def logprobs(data: dict, text: str) -> dict | None:
    """One token's chances where they are asked for: certain at three in four, and what it could have been instead."""
    if data.get("logprobs") in {None, False}:
        return None
    most = data["top_logprobs"] if "messages" in data and "top_logprobs" in data else data["logprobs"]
    others = {text: -0.29, " other": -1.6, "\n": -3.5}
    kept = dict(list(others.items())[: int(most)])
    if "messages" in data:
        top = [{"token": token, "logprob": chance, "bytes": None} for token, chance in kept.items()]
        return {"content": [{"token": text, "logprob": -0.29, "bytes": None, "top_logprobs": top}]}
    return {"tokens": [text], "token_logprobs": [-0.29], "top_logprobs": [kept], "text_offset": [0]}


def tokens_of(text: str) -> list[str]:
    """What an echoed prompt is taken apart into."""
    return ["</s>", *re.findall(r"\s*\S+|\s+$", text)]


def chance_of(token: str) -> float:
    """The natural logarithm of an echoed token's chance."""
    return -0.01 - zlib.crc32(token.encode()) % 1000 / 250


def echoed(prompt: object) -> list[dict]:
    """A choice for each prompt, as vLLM answers echo with logprobs, return_token_ids and no token to generate."""
    choices = []
    for index, text in enumerate([prompt] if isinstance(prompt, str) else prompt):
        tokens = tokens_of(text)
        chances = [None, *map(chance_of, tokens[1:])]
        told = {"tokens": tokens, "token_logprobs": chances, "top_logprobs": [None] * len(tokens), "text_offset": []}
        ids = [zlib.crc32(token.encode()) % 50_000 for token in tokens]
        choices.append({"index": index, "text": "", "logprobs": told, "finish_reason": "length", "stop_reason": None,
                        "prompt_logprobs": None, "prompt_token_ids": ids, "token_ids": [0]})  # fmt: skip
    return choices


def id_of(chat: bool) -> str:
    return "chatcmpl-fake" if chat else "cmpl-fake"


def usage_of(prompt: int, completion: int) -> dict:
    return {"prompt_tokens": prompt, "total_tokens": prompt + completion, "completion_tokens": completion}


def event_of(
    chat: bool, index: int, text: str, finish: str | None, counted: tuple[int, int] | None, chances: dict | None
) -> bytes:
    """One event of a stream; `counted`: prompt and completion tokens, where they are to be told in each."""
    choice = {"index": index, "logprobs": chances}
    choice |= {"delta": {"content": text}} if chat else {"text": text}
    whole = {"id": id_of(chat), "object": "chat.completion.chunk" if chat else "text_completion", "created": 1,
             "model": NAME, "choices": [{**choice, "finish_reason": finish, "stop_reason": None}]}  # fmt: skip
    if counted is not None:
        whole["usage"] = usage_of(*counted)
    return b"data: " + json.dumps(whole, separators=(",", ":")).encode() + b"\n\n"


plain_event = lru_cache(maxsize=8192)(event_of)
"""The same for events without chances, which recur: to write each anew would cost more than a gateway's work with it."""


class Generation:
    """One streamed answer: choices in turn, a token (or `per` tokens) at a time."""

    def __init__(self, engine: Engine, data: dict, orders: dict[str, str], prompts: list[int]) -> None:
        self.engine, self.data, self.prompts = engine, data, prompts
        self.chat = "messages" in data
        self.each = data.get("max_tokens", 16)
        self.choices = data.get("n", 1) * len(prompts)
        self.sent = [0] * self.choices
        self.per = int(orders.get("per", 1))
        self.itl, self.ttft = float(orders.get("itl", 0)) / 1000, float(orders.get("ttft", 0)) / 1000
        self.die, self.stall = int(orders.get("die", -1)), int(orders.get("stall", -1))
        self.fail = int(orders.get("fail", -1))
        self.leak = "leak" in orders
        self.text, self.numbered = orders.get("text", "tok"), "numbered" in orders
        self.options = data.get("stream_options") or {}
        self.handle: asyncio.TimerHandle | None = None
        self.turn = 0

    def event(self, index: int, text: str, finish: str | None) -> bytes:
        counted = None
        if self.options.get("continuous_usage_stats"):
            counted = (self.prompts[index // self.data.get("n", 1)], self.sent[index])
        chances = logprobs(self.data, text)
        write = plain_event if chances is None else event_of
        return write(self.chat, index, text, finish, counted, chances)

    def final(self) -> bytes:
        if not self.options.get("include_usage"):
            return b""
        usage = usage_of(sum(self.prompts), sum(self.sent))
        whole = {"id": id_of(self.chat), "object": "text_completion", "created": 1, "model": NAME, "choices": [],
                 "usage": {**usage, "prompt_tokens_details": {"cached_tokens": 0}},
                 "system_fingerprint": FINGERPRINT}  # fmt: skip
        return b"data: " + json.dumps(whole, separators=(",", ":")).encode() + b"\n\n"

    def step(self) -> bytes | None:
        """The next event, or None at the end."""
        for _ in range(self.choices):
            index = self.turn % self.choices
            self.turn += 1
            if self.sent[index] < self.each:
                amount = min(self.per, self.each - self.sent[index])
                self.sent[index] += amount
                TRUTH["generation"] += amount
                finish = "length" if self.sent[index] == self.each else None
                said = f" {self.text}{self.sent[index]}" if self.numbered else f" {self.text}" * amount
                return self.event(index, said, finish)
        return None

    def start(self) -> None:
        TRUTH["open"] += 1
        loop = asyncio.get_running_loop()
        if self.ttft:
            self.handle = loop.call_later(self.ttft, self.begin)
        else:
            self.begin()

    def begin(self) -> None:
        TRUTH["prompt"] += sum(self.prompts)
        self.engine.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n%stransfer-encoding: chunked\r\n\r\n"
            % (LEAK if self.leak else b"")
        )
        if self.itl or max(self.die, self.stall, self.fail) >= 0:
            self.tick()
        else:
            parts = []
            while (event := self.step()) is not None:
                parts.append(chunked(event))
            self.engine.write(b"".join(parts))
            self.end(self.final())

    def tick(self) -> None:
        total = sum(self.sent)
        if total == self.die:
            self.engine.transport.abort()
        elif total == self.fail:
            broken = {"message": "EngineCore encountered an issue.", "type": "InternalServerError", "code": 500}
            self.end(b"data: " + json.dumps({"error": {**broken, "param": None}}).encode() + b"\n\n")
        elif total != self.stall:
            event = self.step()
            if event is None:
                self.end(self.final())
                return
            self.engine.write(chunked(event))
            self.handle = asyncio.get_running_loop().call_later(self.itl or 0.001, self.tick)

    def end(self, last: bytes) -> None:
        self.engine.write(chunked(last + b"data: [DONE]\n\n") + b"0\r\n\r\n")
        TRUTH["finished"] += 1
        TRUTH["open"] -= 1
        self.engine.generation = None


class Engine(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.buffer = b""
        self.generation: Generation | None = None
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.generation:
            if self.generation.handle:
                self.generation.handle.cancel()
            self.aborted()
        if self.timer:
            self.timer.cancel()
            self.aborted()

    def aborted(self) -> None:
        TRUTH["aborted"] += 1
        TRUTH["open"] -= 1
        TRUTH["last_abort"] = time.monotonic()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            size = re.search(rb"(?i)content-length: *(\d+)", head)
            stop = end + 4 + (int(size[1]) if size else 0)
            if len(self.buffer) < stop:
                return
            body, self.buffer = self.buffer[end + 4 : stop], self.buffer[stop:]
            self.request(head, body)

    def request(self, head: bytes, body: bytes) -> None:
        method, _, path = head.split(b"\r\n", 1)[0].decode("latin-1").rpartition(" ")[0].partition(" ")
        if method == "PRI":  # HTTP/2, as a router asks that would rather speak gRPC
            self.transport.abort()
        elif (method, path) in PLAIN:
            self.write(PLAIN[method, path]())
        elif method == "POST" and path == "/tokenize":
            data = json.loads(body)
            _, counts = words(data)
            answer = {
                "count": sum(counts),
                "max_model_len": CONTEXT,
                "tokens": list(range(sum(counts))),
                "token_strs": None,
            }
            self.write(response(200, json.dumps(answer).encode()))
        elif method == "POST" and path == "/detokenize":
            answer = {"prompt": " ".join(f"w{token}" for token in json.loads(body)["tokens"])}
            self.write(response(200, json.dumps(answer).encode()))
        elif method == "POST" and path in {"/v1/completions", "/v1/chat/completions", "/v1/embeddings"}:
            self.complete(head, json.loads(body))
        else:
            self.write(response(404, b'{"detail":"Not Found"}'))

    def complete(self, head: bytes, data: dict) -> None:
        SEEN["bodies"] = [*SEEN["bodies"][-9:], data]
        SEEN["headers"] = [*SEEN["headers"][-9:], head.decode("latin-1")]
        orders, prompts = words(data)
        if "status" in orders:
            code = int(orders["status"])
            text = "The engine is currently busy." if code == 503 else "ordered to fail"
            self.write(response(code, error_body(code, text), more=LEAK) if "leak" in orders else error(code, text))
        elif "input" in data:
            self.embed(data, orders, prompts)
        elif max(prompts) + data.get("max_tokens", 16) > CONTEXT:
            self.write(error(400, f"This model's maximum context length is {CONTEXT} tokens.", "input_tokens"))
        elif data.get("stream"):
            self.generation = Generation(self, data, orders, prompts)
            self.generation.start()
        else:
            self.answer(data, orders, prompts)

    def embed(self, data: dict, orders: dict[str, str], prompts: list[int]) -> None:
        """One vector for each input; as vLLM, without a fingerprint."""
        vectors = [
            {"index": i, "object": "embedding", "embedding": [0.5, -0.25, tokens / 8]}
            for i, tokens in enumerate(prompts)
        ]
        usage = {"prompt_tokens": sum(prompts), "total_tokens": sum(prompts), "completion_tokens": 0,
                 "prompt_tokens_details": None}  # fmt: skip
        whole = {"id": "embd-fake", "object": "list", "created": 1, "model": NAME, "data": vectors, "usage": usage}
        TRUTH["prompt"] += sum(prompts)
        TRUTH["finished"] += 1
        body = json.dumps(whole, separators=(",", ":")).encode()
        self.write(response(200, body, more=LEAK if "leak" in orders else b""))

    def answer(self, data: dict, orders: dict[str, str], prompts: list[int]) -> None:
        TRUTH["open"] += 1
        wait = float(orders.get("ttft", 0)) / 1000
        if wait:
            self.timer = asyncio.get_running_loop().call_later(wait, self.reply, data, orders, prompts)
        else:
            self.reply(data, orders, prompts)

    def reply(self, data: dict, orders: dict[str, str], prompts: list[int]) -> None:
        self.timer = None
        chat, each, n = "messages" in data, data.get("max_tokens", 16), data.get("n", 1)
        text = f" {orders.get('text', 'tok')}" * each
        choices = [
            {"index": i, **({"message": {"role": "assistant", "content": text}} if chat else {"text": text}),
             "logprobs": None, "finish_reason": "length", "stop_reason": None}
            for i in range(n * len(prompts))
        ]  # fmt: skip
        made = each * n * len(prompts)
        if data.get("echo") and data.get("logprobs") and data.get("return_token_ids") and each == 0:
            choices = echoed(data["prompt"])
            prompts, made = [len(choice["prompt_token_ids"]) for choice in choices], len(choices)
        usage = {"prompt_tokens": sum(prompts), "total_tokens": sum(prompts) + made, "completion_tokens": made,
                 "prompt_tokens_details": None}  # fmt: skip
        whole = {"id": "cmpl-fake", "object": "chat.completion" if chat else "text_completion", "created": 1,
                 "model": NAME, "choices": choices, "system_fingerprint": FINGERPRINT, "usage": usage,
                 "kv_transfer_params": None}  # fmt: skip
        TRUTH["prompt"] += sum(prompts)
        TRUTH["generation"] += made
        TRUTH["finished"] += 1
        TRUTH["open"] -= 1
        body = json.dumps(whole, separators=(",", ":")).encode()
        if any(data.get(name) is not None and data[name] is not False for name in RICH_FIELDS):
            body = body.replace(b'"logprobs":null', b'"logprobs":' + RICH)
        self.write(response(200, body, more=LEAK if "leak" in orders else b""))


def metrics() -> bytes:
    lines = [f'vllm:prompt_tokens_total{{engine="0",model_name="{NAME}"}} {TRUTH["prompt"]}',
             f'vllm:generation_tokens_total{{engine="0",model_name="{NAME}"}} {TRUTH["generation"]}',
             f'vllm:num_requests_running{{engine="0",model_name="{NAME}"}} {TRUTH["open"]}']  # fmt: skip
    return response(200, ("\n".join(lines) + "\n").encode(), b"text/plain")


def reset() -> bytes:
    for name in TRUTH:
        TRUTH[name] = 0
    SEEN.update(bodies=[], headers=[])
    return response(200, b"{}")


def models() -> bytes:
    card = {"id": NAME, "object": "model", "created": int(time.time()), "owned_by": "vllm", "max_model_len": CONTEXT}
    return response(200, json.dumps({"object": "list", "data": [card]}).encode())


def tokenizer_info() -> bytes:
    told = {"tokenizer_class": "GPT2Tokenizer", "eos_token": "</s>", "chat_template": "{{ messages }}",
            "name_or_path": "/srv/engine/weights", "tokenizer_file": "/srv/engine/weights/tokenizer.json"}  # fmt: skip
    return response(200, json.dumps(told).encode())


PLAIN = {
    ("GET", "/health"): lambda: response(200, b""),
    ("GET", "/truth"): lambda: response(200, json.dumps({**TRUTH, **SEEN}).encode()),
    ("GET", "/metrics"): metrics,
    ("GET", "/tokenizer_info"): tokenizer_info,
    ("GET", "/v1/models"): models,
    ("POST", "/reset"): reset,
}


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Engine, "127.0.0.1", port, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A stand-in for vLLM.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--name", default=NAME)
    given = parser.parse_args()
    NAME = given.name
    uvloop.run(serve(given.port))
