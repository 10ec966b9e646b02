"""Two small tasks for inspect_ai: a choice by chat, and a text."""

from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import choice, includes
from inspect_ai.solver import generate, multiple_choice

WORDS = ["return", "import", "class", "with"]


@task
def words():
    samples = [Sample(input=f"Which word ends a function of {n} lines?", choices=WORDS, target="A") for n in range(8)]
    return Task(dataset=samples, solver=[multiple_choice()], scorer=choice())


@task
def writing():
    samples = [Sample(input=f"def f{n}(x):", target="return") for n in range(8)]
    return Task(dataset=samples, solver=[generate()], scorer=includes())
