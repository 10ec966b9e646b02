"""Commands that somebody gives wrongly: a sentence, and nothing is changed."""

from __future__ import annotations

import io
import sys
import zipfile

import pytest
from django.core.management import CommandError, call_command

from portal.audit.models import Entry
from portal.people.management.commands import first_administrator
from portal.people.models import Institution, Lab, Membership, User
from portal.postgres.locks import alone

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("email", "lab"), [("root", "atelier"), ("root@operator.example", "Ate lier")])
def test_no_first_administrator_is_made_at_an_address_or_in_a_lab_that_cannot_be(email, lab):
    with pytest.raises(CommandError):
        call_command("first_administrator", email=email, lab=lab)
    assert not User.objects.exists()
    assert not Lab.objects.exists()


def test_a_first_administrator_is_made_with_both_right(capsys):
    call_command("first_administrator", email="Root@operator.example", lab="atelier")
    assert "/account/" in capsys.readouterr().out
    assert User.objects.get().email == "root@operator.example"


@pytest.mark.parametrize(("asked", "given"), [("harbour", "harbour"), ("atelier", "atelier"), (None, "atelier")])
def test_a_first_administrator_looks_after_the_lab_that_was_named_and_not_after_the_catalogues(asked, given):
    Lab.objects.create(slug="aardvark", name="A lab of a reference entry")
    call_command("first_administrator", email="root@operator.example", lab="atelier")
    User.objects.update(is_active=False)
    call_command("first_administrator", email="next@operator.example", **({"lab": asked} if asked else {}))
    held = Membership.objects.filter(user__email="next@operator.example").values_list("lab__slug", flat=True)
    assert list(held) == [given]


def test_the_first_administrator_is_on_the_trail_as_any_other_operator_is():
    for _ in range(2):
        call_command("first_administrator", email="root@operator.example", lab="atelier")
    operator = User.objects.get()
    made = Entry.objects.filter(event__in=["user.registered", "operator.set"]).order_by("pk")
    assert [(entry.event, entry.target_id) for entry in made] == [
        ("user.registered", str(operator.pk)),
        ("operator.set", str(operator.pk)),
    ]
    assert made[1].data == {"staff": True, "all": True, "rights": []}


def test_nobody_is_made_an_operator_by_a_command_that_leaves_no_entry():
    with pytest.raises(CommandError, match="first_administrator"):
        call_command("createsuperuser", email="eve@operator.example", name="Eve", interactive=False)
    assert not User.objects.exists()


def test_a_second_run_waits_for_the_first_and_then_says_so(monkeypatch):
    """Two at once found no account, and the one that came second to its address ended in a trace."""
    monkeypatch.setattr(first_administrator, "_PATIENCE_S", 0.1)
    with alone("first administrator"), pytest.raises(CommandError, match="Another run"):
        call_command("first_administrator", email="root@operator.example", lab="atelier")
    assert not User.objects.exists()
    call_command("first_administrator", email="root@operator.example", lab="atelier")
    assert User.objects.get().email == "root@operator.example"


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_register_that_came_only_in_part_is_said_to_be_broken(tmp_path, kept):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("v2_schema_v2.json", "[" + ",".join(f'{{"id": {n}}}' for n in range(9_000)) + "]")
    file = tmp_path / "dump.zip"
    file.write_bytes(whole.getvalue()[: int(len(whole.getvalue()) * kept)])
    with pytest.raises(CommandError, match="Fetch it again"):
        call_command("import_ror", str(file))
    assert not Institution.objects.exists()


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(CommandError, match="with its zone"):
        call_command("ingest", "folder", "--model=lab/name", "--at=2026-11-26T12:00:00")


@pytest.mark.parametrize("told", ["[]", "{}", "nothing"])
@pytest.mark.parametrize("verb", ["ready", "gone"])
def test_an_engine_that_says_no_event_is_told_what_is_missing(monkeypatch, verb, told):
    monkeypatch.setattr(sys, "stdin", io.StringIO(told))
    with pytest.raises(CommandError) as refused:
        call_command("pool", verb)
    assert len(str(refused.value)) > 10


def test_partitions_are_made_for_ten_years_at_most():
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("make_partitions", "--ahead=100000")
