"""Broken headers by the thousand: never a crash, never slow, and never more lenient than the format's own reader."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.releases import fuzz


@pytest.mark.parametrize("parser", fuzz.SEEDS)
def test_a_few_thousand_mutations(parser: str) -> None:
    chance = random.Random(20_261_126)
    assert all(fuzz.judge(parser, seed) for seed in fuzz.SEEDS[parser])
    accepted = sum(fuzz.judge(parser, fuzz.mutated(parser, chance)) for _ in range(3000))
    assert 20 < accepted < 2900, "the mutations reach both answers"


@pytest.mark.drill
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("parser", fuzz.SEEDS)
def test_a_million_inputs(parser: str) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "tests.releases.fuzz", parser, "1000000"], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 1000000 runs" in done.stderr
