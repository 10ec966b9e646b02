"""The other gateways: where they come from, how each is set up, and what each leaves out.

They are installed from requirements/peers.txt into an environment outside the repository (`~/.cache/weighbridge`),
once for each version of that file; delete the folder when you like.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "peers.txt"
NGINX = """
{user}daemon off; worker_processes 1; error_log stderr crit; pid {folder}/pid; worker_rlimit_nofile 20000;
events {{ worker_connections 16000; }}
http {{
    access_log off; keepalive_requests 1000000;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    upstream engine {{ server 127.0.0.1:{engine}; keepalive 512; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_buffering off; proxy_read_timeout 300;
        }}
    }}
}}
"""
LITELLM = """
model_list:
  - model_name: fake
    litellm_params: {{model: text-completion-openai/fake, api_base: "{engine}/v1", api_key: none}}
{keys}
litellm_settings:
  telemetry: false
{store}
"""
KEYS = 'general_settings: {{master_key: {token}}}\nrouter_settings: {{redis_url: "{store}"}}'
STORE = '  cache: true\n  cache_params: {{type: redis, url: "{store}", supported_call_types: []}}'


class Cannot(Exception):
    """Why the peers cannot be had."""


@dataclass(frozen=True)
class Peer:
    """One gateway: how it is started on a port, and the token it wants."""

    name: str
    leaves_out: str
    """What it does not do that the gateway does."""
    command: tuple[str, ...]
    token: str = "none"
    environment: tuple[tuple[str, str], ...] = ()
    slow: bool = False


def environment() -> Path:
    """The environment that has the peers, made where it is missing. Raises Cannot."""
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "weighbridge"
    place = cache / f"peers-{digest}"
    if (place / "complete").exists():
        return place
    print(f"Installing the peers into {place}: about 120 packages, the first time only.", file=sys.stderr, flush=True)
    shutil.rmtree(place, ignore_errors=True)
    wanted = ["--require-hashes", "--only-binary=:all:", "-r", str(LOCK)]
    for step in ([sys.executable, "-m", "venv", str(place)], [str(place / "bin/pip"), "install", "--quiet", *wanted]):
        if subprocess.run(step, check=False, stdout=sys.stderr).returncode:
            raise Cannot(f"The peers cannot be installed from requirements/{LOCK.name}; what pip said is above.")
    (place / "complete").touch()
    return place


def nginx(folder: Path, engine: int, port: int) -> Peer | None:
    """nginx as it should stand before a stream; None where there is none (on PATH, or named by NGINX)."""
    command = os.environ.get("NGINX") or shutil.which("nginx")
    if command is None:
        return None
    home = folder / "nginx"
    home.mkdir()
    user = "user root; " if os.geteuid() == 0 else ""
    settings = home / "nginx.conf"
    settings.write_text(NGINX.format(user=user, folder=home, engine=engine, port=port))
    return Peer("nginx", "everything but relaying", (command, "-p", str(home), "-e", "stderr", "-c", str(settings)))


def routers(place: Path, engine: str, port: int, metrics: int, which: str) -> Peer:
    """vllm-router or sglang-router with one engine behind it."""
    begin = (str(place / "bin" / which), *(["launch"] if which == "sglang-router" else []))
    told = ("--host", "127.0.0.1", "--port", str(port), "--worker-urls", engine, "--policy", "round_robin")
    quiet = ("--log-level", "error", "--prometheus-port", str(metrics), "--max-concurrent-requests", "20000")
    return Peer(which, "tokens, limits, metering, ledger", (*begin, *told, *quiet))


def litellm(place: Path, folder: Path, engine: str, port: int, store: str) -> Peer:
    """LiteLLM's proxy with one worker. `store`: a Redis address, with which it also asks for its master key; or nothing.

    Its own keys, budgets and spending need a database through an engine that its installer fetches from elsewhere;
    that is not in a package, so they are off here, which is in its favour.
    """
    token = f"sk-{secrets.token_hex(16)}" if store else "none"
    settings = folder / f"litellm-{port}.yaml"
    keys, cache = (KEYS.format(token=token, store=store), STORE.format(store=store)) if store else ("", "")
    settings.write_text(LITELLM.format(engine=engine, keys=keys, store=cache))
    command = (str(place / "bin/litellm"), "--config", str(settings), "--host", "127.0.0.1", "--port", str(port))
    own = (("LITELLM_LOCAL_MODEL_COST_MAP", "True"), ("LITELLM_LOG", "ERROR"), ("DO_NOT_TRACK", "1"))
    own += () if store else (("LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY", "true"),)
    name, lacks = (
        ("LiteLLM", "keys, limits, ledger: no database")
        if store
        else ("LiteLLM without key and Redis", "everything but relaying")
    )
    return Peer(name, lacks, (*command, "--num_workers", "1", "--telemetry", "False"), token, own, slow=True)
