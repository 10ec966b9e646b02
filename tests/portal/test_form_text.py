"""A gate's form as text: what is written is read back the same, and a fault stands beside its line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.access import form_spec, form_text, forms
from portal.access.form_text import Wrong

ONE = "- name: you\n  title: You\n  fields:\n    - name: who\n      type: text\n      label: Who?\n"


def test_the_default_form_is_written_and_read_back_the_same():
    text = form_text.write(form_spec.research())
    spec, wrong = form_text.read(text)
    assert wrong == []
    assert spec == form_spec.tidy(form_spec.research())
    assert form_text.write(spec) == text
    assert forms.complete(spec, {})[1].keys() == forms.complete(form_spec.research(), {})[1].keys()


TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=60)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True).filter(lambda n: n not in {"check", "find", "fix"})


@settings(deadline=None)
@given(
    NAMES,
    TEXTS,
    TEXTS,
    TEXTS,
    st.booleans(),
    st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4, unique_by=lambda p: p[0]),
)
def test_any_words_survive_the_text(name, title, label, hint, required, choices):
    spec = [{"name": "you", "title": title, "fields": [
        {"name": name.replace("none_of_", "x"), "type": "choice", "label": label, "help": hint, "required": required,
         "choices": [list(pair) for pair in choices]},
    ]}]  # fmt: skip
    assert form_spec.faults(spec) == []
    assert form_text.read(form_text.write(spec)) == (form_spec.tidy(spec), [])


@settings(deadline=None)
@given(st.text(max_size=300))
def test_no_text_is_a_crash(text):
    spec, wrong = form_text.read(text)
    assert bool(spec) != bool(wrong)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 0, "A form is a list of sections"),
        ("- name: [", 1, "This cannot be read"),
        (ONE + "      type2: x\n", 7, "A field of the type text has no “type2”"),
        (ONE.replace("type: text", "type: essay"), 5, "unknown type “essay”"),
        (ONE.replace("name: who", "name: Who?"), 4, "“Who?” is not a name for a field"),
        (ONE.replace("label: Who?", "label: 7"), 6, "The label is a text"),
        (ONE.replace("      label: Who?\n", ""), 4, "needs a label"),
        (ONE.replace("name: you", "name: check"), 1, "is not a name for a section"),
        (ONE + "      required: maybe\n", 7, "required is true or false"),
        (ONE + "      min: 9\n      max: 3\n", 7, "min is more than max"),
        (ONE + "      max: lots\n", 7, "max is a number"),
        (ONE + "      clause: 2(a)\n", 7, "no “clause”"),
        (ONE + "      prefill: shoe\n", 7, "cannot be prefilled from “shoe”"),
        (ONE + "      prefill: [name]\n", 7, "cannot be prefilled from ['name']"),
        (ONE + "      prefill: {}\n", 7, "cannot be prefilled from {}"),
        (ONE.replace("label: Who?", 'label: "Who\\udc00?"'), 6, "The label is a text"),
        (ONE.replace("title: You", 'title: "\\ud83d"'), 2, "The title is a text"),
        (ONE.replace("type: text", "type: choice"), 4, "needs choices"),
        (ONE.replace("type: text", "type: choice") + "      choices: [one, two]\n", 7, "Each choice is a code and a label"),
        (ONE.replace("type: text", "type: choice") + "      choices: [[a, A], [a, B]]\n", 7, "the same code"),
        (ONE.replace("type: text", "type: date") + "      earliest: 2027-01-01\n", 7, "is a date"),
        (ONE + "    - name: who\n      type: text\n      label: Again?\n", 7, "The name “who” is used twice"),
        (ONE + ONE.replace("name: who", "name: what"), 7, "Two sections are called “you”"),
        (ONE.replace("type: text", "type: capabilities"), 4, "is called capabilities"),
        ("- &a\n  name: you\n  title: You\n  fields: []\n- *a\n", 5, "Write it out"),
        ("- <<: {name: you, title: You, fields: [{}]}\n", 1, "Write it out"),
        ("- name: you\n  title: You\n  fields: []\n  fields:\n    - name: who\n", 5, "unknown type None"),
        ("- name: you\n  title: You\n  ? [a, b]\n  : c\n", 3, "This cannot be read"),
        ("- name: you\n  title\n  fields: []\n", 3, "expected “:”"),
        ("- name: " + "9" * 5_000 + "\n", 0, "This cannot be read"),
        ("- name: you\u2028  title: [\n", 3, "This cannot be read"),
        ("- name: 2027-13-45\n", 0, "This cannot be read"),
        ("x" * (form_text.LIMIT + 1), 0, "too long"),
    ],
)  # fmt: skip
def test_a_fault_stands_beside_its_line(text, line, says):
    spec, wrong = form_text.read(text)
    assert spec == []
    assert any(each.line == line and says in each.text for each in wrong), wrong


def test_a_character_that_yaml_spells_out_is_one():
    spec, wrong = form_text.read(ONE.replace("title: You", 'title: "\\U0001F600"') + "      prefill: name\n")
    assert (spec[0]["title"], spec[0]["fields"][0]["prefill"], wrong) == ("\U0001f600", "name", [])


def test_every_fault_is_said_at_once():
    text = ONE.replace("type: text", "type: essay") + "    - name: 9\n      type: text\n"
    assert [each.line for each in form_text.read(text)[1]] == [5, 7, 7]
    assert form_text.read(text)[1][0] == Wrong(5, "The field “who” has the unknown type “essay”.")


WHOLE = form_text.write(form_spec.research())
BITS = [
    "fields:",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ": ",
    "<<: ",
    "&a ",
    "*a",
    '"',
    "'",
    "\n",
    "  ",
    "name",
    "type: date",
    "1",
    "~",
    "!!set ",
    "? ",
    "|",
    "#",
]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 60), st.sampled_from(BITS)), min_size=1, max_size=6)
)
def test_no_mangled_form_is_a_crash(cuts):
    text = WHOLE
    for at, length, bit in cuts:
        text = text[:at] + bit + text[at + length :]
    spec, wrong = form_text.read(text)
    assert bool(spec) != bool(wrong)
    assert not spec or form_text.read(form_text.write(spec)) == (spec, [])
