"""What a page in the pseudo-locale shows outside its brackets, and which of that are our own words, left in English."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from playwright.sync_api import Page

from infra.messages import ROOT

OUTSIDE: Final = """(seen) => {
  const kept = "code, pre, kbd, mark, textarea, time, script, style, noscript, .prose, option[lang], [name$=country] option, [translate=no]";
  const attributes = ["aria-label", "title", "alt", "placeholder", "data-done", "data-none", "data-one", "data-many"];
  const found = [];
  let depth = 0;
  const read = (text) => {
    let outside = "";
    for (const sign of text) {
      if (sign === "⟦") depth += 1;
      else if (sign === "⟧") depth -= 1;
      else if (depth === 0) outside += sign;
    }
    found.push(outside.trim().replace(/\\s+/g, " "));
  };
  const texts = document.createTreeWalker(seen.documentElement, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) if (!texts.currentNode.parentElement.closest(kept)) read(texts.currentNode.data);
  for (const element of seen.querySelectorAll(attributes.map((name) => `[${name}]`).join(", "))) {
    if (element.closest(kept)) continue;
    for (const name of attributes) {
      depth = 0;
      if (element.hasAttribute(name)) read(element.getAttribute(name));
    }
  }
  return found.filter((text) => /[A-Za-z]{2}/.test(text));
}"""
"""Every text and spoken attribute outside ⟦…⟧, in the order of the page: a message may reach over several elements."""
FETCHED: Final = f"""async () => {{
  const answer = await fetch(location.pathname + location.search);
  const seen = new DOMParser().parseFromString(await answer.text(), "text/html");
  return [seen.documentElement.lang, ({OUTSIDE})(seen)];
}}"""
"""The language of the same address, and its texts, read and not shown: a third of what a page costs that is drawn."""

NAMES: Final = {
    *("Weighbridge", "Mara Lindqvist", "Lyceum Laboratory", "Python", "curl", "vLLM", "ORCID", "LICENSE"),
    *(
        "CSV",
        "PDF",
        "JSON",
        "API",
        "SHA-256",
        "sha256",
        "sha256sums",
        "Ed25519",
        "MWh",
        "PUE",
        "UTC",
        "aria2",
        "git",
        "weighbridge",
        "float32",
        "OPT, metaseq",
        "GPT-NeoX, Megatron",
    ),
    *(
        "BF16",
        "bf16",
        "fp16",
        "fp32",
        "fp8",
        "int4",
        "int8",
        "nats",
        "acc",
        "II",
        "III",
        "MIT",
        "Atom",
        "Markdown",
        "Google",
    ),
    *("estimate", "window"),  # as a catalogue entry and a file of numbers have them
    *("main", "download", "query", "none", "licence", "403, GatedRepoError"),
    "I have deleted every copy of the weights that I received, from every machine and backup in my hands",
}
"""Names, units, words of the wire; and a statement that its holder kept as it was proposed."""
MACHINE: Final = re.compile(r"[\w-]+(?:[._/:-][\w-]+)+")
"""File names, models, events, table names."""
OTHERS: Final = ("migrations", "demo", "crowd", "training", "management", "api", "ror.py")
"""Where our sources hold what people and labs write, or nothing that a page shows."""


def left_in_english(page: Page) -> list[str]:
    """Our own words on this page that were not translated. What people and labs wrote is in no source of ours."""
    return _of_ours(page.evaluate(f"() => ({OUTSIDE})(document)"))


def read_again(page: Page) -> tuple[str, list[str]]:
    """The language in which this address is answered now, and our own words in it that were not translated."""
    language, texts = page.evaluate(FETCHED)
    return language, _of_ours(texts)


def _of_ours(texts: list[str]) -> list[str]:
    outside = {text.strip(" .,:;·()") for text in texts}
    return sorted(text for text in outside & _ours() if not MACHINE.fullmatch(text))


@functools.cache
def _ours() -> frozenset[str]:
    return frozenset(text.strip(" .,:;·()") for text in (*_of_templates(), *_of_python())) - NAMES


def _of_templates() -> Iterator[str]:
    for path in (ROOT / "templates").rglob("*.html"):
        bare = re.sub(
            r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}|<[^>]*>", "\n", path.read_text(encoding="utf-8"), flags=re.DOTALL
        )
        yield from bare.splitlines()


def _of_python() -> Iterator[str]:
    for folder in ("portal", "releases", "inference"):
        for path in (ROOT / folder).rglob("*.py"):
            if not set(OTHERS) & set(Path(path).parts) and not path.name.endswith("letters.py"):
                tree = ast.parse(path.read_text(encoding="utf-8"))
                yield from (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
