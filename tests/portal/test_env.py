"""Settings from the environment fail loudly and name the fix."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.embedded.home import SECRETS, Home
from portal import env
from portal.errors import Misconfigured


def test_a_secret_may_come_from_a_file(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("s3cret\n")
    monkeypatch.setenv("KEY_FILE", str(tmp_path / "key"))
    assert env.text("KEY") == "s3cret"


def test_a_secret_given_twice_stops_the_start(monkeypatch, tmp_path):
    monkeypatch.setenv("KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("KEY", "x")
    with pytest.raises(Misconfigured, match="Unset one"):
        env.text("KEY")


def test_a_missing_secret_names_itself_and_its_file_twin():
    with pytest.raises(Misconfigured, match="WB_MISSING_FILE"):
        env.required("WB_MISSING", "a test")


@pytest.mark.parametrize("value", ["maybe", "2"])
def test_a_flag_that_is_neither_yes_nor_no_is_refused(monkeypatch, value):
    monkeypatch.setenv("FLAG", value)
    with pytest.raises(Misconfigured, match="Use 1 or 0"):
        env.flag("FLAG", default=False)


def test_a_number_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("COUNT", "many")
    with pytest.raises(Misconfigured, match="whole number"):
        env.number("COUNT", 3)


def test_another_database_than_postgresql_is_refused():
    with pytest.raises(Misconfigured, match="PostgreSQL"):
        env.database("mysql://x/y")


def test_a_database_address_is_taken_apart():
    parsed = env.database("postgresql://ann:p%40ss@db.example:6432/wb?sslmode=require")
    assert (parsed["USER"], parsed["PASSWORD"], parsed["HOST"], parsed["PORT"]) == ("ann", "p@ss", "db.example", "6432")
    assert parsed["OPTIONS"] == {"sslmode": "require"}


@pytest.mark.parametrize(
    "value", ["https://example.org/hub", "https://example.org/hub/", "http://x?y", "example.org", "ftp://x"]
)
def test_the_public_address_is_a_host_of_our_own(monkeypatch, value):
    monkeypatch.setenv("SITE", value)
    with pytest.raises(Misconfigured, match="SITE"):
        env.origin("SITE", "http://127.0.0.1:8000")


def test_a_slash_at_its_end_is_no_path(monkeypatch):
    monkeypatch.setenv("SITE", "https://models.example.org:8443/")
    assert env.origin("SITE", "http://127.0.0.1:8000") == "https://models.example.org:8443"


GOOD = "a9B_c8D-e7F" * 4


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("changeme", "at least 32 random characters"),
        (GOOD[:31], "at least 32 random characters"),
        ("abcd" * 16, "at least 32 random characters"),
        (f"{GOOD}\nchangeme", "at least 32 random characters"),
        (f"a long {GOOD}", "a blank in it begins a former one"),
        (f"{GOOD}\x01", "nobody can see"),
        ("\n", "nothing but blanks"),
    ],
)
def test_a_secret_that_can_be_guessed_or_is_torn_stops_the_start(monkeypatch, value, word):
    monkeypatch.setenv("KEY", value)
    with pytest.raises(Misconfigured, match=f"^KEY .*{word}.*Make one: python -c"):
        env.secrets("KEY", "a test")


def test_a_long_random_secret_is_taken_and_one_without_a_purpose_may_be_left_out(monkeypatch):
    monkeypatch.setenv("KEY", GOOD)
    assert (env.secrets("KEY", "a test"), env.secrets("WB_MISSING")) == ((GOOD,), ())
    with pytest.raises(Misconfigured, match="WB_MISSING is not set"):
        env.secrets("WB_MISSING", "a test")


@pytest.mark.parametrize("between", [" ", "\n", "\r\n", "  \n\t"])
def test_former_secrets_stand_behind_the_present_one_in_a_line_or_in_lines(monkeypatch, tmp_path, between):
    (tmp_path / "key").write_text(f"new{GOOD}{between}old{GOOD}\n")
    monkeypatch.setenv("KEY_FILE", str(tmp_path / "key"))
    assert env.secrets("KEY", "a test") == (f"new{GOOD}", f"old{GOOD}")
    monkeypatch.setenv("TWICE", f"{GOOD}{between}{GOOD}")
    with pytest.raises(Misconfigured, match="TWICE has one secret twice"):
        env.secrets("TWICE", "a test")


def test_a_secret_of_raw_bytes_is_named(monkeypatch, tmp_path):
    (tmp_path / "key").write_bytes(bytes(range(200, 232)))
    monkeypatch.setenv("KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(Misconfigured, match=r"KEY_FILE names .* not UTF-8"):
        env.text("KEY")


CHECK = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")


def started(*command: str, **more: str) -> str:
    """What a public portal of these settings says when it is checked, or started by another command of Python's."""
    root = Path(__file__).parents[2]
    names = ("SECRET_KEY", "BLOB_SIGNING_KEY", "INTERNAL_SECRET", "RECEIPT_SIGNING_KEY")
    said = {
        "PATH": os.environ["PATH"], "WEIGHBRIDGE_MODE": "scaled", "BASE_URL": "https://models.example.org",
        **{name: f"{name}{GOOD}" for name in names},
        "STORE": "s3", "S3_ENDPOINT": "https://s3.example", "S3_ACCESS_KEY": "k", "S3_SECRET_KEY": "s",
        "DATABASE_URL": "postgresql://x@127.0.0.1:1/x", "MAIL_URL": "postmark://key@",
        "MAIL_EVENTS_SECRET": "name:password",
    }  # fmt: skip
    line = [sys.executable, *(command or CHECK)]
    done = subprocess.run(line, env=said | more, cwd=root, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("name", ["SECRET_KEY", "BLOB_SIGNING_KEY", "INTERNAL_SECRET", "RECEIPT_SIGNING_KEY"])
def test_no_public_portal_starts_with_a_secret_that_can_be_guessed(name):
    assert f"{name} can be guessed" in started(**{name: "changeme"})


def test_no_public_portal_starts_with_one_secret_twice_or_one_that_no_mail_service_can_show():
    same = "same" + GOOD
    assert "One secret serves two purposes" in started(SECRET_KEY=same, RECEIPT_SIGNING_KEY=same)
    said = started(SECRET_KEY=f"new{GOOD} {same}", RECEIPT_SIGNING_KEY=same, MAIL_EVENTS_SECRET="password")
    assert "One secret serves two purposes" in said
    assert "MAIL_EVENTS_SECRET=name:password" in said


def test_a_key_of_the_store_without_its_other_half_is_refused():
    halves = ("S3_UPLOAD_ACCESS_KEY", "S3_READ_SECRET_KEY", "S3_OWNER_ACCESS_KEY", "INGEST_S3_SECRET_KEY")
    said = started(**dict.fromkeys(halves, "one"))
    for pair in ("S3_UPLOAD", "S3_READ", "S3_OWNER", "INGEST_S3"):
        assert f"{pair}_ACCESS_KEY and {pair}_SECRET_KEY" in said


def test_the_public_address_must_be_one_that_the_portal_answers_to():
    assert "Add models.example.org to ALLOWED_HOSTS" in started(ALLOWED_HOSTS="other.example.org")
    assert "no issues" in started(BASE_URL="https://[::1]:8443")


def test_a_former_secret_both_halves_of_a_key_and_an_address_among_the_hosts_are_taken():
    """In one start: the check names each fault it finds, so that none hides another."""
    halves = {"S3_READ_ACCESS_KEY": "one", "S3_READ_SECRET_KEY": "other"}
    assert "no issues" in started(
        SECRET_KEY=f"new{GOOD}\n{GOOD}", ALLOWED_HOSTS=".example.org", BASE_URL="https://Models.Example.org:8443",
        **halves,
    )  # fmt: skip


def test_the_web_server_does_not_start_either_where_settings_are_unsafe():
    assert "Set STORE=s3" in started("-c", "import portal.wsgi", STORE="local")
    assert "Set MAIL_URL=" in started("-c", "import portal.wsgi", MAIL_URL="")
    assert "Misconfigured" not in started("-c", "import portal.wsgi")
    assert "Misconfigured" not in started("-c", "import portal.wsgi", MAIL_URL="", BASE_URL="http://localhost:8080")


def test_the_secrets_that_an_installation_makes_itself_are_good_enough_to_serve_with(tmp_path):
    home = Home(tmp_path)
    home.prepare("serve")
    own = {name: home.secret_file(name).read_text() for name in SECRETS}
    assert "no issues" in started(WEIGHBRIDGE_MODE="serve", STORE="local", **own)


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("DATABASE_URL", "postgresql://u:pa/ss-word@host/wb", "%2F"),
        ("DATABASE_URL", "postgresql://u:1#ss-word@host/wb", "%23"),
        ("DATABASE_URL", "postgresql://u:ss-word@host:many/wb", "host:5432"),
        ("MAIL_URL", "smtp://u:pa/ss-word@host", "%2F"),
        ("BASE_URL", "https://models.example.org:port", "address that visitors see"),
        ("BASE_URL", "https://[models.example.org", "address that visitors see"),
        ("S3_ENDPOINT", "objects.example.org", "https://"),
        ("INGEST_S3_ENDPOINT", "s3://theirs", "https://"),
        ("REDIS_URL", "limits:6379", "redis://"),
        ("REDIS_URL", "redis://:pa/ss-word@limits:6379", "%2F"),
        ("BROKER_URL", "http://broker:6379", "redis://"),
        ("GATEWAY_URL", "gateway:8001", "http://gateway:8001"),
        ("MAIL_FROM", "Weighbridge", "Weighbridge <"),
        ("SIGN_IN_PROVIDERS", '[{"id": "orcid", "client_id": "a", "secret": "b", "scope": "openid"}]', "list"),
    ],
)
def test_an_address_that_is_none_stops_every_command_with_one_line_that_shows_no_password(name, value, fix):
    said = started(**{name: value})
    assert name in said
    assert fix in said
    assert len(said.splitlines()) == 1, said
    assert "ss-word" not in said


