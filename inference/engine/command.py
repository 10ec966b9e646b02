"""How one vLLM server is started: its command line and its environment. Each flag has its measured reason."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

AT_ONCE: Final = 32
PLACES: Final = 36
"""Requests that the gateway sends at most: a few more than run, so that the next one is at hand when one ends."""
FLAGS: Final = (
    "--host", "127.0.0.1",              # vLLM has no access control of its own: loopback, behind the gateway
    "--enforce-eager",                  # no torch.compile at start: saves 10 to 20 s
    "--dtype", "float32",               # the CPU default would downcast the weights to bfloat16
    "--max-num-seqs", str(AT_ONCE),
    "--max-num-queued-reqs", "64",      # beyond it 503, in place of an endless queue; fairness is the gateway's
    "--enable-prompt-tokens-details",   # cached_tokens in the usage report
    "--enable-request-id-headers",
    "--enable-tokenizer-info-endpoint", # what lm-evaluation-harness asks for; the gateway takes paths out of it
    "--disable-uvicorn-access-log",
)  # fmt: skip
ENVIRONMENT: Final = {
    "VLLM_NO_USAGE_STATS": "1",  # nothing leaves the machine
    "VLLM_DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",  # the portal speaks plain HTTP and LFS
    "TORCH_COMPILE_DISABLE": "1",  # else the first request with logprobs compiles for 7 to 10 s
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # else every server pins itself to core 0
    "OMP_NUM_THREADS": "1",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
    "PYTHONUNBUFFERED": "1",
}
INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
"""All that a server gets from our own environment: the portal's secrets stay out of it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to serve and from where. `revision` is a commit id: a pool never follows a moving name."""

    model: str
    revision: str
    endpoint: str
    python: Path
    home: Path
    kv_cache: str = "256M"
    """Without this bound a server takes 92 % of the machine's memory."""

    @property
    def name(self) -> str:
        """The model's own name, without its namespace: names the pool, the log and the process file."""
        return self.model.rsplit("/", 1)[-1]


def command(plan: Plan, port: int) -> list[str]:
    """The command line. The `vllm` script of the CPU build asks for metadata that it lacks, so the module is run."""
    served = ["--model", plan.model, "--revision", plan.revision, "--tokenizer-revision", plan.revision]
    return [
        str(plan.python), "-m", "vllm.entrypoints.launchers.api_server.entry",
        *served, "--served-model-name", plan.model, "--port", str(port),
        "--kv-cache-memory-bytes", plan.kv_cache, *FLAGS,
    ]  # fmt: skip


def environment(plan: Plan, token: str, ours: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The server's whole environment: a short list of ours, our settings, and the way to the weights."""
    inherited = {name: ours[name] for name in INHERITED if name in ours}
    weights = {"HF_ENDPOINT": plan.endpoint, "HF_TOKEN": token, "HF_HOME": str(plan.home / "hub")}
    return {**inherited, **ENVIRONMENT, **weights}
