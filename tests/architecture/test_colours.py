"""The design's colours for words stand out from what they are written on, by day and by night (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

import math
import re

import pytest

from tests.stack import ROOT

TOKENS = ROOT / "portal" / "static" / "weighbridge" / "tokens.css"
LEAST = 4.5
GROUNDS = ("paper", "raised", "sunk")
WORDS = {
    "ink": GROUNDS, "ink-2": GROUNDS,
    **{name: (*GROUNDS, f"{name}-wash") for name in ("blue", "brass", "ok", "wait", "stop")},
}  # fmt: skip
"""What words are written in, and on what."""
_COLOUR = r"oklch\(([\d.]+) ([\d.]+) ([\d.]+)\)"
_PAIR = re.compile(rf"--([\w-]+): light-dark\({_COLOUR}, {_COLOUR}\);")


def luminance(lightness: float, chroma: float, hue: float) -> float:
    """Of a colour in OKLCH, as WCAG reckons it; by the matrices of CSS Color 4."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long, medium, short = (
        (lightness + x * a + y * b) ** 3
        for x, y in ((0.3963377774, 0.2158037573), (-0.1055613458, -0.0638541728), (-0.0894841775, -1.2914855480))
    )
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return sum(weight * min(max(light, 0.0), 1.0) for weight, light in ((0.2126, red), (0.7152, green), (0.0722, blue)))


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    dark, light = sorted(luminance(*colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def colours(theme: int) -> dict[str, tuple[float, ...]]:
    """By name, of the light theme (0) or the dark one (1)."""
    said = _PAIR.findall(TOKENS.read_text())
    return {name: tuple(map(float, numbers[3 * theme : 3 * theme + 3])) for name, *numbers in said}


def test_black_on_white_is_the_greatest_contrast():
    assert contrast((0, 0, 0), (1, 0, 0)) == pytest.approx(21, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["by day", "by night"])
def test_words_stand_out_from_their_ground(theme):
    named = colours(theme)
    faint = [
        f"--{word} on --{ground}: {contrast(named[word], named[ground]):.2f}"
        for word, grounds in WORDS.items()
        for ground in grounds
        if contrast(named[word], named[ground]) < LEAST
    ]
    assert faint == [], f"at least {LEAST} : 1"
