"""Catalogues of translations: complete, sound, and compiled only where something changed."""

from __future__ import annotations

import gettext
import os
from io import BytesIO

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from infra import messages
from infra.messages import catalogues, pseudo, sources


@pytest.fixture(scope="module")
def source() -> Catalog:
    return sources.found()


def translated(text: str, into: str | tuple[str, str], plural: str = "") -> Catalog:
    content = Catalog(locale="de")
    content.add((text, plural) if plural else text, into)
    return content


def faults(content: Catalog) -> list[str]:
    plain = Catalog()
    for message in content:
        if message.id:
            plain.add(message.id)
    return list(catalogues.faults(content, plain))


@pytest.mark.parametrize("locale", messages.LANGUAGES)
def test_every_message_of_the_sources_is_translated(locale: str, source: Catalog) -> None:
    wrong = list(catalogues.faults(catalogues.read(locale), source))
    assert wrong == [], "run `make messages`, then docs/translating.md says how to add what is missing"


def test_messages_are_found_in_python_in_templates_and_in_the_default_form(source: Catalog) -> None:
    assert "This is your own application." in source
    assert "Skip to content" in source
    assert "Where the weights will rest" in source
    assert source["%(shown)s word"].id == ("%(shown)s word", "%(shown)s words")


def test_what_nobody_translated_is_a_fault() -> None:
    assert faults(translated("Sign in", "")) == ["not translated: 'Sign in'"]
    assert faults(translated("Sign in", "Anmelden")) == []


def test_a_plural_needs_each_of_its_forms() -> None:
    assert faults(translated("%(n)s word", ("%(n)s Wort", ""), "%(n)s words")) == ["not translated: '%(n)s word'"]
    assert faults(translated("one word", ("ein Wort", "%(n)s Wörter"), "%(n)s words")) == []


@pytest.mark.parametrize(
    ("text", "into"),
    [
        ("Dear %(name)s,", "Guten Tag,"),
        ("Dear %(name)s,", "Guten Tag %(nom)s,"),
        ("Apply at {url}", "Stellen Sie ihn"),
        ('<a href="%(url)s">text</a>', '<a href="%(url)s">Text'),
        ("two\n", "zwei"),
    ],
)
def test_a_translation_that_lost_a_placeholder_markup_or_a_lines_end_is_a_fault(text: str, into: str) -> None:
    assert len(faults(translated(text, into))) == 1


def test_a_message_that_left_the_sources_is_a_fault_and_a_new_one_as_well() -> None:
    plain = Catalog()
    plain.add("new")
    assert list(catalogues.faults(translated("old", "alt"), plain)) == [
        "not in the catalogue: 'new'",
        "no longer in the sources: 'old'",
    ]


def test_the_pseudo_locale_keeps_what_is_no_language_and_makes_the_rest_longer() -> None:
    text = pseudo.pseudo('Read <a href="%(url)s">version %(n)s</a> of {name}\n')
    assert '<a href="%(url)s">' in text
    assert "%(n)s" in text
    assert "{name}" in text
    assert text.startswith(pseudo.OPEN)
    assert text.endswith(f"{pseudo.CLOSE}\n")
    plain = "Nothing leaves the machine."
    assert len(pseudo.pseudo(plain)) > 1.35 * len(plain)


def test_the_pseudo_locale_speaks_for_the_libraries_too() -> None:
    buffer = BytesIO()
    write_mo(buffer, pseudo.catalogue(Catalog()))
    buffer.seek(0)
    assert gettext.GNUTranslations(buffer).gettext("This field is required.").startswith(pseudo.OPEN)


def test_a_second_start_compiles_nothing_and_a_changed_catalogue_does(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(messages, "FOLDER", tmp_path)
    catalogues.write("de", translated("Sign in", "Anmelden"))
    assert messages.stale()
    catalogues.compile_all()
    assert not messages.stale()
    later = messages.compiled("de").stat().st_mtime + 5
    os.utime(messages.catalogue("de"), (later, later))
    assert messages.stale()