def test_what_is_escaped_and_what_has_blanks_around_it_is_taken_as_meant():
    assert "no issues" in started(
        DATABASE_URL="postgresql://u:p%2F%23%3F%40@host:5432/wb", REDIS_URL="unix:///run/limits.sock?db=1",
        BROKER_URL="redis+socket:///run/broker.sock", MAIL_FROM="models@example.org",
    )  # fmt: skip
    hosts = "from portal import settings; print(settings.ALLOWED_HOSTS)"
    assert started("-c", hosts, ALLOWED_HOSTS="a.example, b.example,") == "['a.example', 'b.example']"
    assert started("-c", hosts, BASE_URL="http://[::1]:8000") == "['[::1]']"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("verify_audit", "The database does not answer"),
        ("relay --once", "The database does not answer"),
        ("post_usage --once", "The limits store does not answer"),
    ],
)
def test_a_command_says_in_one_line_which_part_is_away_and_all_of_it_when_asked(command, said):
    told = {"REDIS_URL": "redis://127.0.0.1:1"}
    line = started("manage.py", *command.split(), **told)
    assert line.startswith(said)
    assert len(line.splitlines()) == 1
    assert "Traceback" in started("manage.py", *command.split(), "--traceback", **told)


def test_a_command_that_failed_for_what_is_away_ends_with_status_1():
    root = Path(__file__).parents[2]
    line = [sys.executable, "-c", "import manage; raise SystemExit(manage.main(['manage.py', 'verify_audit']))"]
    told = os.environ | {"WEIGHBRIDGE_MODE": "test", "DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}
    assert subprocess.run(line, env=told, cwd=root, capture_output=True, check=False).returncode == 1


def test_keys_of_content_are_32_bytes_each_and_former_ones_stand_behind(monkeypatch):
    new, old = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
    monkeypatch.setenv("PAIR", f"{new}\n{old}\n")
    assert env.keys("PAIR") == (new, old)
    for wrong in (f"{new} {old[:-4]}", f"{new} %", "aGVsbG8="):
        monkeypatch.setenv("PAIR", wrong)
        with pytest.raises(Misconfigured, match="PAIR is no key of 32 bytes"):
            env.keys("PAIR")
