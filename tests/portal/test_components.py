"""The template tags: what they draw, and that nothing a person wrote gets through unescaped."""

from __future__ import annotations

import datetime

import pytest
from django import forms
from django.template import Context, Template

from portal.written import bytes_both, in_bytes


def draw(source: str, **context: object) -> str:
    return Template("{% load weighbridge %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (0, "0\u00a0B"),
        (9_999, "9,999\u00a0B"),
        (10_000, "10.0\u00a0kB"),
        (99_950, "100\u00a0kB"),
        (999_499, "999\u00a0kB"),
        (999_949, "1.0\u00a0MB"),
        (12_460_000, "12.5\u00a0MB"),
        (12_404_512, "12.4\u00a0MB"),
        (350_000_000_000, "350\u00a0GB"),
        (None, "—"),
    ],
)
def test_sizes_in_decimal_units(size, written):
    assert in_bytes(size) == written


def test_both_units_only_where_they_differ():
    assert bytes_both(12_404_512) == "12.4\u00a0MB (11.8\u00a0MiB)"
    assert bytes_both(512) == "512\u00a0B"


def test_moments_are_written_in_utc():
    when = datetime.datetime(2026, 11, 23, 15, 20, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    drawn = draw("{{ when|stamp }}", when=when)
    assert 'datetime="2026-11-23T14:20:00+00:00"' in drawn
    assert "23\u00a0Nov\u00a02026, 14:20\u00a0UTC" in drawn
    assert "23\u00a0Nov\u00a02026" in draw("{{ when|day }}", when=when)
    assert draw("{{ when|stamp }}", when=None) == "—"


@pytest.mark.parametrize(
    "source",
    [
        '{% state "ok" evil %}',
        "{% digest evil %}",
        "{% digest evil 4 %}",
        "{% facts pairs %}",
        "{% timeline entries %}",
        '{% crumbs evil "/" evil %}',
        "{% code %}$ {{ evil }}{% endcode %}",
        "{% code evil %}x{% endcode %}",
        '{% notice "gate" evil %}{{ evil }}{% endnotice %}',
        "{% empty evil %}{{ evil }}{% endempty %}",
        "{{ evil|document }}",
    ],
)
def test_what_people_write_is_escaped(source):
    evil = "<script>alert(1)</script>"
    entries = [{"when": evil, "title": evil, "note": evil, "quote": evil}]
    assert "<script" not in draw(source, evil=evil, pairs=[(evil, evil)], entries=entries)


class Question(forms.Form):
    name = forms.CharField(label="Name", help_text="As you sign", widget=forms.TextInput(attrs={"placeholder": "Name"}))
    needs = forms.MultipleChoiceField(
        label="Needs", choices=[("a", "<b>A</b>"), ("b", "B")], widget=forms.CheckboxSelectMultiple
    )
    agreed = forms.BooleanField(label="Agreed")
    more = forms.CharField(label="More", required=False)


@pytest.fixture
def form():
    return Question({"name": "", "needs": []})


def test_a_field_ties_hint_and_error_to_its_control(form):
    drawn = draw("{% field form.name %}", form=form)
    assert 'aria-describedby="id_name_helptext id_name_error"' in drawn
    assert 'id="id_name_helptext"' in drawn
    assert 'id="id_name_error"' in drawn
    assert 'aria-invalid="true"' in drawn
    assert "placeholder" not in drawn


def test_a_group_is_a_fieldset_with_a_legend(form):
    drawn = draw("{% field form.needs %}", form=form)
    assert drawn.count("<fieldset") == 1
    assert "<legend>Needs" in drawn
    assert "&lt;b&gt;A&lt;/b&gt;" in drawn


def test_optional_fields_say_so(form):
    assert "(optional)" in draw("{% field form.more %}", form=form)
    assert "(optional)" not in draw("{% field form.name %}", form=form)


def test_the_summary_links_every_error_to_a_control_that_is_there(form):
    form.add_error(None, "Nothing fits.")
    summary = draw("{% error_summary form %}", form=form)
    fields = draw("{% for f in form %}{% field f %}{% endfor %}", form=form)
    assert "4 answers need another look" in summary
    for target in ("id_name", "id_needs_0", "id_agreed"):
        assert f'href="#{target}"' in summary
        assert f'id="{target}"' in fields


def test_an_empty_field_says_what_to_do_in_the_summary_and_beside_it(form):
    for drawn in (
        draw("{% error_summary form %}", form=form),
        draw("{% for f in form %}{% field f %}{% endfor %}", form=form),
    ):
        for said in ("Write it.", "Choose at least one.", "Tick this to go on."):
            assert drawn.count(said) == 1
        assert "required" not in drawn.replace(" required ", "")


def test_a_field_that_has_its_own_words_for_that_keeps_them(form):
    form.fields["name"].error_messages["required"] = "Write your name."
    drawn = draw("{% field form.name %}", form=form)
    assert "Write your name." in drawn
    assert "Write it." not in drawn


def test_a_form_without_errors_has_no_summary():
    assert draw("{% error_summary form %}", form=Question()).strip() == ""


@pytest.mark.parametrize(
    ("used", "limit", "percent", "high"), [(0, 0, 0, False), (24, 100, 24, False), (120, 100, 100, True)]
)
def test_a_gauge_stays_on_its_ruler(used, limit, percent, high):
    drawn = draw("{% gauge used limit %}", used=used, limit=limit)
    assert f'aria-label="{percent} percent"' in drawn
    assert ("gauge high" in drawn) is high


def test_prompts_and_comments_are_marked():
    drawn = draw("{% code %}\n$ hf download a/b  # pinned\nurl#fragment\n{% endcode %}")
    assert '<span class="p">$ </span>hf download a/b<span class="c">  # pinned</span>' in drawn
    assert "url#fragment" in drawn


def test_a_document_has_headings_paragraphs_and_lines():
    drawn = draw("{{ text|document }}", text="# Title\r\n\r\nOne\ntwo\n\n## 1. Part\n\n#not a heading")
    assert drawn.split("\n") == ["<h3>Title</h3>", "<p>One<br>two</p>", "<h3>1. Part</h3>", "<p>#not a heading</p>"]


@pytest.mark.parametrize(
    ("mail", "drawn"),
    [
        ("ada@northfield.example", '<span translate="no">ada@<wbr>northfield<wbr>.example</span>'),
        ("a.b@x.ac.uk", '<span translate="no">a.b@<wbr>x<wbr>.ac<wbr>.uk</span>'),
        ("nobody", "nobody"),
        ("<b>@<i>.x", '<span translate="no">&lt;b&gt;@<wbr>&lt;i&gt;<wbr>.x</span>'),
    ],
)
def test_an_address_is_broken_after_its_sign_and_before_the_points_of_its_domain_and_no_machine_translates_it(
    mail, drawn
):
    assert draw("{{ mail|address }}", mail=mail) == drawn
