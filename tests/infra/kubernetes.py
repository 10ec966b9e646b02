"""What the manifests may say: the kinds and fields of the Kubernetes API that they use, as strict JSON Schemas.

From the API reference of Kubernetes 1.33 and of LeaderWorkerSet v1, KEDA 2 (ScaledObject). A field that is not here is
a misspelling, or is added here with its type.
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]
TEXT: Final[Schema] = {"type": "string"}
NAME: Final[Schema] = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}
NUMBER: Final[Schema] = {"type": "integer", "minimum": 0}
PORT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 65535}
FLAG: Final[Schema] = {"type": "boolean"}
QUANTITY: Final[Schema] = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(m|[KMGT]i?)?$"}
WORDS: Final[Schema] = {"type": "object", "additionalProperties": TEXT}


def a(*required: str, **properties: Schema) -> Schema:
    """An object with these fields and no others; a trailing underscore keeps clear of Python's words."""
    told = {name.removesuffix("_"): schema for name, schema in properties.items()}
    return {"type": "object", "properties": told, "required": list(required), "additionalProperties": False}


def many(schema: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": schema, "minItems": least}


def one_of(*values: str) -> Schema:
    return {"enum": list(values)}


SELECTOR: Final = a("matchLabels", matchLabels=WORDS)
RESOURCES: Final[Schema] = {"type": "object", "additionalProperties": QUANTITY}
PROBE: Final = a(
    httpGet=a("path", "port", path=TEXT, port=PORT), tcpSocket=a("port", port=PORT),
    exec_=a("command", command=many(TEXT)), periodSeconds=NUMBER, failureThreshold=NUMBER,
)  # fmt: skip
FROM: Final = a(
    configMapKeyRef=a("name", "key", name=NAME, key=TEXT), secretKeyRef=a("name", "key", name=NAME, key=TEXT)
)
SEALED: Final = a(
    "allowPrivilegeEscalation", "capabilities", allowPrivilegeEscalation=FLAG, readOnlyRootFilesystem=FLAG,
    capabilities=a("drop", drop=many(TEXT)),
)  # fmt: skip
CONTAINER: Final = a(
    "name", "image", "resources",
    name=NAME, image={"type": "string", "pattern": r"^[a-z0-9./-]+:[\w.-]+$"}, command=many(TEXT), args=many(TEXT),
    env=many(a("name", name=TEXT, value=TEXT, valueFrom=FROM)),
    envFrom=many(a("configMapRef", configMapRef=a("name", name=NAME))),
    ports=many(a("name", "containerPort", name=NAME, containerPort=PORT)),
    startupProbe=PROBE, readinessProbe=PROBE, lifecycle=a(preStop=a("sleep", sleep=a("seconds", seconds=NUMBER))),
    resources=a("requests", "limits", requests=RESOURCES, limits=RESOURCES), securityContext=SEALED,
    volumeMounts=many(a("name", "mountPath", name=NAME, mountPath=TEXT, subPath=TEXT, readOnly=FLAG)),
)  # fmt: skip
VOLUME: Final = a(
    "name", name=NAME, configMap=a("name", name=NAME), emptyDir=a(medium=one_of("Memory"), sizeLimit=QUANTITY),
    secret=a("secretName", secretName=NAME, items=many(a("key", "path", key=TEXT, path=TEXT))),
)  # fmt: skip
POD: Final = a(
    "metadata", "spec",
    metadata=a("labels", labels=WORDS, annotations=WORDS),
    spec=a(
        "containers", "automountServiceAccountToken",
        automountServiceAccountToken={"const": False}, containers=many(CONTAINER), volumes=many(VOLUME),
        restartPolicy=one_of("OnFailure", "Never"), terminationGracePeriodSeconds=NUMBER,
        securityContext=a(
            "runAsNonRoot", runAsNonRoot={"const": True}, runAsUser=NUMBER, fsGroup=NUMBER,
            seccompProfile=a("type", type=one_of("RuntimeDefault")),
        ),
        topologySpreadConstraints=many(
            a(
                "maxSkew", "topologyKey", "whenUnsatisfiable", "labelSelector",
                maxSkew=NUMBER, topologyKey=TEXT, whenUnsatisfiable=one_of("ScheduleAnyway", "DoNotSchedule"),
                labelSelector=SELECTOR,
            )
        ),
    ),
)  # fmt: skip
CLAIM: Final = a(
    "metadata", "spec", metadata=a("name", name=NAME),
    spec=a("accessModes", "resources", accessModes=many(TEXT), resources=a("requests", requests=RESOURCES)),
)  # fmt: skip
PEER: Final = a(podSelector=SELECTOR, namespaceSelector=SELECTOR)
PORTS: Final = many(a("port", port=PORT, protocol=one_of("TCP", "UDP")))
TRIGGER: Final = a(
    "type", "metadata", type=one_of("prometheus"),
    metadata=a("serverAddress", "query", "threshold", serverAddress=TEXT, query=TEXT, threshold=TEXT),
)  # fmt: skip
BACKEND: Final = a("service", service=a("name", "port", name=NAME, port=a("number", number=PORT)))

SPECS: Final[dict[tuple[str, str], Schema]] = {
    ("v1", "Namespace"): {},
    ("v1", "ConfigMap"): {},
    ("v1", "Service"): a(
        "selector", "ports", selector=WORDS,
        ports=many(a("name", "port", "targetPort", name=NAME, port=PORT, targetPort=PORT)),
    ),
    ("apps/v1", "Deployment"): a(
        "selector", "template", replicas=NUMBER, selector=SELECTOR, template=POD,
        strategy=a(type=one_of("Recreate", "RollingUpdate"), rollingUpdate=a(maxUnavailable=NUMBER, maxSurge=NUMBER)),
    ),
    ("apps/v1", "StatefulSet"): a(
        "selector", "template", "serviceName", replicas=NUMBER, selector=SELECTOR, template=POD, serviceName=NAME,
        volumeClaimTemplates=many(CLAIM),
    ),
    ("batch/v1", "Job"): a("template", template=POD, backoffLimit=NUMBER, ttlSecondsAfterFinished=NUMBER),
    ("policy/v1", "PodDisruptionBudget"): a("selector", maxUnavailable=NUMBER, selector=SELECTOR),
    ("networking.k8s.io/v1", "Ingress"): a(
        "rules",
        tls=many(a("hosts", "secretName", hosts=many(TEXT), secretName=NAME)),
        rules=many(
            a(
                "host", "http", host=TEXT,
                http=a("paths", paths=many(a("path", "pathType", "backend", path=TEXT, pathType=one_of("Prefix"), backend=BACKEND))),
            )
        ),
    ),
    ("networking.k8s.io/v1", "NetworkPolicy"): a(
        "podSelector", "policyTypes", podSelector=a(matchLabels=WORDS), policyTypes=many(one_of("Ingress", "Egress")),
        ingress=many(a(from_=many(PEER), ports=PORTS)), egress=many(a(to=many(PEER), ports=PORTS)),
    ),
    ("autoscaling/v2", "HorizontalPodAutoscaler"): a(
        "scaleTargetRef", "minReplicas", "maxReplicas", "metrics",
        scaleTargetRef=a("apiVersion", "kind", "name", apiVersion=TEXT, kind=TEXT, name=NAME),
        minReplicas=NUMBER, maxReplicas=NUMBER,
        metrics=many(
            a(
                "type", "resource", type=one_of("Resource"),
                resource=a("name", "target", name=one_of("cpu"),
                           target=a("type", "averageUtilization", type=one_of("Utilization"), averageUtilization=NUMBER)),
            )
        ),
    ),
    ("keda.sh/v1alpha1", "ScaledObject"): a(
        "scaleTargetRef", "triggers", scaleTargetRef=a("name", name=NAME), minReplicaCount=NUMBER,
        maxReplicaCount=NUMBER, pollingInterval=NUMBER, cooldownPeriod=NUMBER, triggers=many(TRIGGER),
    ),
    ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet"): a(
        "replicas", "leaderWorkerTemplate", replicas=NUMBER, startupPolicy=one_of("LeaderCreated", "LeaderReady"),
        leaderWorkerTemplate=a(
            "size", "workerTemplate", size=NUMBER, leaderTemplate=POD, workerTemplate=POD,
            restartPolicy=one_of("RecreateGroupOnPodRestart", "None"),
        ),
    ),
}  # fmt: skip
"""(apiVersion, kind) → its `spec`."""


def schema_of(version: str, kind: str) -> Schema:
    """The whole document. Raises KeyError for a kind that the manifests do not use."""
    spec = SPECS[version, kind]
    meta = a("name", name=NAME, labels=WORDS, annotations=WORDS)
    head: dict[str, Schema] = {"apiVersion": {"const": version}, "kind": {"const": kind}, "metadata": meta}
    more = {"spec": spec} if spec else {"data": WORDS} if kind == "ConfigMap" else {}
    return a("apiVersion", "kind", "metadata", *more, **head, **more)
