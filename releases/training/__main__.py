"""Train one size from nothing to a seed archive: `python -m releases.training --size 1m --out build/training`."""

import argparse
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from releases.training import pack, repeat, supervisor
from releases.training.recipe import SIZES, Recipe


def main() -> None:
    """Without --stage: run every stage in child processes. With it: be that child."""
    parser = argparse.ArgumentParser(prog="python -m releases.training", description=__doc__)
    parser.add_argument("--size", choices=[size for size in SIZES if size != "smoke"], default="1m")
    parser.add_argument(
        "--smoke", action="store_true", help="a very small model with every event: less than a minute of processor time"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for data, runs and archives")
    parser.add_argument("--minutes", type=float, help="time budget of the training stage")
    parser.add_argument("--steps", type=int, help="other than planned; 0 packs the untrained model")
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="PUBLISHED",
        help="train again and compare weight ids with a manifest.json or the folder of a downloaded release; packs nothing",
    )
    parser.add_argument("--stage", choices=[*supervisor.STAGES, supervisor.COMPARE], help=argparse.SUPPRESS)
    options = parser.parse_args()
    recipe = chosen(options)
    if options.stage == "train":
        from releases.training import worker  # noqa: PLC0415 - torch takes three seconds: each stage loads what it needs

        worker.work(recipe, options.out, options.minutes)
    elif options.stage == "export":
        from releases.training import export  # noqa: PLC0415

        export.export(recipe, options.out)
    elif options.stage == "evaluate":
        from releases.training import evaluation  # noqa: PLC0415

        evaluation.evaluate(recipe, options.out)
    elif options.stage == "pack":
        pack.pack(recipe, options.out)
    elif options.stage == supervisor.COMPARE:
        repeat.compare(recipe, options.out, options.compare)
    else:
        stages = supervisor.REPEAT if options.compare else supervisor.STAGES
        supervisor.run(recipe, command(options), options.out, stages)


def chosen(options: argparse.Namespace) -> Recipe:
    """The recipe the options name, with another number of steps if given."""
    recipe = SIZES["smoke" if options.smoke else options.size]
    return recipe if options.steps is None else replace(recipe, steps=options.steps)


def command(options: argparse.Namespace) -> list[str]:
    """This very command again, for a child process."""
    words = ["-m", "releases.training", "--out", str(options.out), "--size", options.size]
    words += ["--smoke"] if options.smoke else []
    words += ["--compare", str(options.compare)] if options.compare else []
    words += ["--minutes", str(options.minutes)] if options.minutes else []
    return words + (["--steps", str(options.steps)] if options.steps is not None else [])


if __name__ == "__main__":
    main()
