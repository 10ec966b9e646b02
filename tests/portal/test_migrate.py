"""Who migrates a database: the version that made it or a later one, and no earlier one without a word."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from portal.checks.management.commands import migrate
from portal.postgres.locks import alone

pytestmark = pytest.mark.django_db


def test_a_version_that_comes_after_a_newer_one_is_told_so_and_changes_nothing():
    recorder = MigrationRecorder(connection)
    recorder.record_applied("access", "9001_of_next_year")
    with pytest.raises(CommandError, match=r"A newer version has migrated this database \(access 9001_of_next_year\)"):
        call_command("migrate", verbosity=0, interactive=False)
    recorder.record_unapplied("access", "9001_of_next_year")
    call_command("migrate", verbosity=0, interactive=False)


def test_two_never_migrate_one_database_at_once_and_the_second_waits(monkeypatch, capsys):
    """An upgrade that was killed left its migrate behind, and the next one made the tables that it was making."""
    monkeypatch.setattr(migrate, "PATIENCE_S", 0.1)
    with alone("migrate"), pytest.raises(CommandError, match="Another migrate is still at work on this database"):
        call_command("migrate", verbosity=0, interactive=False)
    assert "Waiting for it" in capsys.readouterr().err
    call_command("migrate", verbosity=0, interactive=False)
    assert not capsys.readouterr().err, "alone, it waits for nobody"


def test_what_another_program_keeps_in_the_same_database_is_not_ours_to_know():
    MigrationRecorder(connection).record_applied("another_program", "9001_of_next_year")
    call_command("migrate", verbosity=0, interactive=False)


def test_a_migration_that_was_taken_together_with_others_is_known_by_its_former_name(tmp_path, monkeypatch, settings):
    folder = tmp_path / "taken_together"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "0001_together.py").write_text(
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
        '    replaces = [("switches", "0001_initial"), ("switches", "0002_gone")]\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    MigrationRecorder(connection).record_applied("switches", "0002_gone")
    with pytest.raises(CommandError, match="switches 0002_gone"):
        call_command("migrate", verbosity=0, interactive=False)
    settings.MIGRATION_MODULES = {"switches": folder.name}
    call_command("migrate", verbosity=0, interactive=False)


def test_an_operator_may_forget_what_is_no_longer_there():
    MigrationRecorder(connection).record_applied("access", "9001_of_next_year")
    call_command("migrate", "access", prune=True, verbosity=0, interactive=False)
    assert ("access", "9001_of_next_year") not in MigrationRecorder(connection).applied_migrations()
