"""docker-compose.yml, the Dockerfile and nginx name things of this repository: each name must exist."""

import asyncio
import importlib
import importlib.util
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from inference.gateway.config import Settings
from inference.gateway.errors import Refusal, body_too_large, unavailable
from infra.embedded.home import SECRETS, Home
from infra.embedded.stack import loops
from infra.embedded.valkey import FORGET, REMEMBER
from portal import asgi, celery
from portal.access.attachment_models import LARGEST
from portal.access.form_spec import INPUT_LIMIT
from portal.api.operations import BODY_LIMIT
from portal.errors import TooLarge, Unavailable, WeighbridgeError
from portal.http import UPLOAD_LIMIT, problem
from releases.curves.api import CURVES_MAX
from releases.hub.bodies import COMMIT_MAX, JSON_MAX
from releases.logbook.api import IMPORT_MAX

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
PODS: list[dict[str, Any]] = [
    container
    for manifest in yaml.safe_load_all((ROOT / "infra" / "kubernetes" / "portal.yaml").read_text())
    if manifest["kind"] == "Deployment"
    for container in manifest["spec"]["template"]["spec"]["containers"]
]
NGINX = (ROOT / "infra" / "nginx" / "nginx.conf").read_text()
DOCKERFILE = (ROOT / "infra" / "docker" / "Dockerfile").read_text()


def test_every_process_of_the_embedded_stack_has_a_service() -> None:
    assert {
        "web",
        "internal",
        "relay",
        "post_usage",
        "worker",
        "converter",
        "batches",
        "checker",
        "beat",
        "gateway",
    } <= set(OURS)
    assert {"postgres", "limits", "broker", "objects", "nginx"} <= set(SERVICES) - set(OURS)


@pytest.mark.parametrize(("name", "options"), [("limits", REMEMBER), ("broker", FORGET)])
def test_the_stores_are_run_alike_everywhere(name: str, options: tuple[str, ...]) -> None:
    """Pairs of an option and its value, in any order: one that evicts, or is not bounded, would be another store."""
    manifests = yaml.safe_load_all((ROOT / "infra" / "kubernetes" / "stores.yaml").read_text())
    (pod,) = (
        manifest["spec"]["template"]["spec"]["containers"][0]
        for manifest in manifests
        if manifest["kind"] in {"StatefulSet", "Deployment"} and manifest["metadata"]["name"] == name
    )
    for command in (SERVICES[name]["command"], pod["command"]):
        assert _pairs(command[1:]) == _pairs(options)
    bound = int(_pairs(options)["--maxmemory"].removesuffix("mb"))
    assert pod["resources"]["limits"]["memory"] == "1Gi", (
        "half as much again, for copies while the file is written anew"
    )
    assert bound * 3 / 2 <= 1024


def _pairs(options: Iterable[str]) -> dict[str, str]:
    words = list(options)
    return dict(zip(words[::2], words[1::2], strict=True))


