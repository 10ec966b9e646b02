"""What the supervisor needs of a vLLM server, without torch: /health, /version, /v1/models, /openapi.json, /tokenize.

A flag of this fake's own hides in the model's name: `-dies` ends soon after the start, `-stubborn` ignores SIGTERM,
`-silent` answers for a while and then no more.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ARGUMENTS = sys.argv[1:]
MODEL = ARGUMENTS[ARGUMENTS.index("--model") + 1]
PORT = int(ARGUMENTS[ARGUMENTS.index("--port") + 1])
STARTED = time.monotonic()


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if MODEL.endswith("-silent") and time.monotonic() - STARTED > 1:
            time.sleep(60)
        answers = {
            "/health": {},
            "/version": {"version": "0.32.0"},
            "/openapi.json": {"paths": {"/v1/completions": {}, "/tokenizer_info": {}}},
            "/v1/models": {"data": [{"id": MODEL, "max_model_len": 512}]},
        }
        self._answer(200, answers[self.path])

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        role = body["messages"][0]["role"]
        self._answer(400 if role == "system" else 200, {"count": {"user": 7, "assistant": 9}.get(role, 0)})

    def _answer(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    Path(os.environ["HF_HOME"]).mkdir(parents=True, exist_ok=True)
    (Path(os.environ["HF_HOME"]) / "environment.json").write_text(json.dumps(dict(os.environ)))
    if MODEL.endswith("-dies"):
        print("RuntimeError: no memory for the cache", flush=True)  # noqa: T201
        sys.exit(3)
    if MODEL.endswith("-stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ThreadingHTTPServer(("127.0.0.1", PORT), Server).serve_forever()
