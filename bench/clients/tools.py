"""The tools: what each is given, and which lines of its output say how it went.

A command holds placeholders in braces: `base` is the server's address, `model` the model's name, `out` a folder for
results. `$OPENAI_API_KEY` stands for the query token and is filled in when the command is run.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GIVEN = Path(__file__).parent / "given"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "weighbridge-clients"
SECRET = "$OPENAI_API_KEY"


@dataclass(frozen=True)
class Tool:
    """One tool. `lock`: its requirements file; empty for what the engine's own environment holds."""

    name: str
    lock: str
    command: str
    shown: str
    """Lines of the output that match this are kept."""

    def python(self) -> Path:
        """The interpreter of its environment, which is made where it is missing."""
        if not self.lock:
            return Path(os.environ.get("ENGINE_PYTHON") or ROOT / ".venv-engine" / "bin" / "python")
        lock = ROOT / "requirements" / f"clients-{self.lock}.txt"
        folder = CACHE / f"{self.lock}-{hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]}"
        if not (folder / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            subprocess.run([folder / "bin" / "pip", "install", "-q", "--no-deps", "-r", lock], check=True)
            (folder / "ready").touch()
        return folder / "bin" / "python"

    def words(self, **places: str) -> list[str]:
        """The command line with its places filled in, the token not yet."""
        return [word.format(**places) for word in self.command.split()]

    def keep(self, output: str) -> str:
        """The telling lines, each once."""
        lines = (line.rstrip()[:120] for line in re.sub(r"\x1b\[[0-9;]*m", "", output).splitlines())
        return "\n".join(dict.fromkeys(line for line in lines if re.search(self.shown, line)))


TOOLS = (
    Tool(
        "lm-evaluation-harness", "lmeval",
        "-m lm_eval run --model local-completions --model_args model={model},base_url={base}/v1/completions,"
        f"tokenizer_backend=remote,auth_token={SECRET},num_concurrent=4 "
        "--tasks words,writing --include_path . --log_samples --output_path {out}",
        r"^\|",
    ),
    Tool(
        "vllm bench serve", "",
        "serve.py --backend openai --base-url {base} --endpoint /v1/completions --model {model} --dataset-name random "
        "--random-input-len 32 --random-output-len 32 --num-prompts 60 --max-concurrency 4 --ignore-eos --disable-tqdm",
        r"^(Successful|Failed|Total (input|generated)|Output token|Median (TTFT|TPOT|ITL))",
    ),
    Tool(
        "guidellm", "guidellm",
        f"-m guidellm run --backend kind=openai_http,target={{base}},model={{model}},api_key={SECRET},"
        "request_format=/v1/chat/completions --profile kind=concurrent,streams=4 --constraint kind=max_requests,count=40 "
        "--data kind=synthetic_text,prompt_tokens=32,output_tokens=16 --tokenizer kind=hf_auto --output kind=console "
        "--disable-progress",
        r"^\| (Benchmark +\| Timings|Strategy +\| Start|[^|]+\| +\| +\| Sec|concurrent@4 +\| \d+:)|^✔ Benchmarking",
    ),
    Tool("LangChain", "langchain", "chain.py {base}/v1 {model}", r"."),
    Tool(
        "inspect_ai", "inspect",
        "-m inspect_ai eval questions.py --model openai-api/weighbridge/{model} --model-base-url {base}/v1 "
        "--max-tokens 24 --temperature 0 --seed 7 --logprobs --top-logprobs 3 --display plain "
        "--log-dir {out}",
        r"^(words|writing) \(|tokens \[|^\s+\d+\]|^accuracy|^choice|^includes",
    ),
)  # fmt: skip