@pytest.mark.parametrize("name", sorted(name for name in OURS if "command" in SERVICES[name]))
def test_a_command_runs_something_that_exists(name: str) -> None:
    command = [str(word) for word in OURS[name]["command"]]
    if command[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(command[2])
        assert _is_there(command[3])
    elif command[0] == "python":
        assert (ROOT / command[1]).exists()
        assert command[2] in get_commands()
    elif command[0] == "celery":
        assert importlib.import_module("portal.celery").app
    else:
        assert _is_there(next(word for word in command if ":" in word and not word[0].isdigit()))


def _is_there(app: str) -> bool:
    """Whether `module:attribute` can be imported."""
    module, _, attribute = app.partition(":")
    return hasattr(importlib.import_module(module), attribute)


def test_the_images_start_something_that_exists() -> None:
    for app in re.findall(r'"([a-z_.]+:[a-z]+)"', DOCKERFILE):
        assert _is_there(app)
    for module in re.findall(r'"-m", "([a-z_.]+)"', DOCKERFILE):
        assert importlib.util.find_spec(module)
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for path in source.split():
            assert (ROOT / path).exists(), path


def _made(stage: str, folder: Path) -> dict[str, str]:
    """One stage of the Dockerfile in this folder: what it copies from here, and its RUN lines. The environment to run in it."""
    left_out = [line for line in (ROOT / ".dockerignore").read_text().split() if line[0] not in "!*"]
    words = re.search(rf"^FROM \S+ AS {stage}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.DOTALL | re.MULTILINE)[1]
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "WEIGHBRIDGE_MODE": "scaled",
        "WEIGHBRIDGE_HOME": str(folder / "home"),
    }
    for line in words.replace("\\\n", " ").splitlines():
        order, _, said = line.partition(" ")
        if order == "COPY" and "--from" not in said:
            *sources, target = said.split()
            for source in sources:
                _copy(
                    ROOT / source,
                    folder / (Path(target) / Path(source).name if target.endswith("/") else target),
                    left_out,
                )
        elif order == "RUN":
            command = said.replace("/app/", f"{folder}/")
            done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    return environment


def _copy(source: Path, target: Path, left_out: list[str]) -> None:
    def ignored(folder: str, names: list[str]) -> list[str]:
        return [
            name for name in names if name == "__pycache__" or str((Path(folder) / name).relative_to(ROOT)) in left_out
        ]

    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
    else:
        shutil.copy(source, target.parent / source.name if target.is_dir() else target)


def test_the_portals_image_can_be_made_and_has_what_its_commands_read(tmp_path: Path) -> None:
    environment = _made("portal", tmp_path)
    assert (tmp_path / "static" / "staticfiles.json").exists()
    assert list((tmp_path / "locale").rglob("*.mo"))
    told = environment | {
        name: secrets.token_urlsafe(32) for name in ("SECRET_KEY", "BLOB_SIGNING_KEY", "INTERNAL_SECRET")
    }
    for command in ("prepare_bucket --dry-run", "make_content_key", "collectstatic --no-input --dry-run"):
        line = [sys.executable, "manage.py", *command.split()]
        done = subprocess.run(line, cwd=tmp_path, env=told, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)


def test_the_gateways_image_has_all_that_the_gateway_imports_and_no_portal(tmp_path: Path) -> None:
    environment = _made("gateway", tmp_path)
    told = environment | {
        "REDIS_URL": "redis://limits",
        "INTERNAL_SECRET": secrets.token_urlsafe(32),
        "INTERNAL_URL": "http://x",
    }
    line = [sys.executable, "-c", "import inference.gateway.app, inference.gateway.server"]
    done = subprocess.run(line, cwd=tmp_path, env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"inference"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_is_documented(name: str) -> None:
    documented = set(re.findall(r"^\| `([A-Z0-9_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))
    used = {variable.removesuffix("_FILE") for variable in OURS[name]["environment"]}
    assert used <= documented, used - documented


def test_every_secret_is_declared_made_and_handed_over() -> None:
    script = (ROOT / "infra" / "docker" / "secrets.sh").read_text()
    for name, service in SERVICES.items():
        for secret in service.get("secrets", []):
            assert secret in COMPOSE["secrets"], (name, secret)
            assert re.search(rf"\b{secret}\b", script)
        for variable, value in service.get("environment", {}).items():
            if variable.endswith("_FILE"):
                assert str(value).removeprefix("/run/secrets/") in service["secrets"], (name, variable)
    assert {secret.lower() for secret in SECRETS} <= set(COMPOSE["secrets"])


def test_the_secrets_script_makes_each_once(tmp_path: Path) -> None:
    script = ROOT / "infra" / "docker" / "secrets.sh"
    subprocess.run([script], cwd=tmp_path, check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(COMPOSE["secrets"]) <= set(made)
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    subprocess.run([script], cwd=tmp_path, check=True)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made
    assert len({made[name.lower()] for name in SECRETS}) == len(SECRETS)
    assert made["postgres_password"] in made["database_url"]


def test_the_key_that_opens_content_goes_to_the_pages_alone_as_the_documentation_tells_it() -> None:
    told = (ROOT / "docs" / "queries.md").read_text()
    block = re.search(r"```yaml\n(services:.*?)```", told, re.DOTALL)
    assert block
    more = yaml.safe_load(block[1])
    assert set(more["services"]) == {"web"}, "compose adds these to what docker-compose.yml says"
    variables, secrets = more["services"]["web"]["environment"], more["services"]["web"]["secrets"]
    assert variables == {"CONTENT_PRIVATE_KEY_FILE": f"/run/secrets/{secrets[0]}"}
    kept = more["secrets"][secrets[0]]["file"]
    assert f"cat > {kept}" in told
    for name, service in SERVICES.items():
        holds = service.get("environment", {})
        assert not [each for each in holds if each.startswith("CONTENT_PRIVATE_KEY")], name
        assert ("CONTENT_KEY" in holds) == ("SECRET_KEY_FILE" in holds), (
            f"{name}: the control plane, and not the gateway"
        )


def test_the_secrets_script_leaves_what_is_for_one_process_alone_where_it_is(tmp_path: Path) -> None:
    script = ROOT / "infra" / "docker" / "secrets.sh"
    own = tmp_path / "secrets" / "web"
    own.mkdir(parents=True, mode=0o700)
    (own / "content_private_key").write_text("x")
    for _ in range(2):
        subprocess.run([script], cwd=tmp_path, check=True)
    assert own.stat().st_mode & 0o777 == 0o700, "a folder that nobody may enter hides its files from the container"


def test_the_secrets_script_leaves_the_address_of_an_operators_own_database(tmp_path: Path) -> None:
    script = ROOT / "infra" / "docker" / "secrets.sh"
    subprocess.run([script], cwd=tmp_path, check=True)
    own = {"database_url": "postgresql://wb:word@db.example.org/wb", "objects.env": "ROOT_ACCESS_KEY=theirs\n"}
    for name, text in own.items():
        (tmp_path / "secrets" / name).write_text(text)
    (tmp_path / "secrets" / "internal_secret").unlink()
    subprocess.run([script], cwd=tmp_path, check=True)
    assert {name: (tmp_path / "secrets" / name).read_text() for name in own} == own
    assert (tmp_path / "secrets" / "internal_secret").stat().st_size > 32


def test_nginx_makes_the_same_choice_as_the_dispatcher() -> None:
    locations = re.findall(r"location (?:~ \^)?/(?:\(([a-z0-9_|]+)\)\(/\|\$\))? {(.*?)}", NGINX, re.DOTALL)
    to_gateway = {part for parts, body in locations if "http://gateway;" in body for part in parts.split("|")}
    absent = {part for parts, body in locations if "return 404 " in body for part in parts.split("|")}
    assert to_gateway == set(asgi.GATEWAY)
    assert absent == {*asgi.PRIVATE, *asgi.BLOBS}
    assert [parts for parts, body in locations if "http://web;" in body] == [""]
    jobs = re.search(r"location ~ \^/v1/\(([a-z|]+)\)\(/\|\$\) {\s*proxy_pass http://web;", NGINX)
    assert jobs
    assert {f"v1/{part}" for part in jobs[1].split("|")} == set(asgi.JOBS)
    assert NGINX.index(jobs[0]) < NGINX.index("location ~ ^/(v1|"), "the first that fits is taken"
    assert not re.search(r"proxy_pass http://\w+/", NGINX), "a URI here would decode the request target"


def _taken_at(path: str) -> int:
    """Bytes of a body that the edge lets pass to this address: of the first location that fits, else the server's."""
    fitting = (
        body for pattern, body in re.findall(r"location ~ (\S+) {(.*?)}", NGINX, re.DOTALL) if re.search(pattern, path)
    )
    bound = re.compile(r"client_max_body_size (\d+)m;")
    return int((bound.search(next(fitting, "")) or bound.search(NGINX))[1]) << 20


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/api/models/lab/name/commit/main", COMMIT_MAX),
        ("/api/models/lab/name/commit/feat/x", COMMIT_MAX),
        ("/lab/name.git/info/lfs/objects/batch", JSON_MAX),
        ("/api/v1/logbooks/7/curves", CURVES_MAX),
        ("/api/v1/logbooks/7/import", IMPORT_MAX),
        ("/api/v1/models/lab/name/evaluations", BODY_LIMIT),
        ("/v1/files", settings.BATCH_FILE_BYTES),
        ("/v1/completions", Settings("", "", "").token_body_bytes),
        ("/apply/large/about/", INPUT_LIMIT * LARGEST + settings.DATA_UPLOAD_MAX_MEMORY_SIZE),
        ("/lab/name/logbook/edit/", UPLOAD_LIMIT + settings.DATA_UPLOAD_MAX_MEMORY_SIZE),
    ],
)
def test_nginx_lets_pass_what_the_portal_takes(path: str, most: int) -> None:
    assert _taken_at(path) >= most, "the answer would be a page of nginx's"


@pytest.mark.parametrize(
    "path", ["/apply/large/", "/labs/apply/large/about/", "/api/models/lab/name/tag/main", "/lab/name/commit/main"]
)
def test_nginx_takes_large_bodies_nowhere_else(path: str) -> None:
    assert _taken_at(path) <= 8 << 20


def _said(name: str) -> dict[str, str]:
    """What nginx says by itself, to each reader."""
    return dict(
        re.findall(
            r"(\w+) '(.*?)';\n", re.search(rf"map \$reader \${name} {{\n(.*?)\n    }}\n", NGINX, re.DOTALL)[1] + "\n"
        )
    )


@pytest.mark.parametrize(
    ("name", "status", "refusal", "error"),
    [
        ("too_large", 413, body_too_large(1), TooLarge("-")),
        ("away", 503, unavailable("-"), Unavailable("-", retry_after_s=5)),
    ],
)
def test_what_nginx_refuses_by_itself_has_the_shape_that_its_reader_knows(
    name: str, status: int, refusal: Refusal, error: WeighbridgeError
) -> None:
    assert re.search(rf"error_page [0-9 ]*{'413' if status == 413 else '502 504 =503'} @{name};", NGINX)
    said = _said(name)
    assert set(said) == {"openai", "program", "page"}
    theirs, ours = json.loads(said["openai"])["error"], refusal.body()["error"]
    assert theirs.keys() == ours.keys()
    assert [theirs[part] for part in ("type", "code", "param")] == [ours[part] for part in ("type", "code", "param")]
    told, shape = json.loads(said["program"]), problem(error)
    assert told.keys() == {*shape, "error"}, "the Hub's clients read `error`"
    assert (told["status"], told["code"], told["type"]) == (status, shape["code"], shape["type"])
    assert f"return {status} ${name};" in NGINX


def test_a_private_address_is_absent_in_the_dispatchers_words() -> None:
    (body,) = re.findall(r"return 404 '(.*)';", NGINX)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(asgi._absent(send))
    assert body.encode() == sent[1]["body"]


def test_nginx_adds_whom_it_saw_to_what_the_proxies_before_it_say_and_is_counted_itself() -> None:
    assert "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;" in NGINX
    for name in ("web", "gateway"):
        assert OURS[name]["environment"]["TRUSTED_PROXIES"] == "${TRUSTED_PROXIES:-1}", "more where TLS ends before it"


def test_nginx_and_the_services_agree_on_names_and_ports() -> None:
    for name, port in re.findall(r"server (\w+):(\d+);", NGINX):
        assert name in SERVICES
        command = " ".join(map(str, SERVICES[name].get("command", []))) or DOCKERFILE
        assert port in command
    listen = re.findall(r"listen (\d+);", NGINX)
    assert SERVICES["nginx"]["ports"][0].endswith(":" + listen[0])
    assert OURS["gateway"]["environment"]["INTERNAL_URL"].endswith(":8002")
    assert "8002" in OURS["internal"]["command"]


def test_only_the_edge_and_the_object_store_are_published() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"nginx", "objects"}
    assert COMPOSE["networks"]["inner"]["internal"] is True
    for name in ("postgres", "limits", "broker"):
        assert SERVICES[name]["networks"] == ["inner"]
    assert "inner" not in SERVICES["vllm"]["networks"]


def test_the_first_store_remembers_and_the_second_may_forget() -> None:
    limits, broker = (" ".join(SERVICES[name]["command"]) for name in ("limits", "broker"))
    assert "--appendfsync always" in limits
    assert "noeviction" in limits
    assert "--appendonly no" in broker


def test_the_converter_alone_takes_conversions_and_needs_no_privilege() -> None:
    queue = settings.CELERY_TASK_ROUTES["releases.tasks.convert"]["queue"]
    command = [str(word) for word in OURS["converter"]["command"]]
    assert command[command.index("--queues") + 1] == queue
    assert "--queues" not in OURS["worker"]["command"], "which takes only the default queue"
    for service in (OURS["converter"], OURS["worker"]):
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"] is True
    path = OURS["converter"]["environment"]["CONVERSION_PATH"]
    assert f"conversion:{path}" in OURS["converter"]["volumes"]
    assert f"mkdir {path} " in DOCKERFILE


def queue_of(command: list[Any]) -> str | None:
    """Which queue a worker takes from; "" for the default one, None for what is no worker."""
    words = [str(word) for word in command]
    if not {"celery", "worker"} <= set(words):
        return None
    return words[words.index("--queues") + 1] if "--queues" in words else ""


@pytest.mark.parametrize("size", ["compose", "kubernetes", "embedded"])
def test_every_queue_has_one_worker_that_takes_from_no_other(size: str, tmp_path: Path) -> None:
    """What is long has a queue of its own: an opening at a date must not wait behind the check of a large release."""
    commands: dict[str, list[list[Any]]] = {
        "compose": [service["command"] for service in OURS.values() if "command" in service],
        "kubernetes": [container["command"] for container in PODS if "command" in container],
        "embedded": [spec.argv for spec in loops(Home(tmp_path), {"CONVERTER_PYTHON": "python"})],
    }
    found = [queue for command in commands[size] if (queue := queue_of(command)) is not None]
    assert sorted(found) == sorted({"", *(route["queue"] for route in settings.CELERY_TASK_ROUTES.values())})


def test_every_route_names_a_task_and_what_reads_the_store_is_among_them() -> None:
    celery.app.loader.import_default_modules()
    assert set(settings.CELERY_TASK_ROUTES) <= set(celery.app.tasks)
    reading = {"check_revision", "scrub", "collect_garbage"}
    assert {settings.CELERY_TASK_ROUTES[f"releases.tasks.{name}"]["queue"] for name in reading} == {"checks"}


def test_the_converters_packages_are_in_the_engines_lock() -> None:
    chosen = re.search(r"keep = /\^\(([a-z0-9|-]+)\)==/", DOCKERFILE)
    assert chosen
    lock = (ROOT / "requirements" / "engine.txt").read_text()
    for name in chosen[1].split("|"):
        assert re.search(rf"^{name}==", lock, re.MULTILINE), name


def test_an_upgrade_of_containers_stops_what_uses_the_tables_and_nothing_else() -> None:
    told = re.findall(r"^#   docker compose (.*)$", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    stop = next(line for line in told if line.startswith("stop "))
    assert set(stop.split()[1:]) == {name for name, one in OURS.items() if "migrate" in one["depends_on"]}
    assert any("pg_dump" in line for line in told[: told.index(stop)]), "after a copy was made"


def test_the_log_of_no_container_grows_for_ever() -> None:
    kept = {name: service.get("logging", {}).get("driver") for name, service in SERVICES.items()}
    assert set(kept.values()) == {"local"}, kept


def test_a_secret_that_was_exchanged_as_documented_is_read_in_the_containers_too(tmp_path: Path) -> None:
    """They run as accounts of their own and see the file through a mount, with the rights that it has here."""
    script = ROOT / "infra" / "docker" / "secrets.sh"
    subprocess.run(["sh", script], cwd=tmp_path, check=True)
    former = (tmp_path / "secrets" / "secret_key").read_text()
    guide = (ROOT / "docs" / "secrets.md").read_text()
    exchange = re.search(r"^\$ (\(umask .*)$", guide, re.MULTILINE)
    assert exchange
    subprocess.run(["sh", "-c", exchange[1]], cwd=tmp_path / "secrets", check=True)
    assert "`infra/docker/secrets.sh && docker compose up -d --force-recreate`" in guide
    subprocess.run(["sh", script], cwd=tmp_path, check=True)
    made = tmp_path / "secrets" / "secret_key"
    present, behind = made.read_text().split()
    assert (behind, len(present) >= 32, made.stat().st_mode & 0o777) == (former, True, 0o644)
