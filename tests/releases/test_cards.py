"""Cards are written by strangers and read by everybody."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases import cards

HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "![x](https://evil.example/pixel.png)", "[x](javascript:alert(1))",
    "[x](data:text/html,<script>1</script>)", "<iframe src='https://evil.example'></iframe>", "<svg onload=alert(1)>", "<style>body{display:none}</style>",
    "<form action='https://evil.example'><input name=p></form>", "<a href='&#106;avascript:alert(1)'>x</a>", "<math><mtext></mtext></math>",
    "<div style='position:fixed;inset:0'>x</div>", "<object data='x'></object>", "<base href='https://evil.example'>", "<meta http-equiv=refresh content=0>",
    "<p id=main class=sheet>x</p>", "<a href='//evil.example' target=_top>x</a>", "<h1>x</h1>", "<video src='https://evil.example/x'></video>", "<details ontoggle=alert(1) open>",
    "<template><script>1</script></template>", "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>", "<!-- --!><img src=x onerror=alert(1)> -->",
]  # fmt: skip
FORBIDDEN = re.compile(
    r"<(script|img|iframe|svg|style|form|input|object|base|meta|video|audio|math|template|noscript|link|embed|h1)\b|\son\w+\s*=|\s(style|id|class|target)\s*=|(href|src)=.?(javascript|data|vbscript):",
    re.IGNORECASE,
)


@pytest.mark.parametrize("source", HOSTILE)
def test_nothing_of_a_hostile_card_lives(source: str) -> None:
    for text in (source, f"# Title\n\n{source}\n", f"| a |\n|---|\n| {source} |", f"- {source}\n- b"):
        assert not FORBIDDEN.search(cards.render(text)), cards.render(text)


def test_numbers_that_json_does_not_have_are_texts_and_others_stay_numbers() -> None:
    front = f"a: [.nan, -.inf, 1.5, 0, true, null, {2**63 - 1}, {-(2**63)}]\nb: 0x{'f' * 9_000}\nc: 2026-01-02"
    found = cards.parse(f"---\n{front}\n---\n# x\n").metadata
    assert found["a"] == ["nan", "-inf", 1.5, 0, True, None, 2**63 - 1, f"-0x8{'0' * 15}"]
    assert (found["b"][:4], len(found["b"]), found["c"]) == ("0xff", 9_002, "2026-01-02")
    json.dumps(found, allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([*HOSTILE, "\n", "\n\n", "`", "```\n", "*", "<", ">", "&lt;", "[", "](", ")", "'", '"', "\\"]),
        max_size=8,
    )
)
def test_nor_of_several_thrown_together(parts: list[str]) -> None:
    assert not FORBIDDEN.search(re.sub(r"&lt;.*?&gt;", "", re.sub(r">[^<]*<", "><", cards.render("".join(parts)))))


def test_what_a_card_needs_stays() -> None:
    html = cards.render(
        "# T\n\n**b** `c` [l](https://x.example)\n\n| a | b |\n|---|---:|\n| 1 | 2 |\n\n```python\nx = 1 < 2\n```\n\n- i\n\n> q\n"
    )
    for wanted in (
        "<h2>T</h2>",
        "<strong>b</strong>",
        'href="https://x.example"',
        'rel="noopener noreferrer nofollow"',
        "<table>",
        "<pre",
        "1 &lt; 2",
        "<blockquote>",
    ):
        assert wanted in html, wanted


def test_a_wide_table_scrolls_by_itself_and_in_reach_of_the_keyboard() -> None:
    html = cards.render("| a |\n|---|\n| 1 |\n\n<table align=center><tr><td>2</td></tr></table>\n")
    assert html.count('<div tabindex="0" role="group"') == 2
    assert html.count("</table></div>") == 2


def test_a_table_is_announced_by_the_heads_of_its_columns() -> None:
    html = cards.render('| **Task** "x" | a & b |   |\n|---|---|---|\n| 1 | 2 | 3 |\n')
    assert '<div tabindex="0" role="group" aria-label="Task &quot;x&quot;, a &amp; b"><table>' in html


@pytest.mark.parametrize("table", ["<table></table>", f"<table><tr><td>{'x' * 3_000}</td></tr></table>"])
def test_a_table_without_heads_is_announced_as_a_table(table: str) -> None:
    assert 'role="group" aria-label="Table"><table>' in cards.render(table)


def test_code_that_scrolls_is_announced_as_code() -> None:
    assert '<pre tabindex="0" role="group" aria-label="Code"><code>' in cards.render("```\nx\n```\n")


def test_metadata() -> None:
    card = cards.parse("---\nlicense: mit\ndate: 2026-11-24\n1: x\ntags: [a, b]\n---\n# T\n")
    assert card.metadata == {"license": "mit", "date": "2026-11-24", "1": "x", "tags": ["a", "b"]}
    assert "license" not in card.html


@pytest.mark.parametrize(
    "front",
    ["a: [", "- a", "!!python/object/apply:os.system ['x']", "a: &a [*a]", "x: 1\n" * 9_000, "&", "a: b: c", "\x00"],
)
def test_metadata_that_is_none(front: str) -> None:
    card = cards.parse(f"---\n{front}\n---\nbody")
    json.dumps(card.metadata)
    assert "body" in card.html


def test_a_billion_laughs_are_not_heard() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]" for i in range(12)]
    begin = time.monotonic()
    assert cards.parse("---\n" + "\n".join(lines) + "\n---\nbody").metadata == {}
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("pattern", ["[", "*a ", "> ", "`", "<a ", "![](", "- ", "|a|\n|-|\n", "\\", "&#"])
def test_no_pattern_makes_rendering_slow(pattern: str) -> None:
    begin = time.process_time()
    cards.render(pattern * (60_000 // len(pattern)))
    assert time.process_time() - begin < 10


def test_lines_may_end_as_on_windows_and_blank_ones_come_first() -> None:
    card = cards.parse("\n---\r\nlicense: mit\r\n---\r\n# Title\r\n---\r\nMore")
    assert card.metadata == {"license": "mit"}
    assert "Title" in card.html
    assert "license" not in card.html
    assert cards.gaps("---\nlicense: mit\n---\n") == []
    assert "no license" in cards.gaps("---\ntags: [a]\n---\n")[0]
    assert cards.faults("---\nlicense: mit\n") == [
        "The front matter has no end. Close it with a line of three hyphens."
    ]


@pytest.mark.parametrize("step", ["[*a{0}, *a{0}]", "{{<<: [*a{0}, *a{0}]}}"])
def test_aliases_that_mean_billions_of_values_cost_nothing(step: str) -> None:
    lines = ["a0: &a0 {k: 1}", *(f"a{n + 1}: &a{n + 1} {step.format(n)}" for n in range(40))]
    begin = time.monotonic()
    found = cards.parse("---\nlicense: mit\n" + "\n".join(lines) + "\n---\n# Text")
    assert (found.metadata, "Text" in found.html) == ({}, True)
    assert cards.faults("---\n" + "\n".join(lines) + "\n---\n")
    assert time.monotonic() - begin < 5


def test_a_card_that_nests_deeply_has_no_metadata() -> None:
    assert cards.parse("---\na: " + "[" * 20_000 + "\n---\n# Text").metadata == {}
