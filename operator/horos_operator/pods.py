"""The pod that an Agent asks for: pure functions from spec and settings to whole objects."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from horos_api.names import (
    ANNOTATION_ASKED,
    GROUP,
    LABEL_AGENT,
    LABEL_COMPONENT,
    SECRET_BUS,
    SECRETS_DIR,
    Env,
)
from horos_api.resources import IDLE_SECONDS, AgentSpec
from horos_api.tool_servers import ResolvedServer
from horos_operator.facts import ANNOTATION_FAILURES, SERVER_SECRET, AgentFacts
from horos_operator.family import owner_reference
from horos_operator.models import Models
from horos_operator.settings import Settings
from horos_operator.tool_servers import secrets_needed

CONTAINER: Final = "agent"
HEALTH_PORT: Final = 8080
USER: Final = 65532
GRACE_SECONDS: Final = 10
NODE_GONE_SECONDS: Final = 30

SECRET_FILE_MODE: Final = 0o440
"""Of files with Secrets: for the agent's group (fsGroup), and nobody else."""

POD_VERSION: Final = 1
"""Counted up when `desired_pod_spec` changes in a way that running pods must follow."""

MODEL_KEYS: Final = "model.apiKeySecretRef"
"""The part of `asked` that tells where the keys of the agent's models come from."""

_NODE_TAINTS: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


@dataclass(frozen=True, slots=True)
class Incarnation:
    """Which life of the agent a pod is for: `ticket` is the epoch that it may follow."""

    ticket: int
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What an agent is made from: its spec, and filled in, the models it asks and the servers it uses.

    `idle_seconds` is after how long without a turn its runtime retires; 0: never by itself. `barred`: it may
    have no new pod, whatever it has to do.
    """

    spec: AgentSpec
    models: Models
    servers: tuple[ResolvedServer, ...]
    settings: Settings
    idle_seconds: int = IDLE_SECONDS
    barred: bool = False

    @property
    def secrets(self) -> frozenset[str]:
        """The Secrets that the pod mounts for the agent's tool servers."""
        return secrets_needed(self.servers)


def pod_name(agent: str, epoch: int) -> str:
    """Name the pod that claims with this epoch."""
    return f"{agent}-{epoch}"


def pod_number(name: str) -> int:
    """Read the epoch that a pod of this name claims with; 0 when the name was not made here."""
    number = name.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def desired_pod(agent: AgentFacts, wanted: Asked, life: Incarnation) -> dict[str, Any]:
    """Build the pod for one incarnation of an agent."""
    annotations = {ANNOTATION_ASKED: asked(wanted)}
    if life.failures:
        annotations[ANNOTATION_FAILURES] = str(life.failures)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(agent.name, life.ticket + 1),
            "namespace": agent.namespace,
            "labels": {
                LABEL_AGENT: agent.name,
                LABEL_COMPONENT: "agent",
                "app.kubernetes.io/name": "horos",
                "app.kubernetes.io/component": "agent",
                "app.kubernetes.io/managed-by": "horos-operator",
            },
            "annotations": annotations,
            "ownerReferences": [owner_reference(agent, controller=True)],
        },
        "spec": desired_pod_spec(agent, wanted, life.ticket),
    }


def desired_pod_spec(agent: AgentFacts, wanted: Asked, ticket: int) -> dict[str, Any]:
    """Build the spec of the pod: one container that Pod Security's `restricted` admits."""
    priority_class = wanted.settings.agent_priority_class
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **({"priorityClassName": priority_class} if priority_class else {}),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(agent, wanted, ticket)],
        "volumes": [{"name": "tmp", "emptyDir": {}}, *_secret_volumes(wanted.secrets)],
        **_placement(wanted.spec),
    }


def _container(agent: AgentFacts, wanted: Asked, ticket: int) -> dict[str, Any]:
    plain = _plain(wanted.spec)
    return {
        "name": CONTAINER,
        "image": wanted.spec.image or wanted.settings.agent_image,
        "imagePullPolicy": wanted.settings.agent_image_pull_policy,
        "env": [*_own_env(agent, wanted.models, ticket), *plain["env"]],
        "resources": plain["resources"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        # The last lines of the log become the pod's message, and so the condition's.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": HEALTH_PORT},
            "initialDelaySeconds": 20,
            "periodSeconds": 20,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *_secret_mounts(wanted.secrets)],
    }


def _secret_volumes(secrets: frozenset[str]) -> list[dict[str, Any]]:
    """Mount Secrets rather than put them into the environment: kubelet keeps files up to date.

    They are optional, since an agent works while one of its servers does not.
    """
    return [
        {"name": volume, "secret": {"secretName": name, "optional": True, "defaultMode": SECRET_FILE_MODE}}
        for volume, name in _volume_names(secrets)
    ]


def _secret_mounts(secrets: frozenset[str]) -> list[dict[str, Any]]:
    return [
        {"name": volume, "mountPath": f"{SECRETS_DIR}/{name}", "readOnly": True}
        for volume, name in _volume_names(secrets)
    ]


def _volume_names(secrets: frozenset[str]) -> list[tuple[str, str]]:
    """Number the volumes: a Secret's name may be longer than a volume's."""
    return [(f"{SERVER_SECRET}{number}", name) for number, name in enumerate(sorted(secrets))]


def _own_env(agent: AgentFacts, models: Models, ticket: int) -> list[dict[str, Any]]:
    """What the runtime reads; `spec.env` may not begin with HOROS_, so nothing of it can be overridden."""
    return [
        {"name": Env.AGENT, "value": agent.name},
        {"name": Env.NAMESPACE, "value": agent.namespace},
        {"name": Env.UID, "value": agent.uid},
        {"name": Env.TICKET, "value": str(ticket)},
        {"name": Env.TOKEN, "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        {"name": Env.REDIS_URL, "valueFrom": {"secretKeyRef": {"name": SECRET_BUS, "key": "url"}}},
        {"name": Env.PREFIX, "valueFrom": {"secretKeyRef": {"name": SECRET_BUS, "key": "prefix"}}},
        {"name": Env.HEALTH_PORT, "value": str(HEALTH_PORT)},
        *(
            {
                "name": each.choice.key_variable,
                "valueFrom": {"secretKeyRef": {"name": each.key.name, "key": each.key.key}},
            }
            for each in models.all
            if each.key
        ),
    ]


def _placement(spec: AgentSpec) -> dict[str, Any]:
    plain = _plain(spec)
    said = {each.get("key") for each in plain["tolerations"]}
    return {
        "tolerations": [
            *plain["tolerations"],
            *(
                {
                    "key": taint,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": NODE_GONE_SECONDS,
                }
                for taint in _NODE_TAINTS
                if taint not in said
            ),
        ],
        **({"nodeSelector": plain["nodeSelector"]} if plain["nodeSelector"] else {}),
        **({"imagePullSecrets": plain["imagePullSecrets"]} if plain["imagePullSecrets"] else {}),
    }


def _plain(spec: AgentSpec) -> dict[str, Any]:
    """Turn the fields that are passed on to the pod into JSON values."""
    fields = {"env", "resources", "tolerations", "node_selector", "image_pull_secrets"}
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True, include=fields)


def _keys(models: Models) -> list[object]:
    """Where the keys come from. What one model would have alone is written as it was before fallbacks."""
    own = [models.own.key.name, models.own.key.key] if models.own.key else []
    more = [[each.choice.key_variable, each.key.name, each.key.key] for each in models.fallbacks if each.key]
    return [own, *more] if more else list(own)


def asked(wanted: Asked) -> str:
    """Sum up what a pod is made from, part by part, so that a later difference can be named."""
    spec, settings = wanted.spec, wanted.settings
    plain = _plain(spec)
    parts: Mapping[str, object] = {
        "image": [spec.image or settings.agent_image, settings.agent_image_pull_policy],
        "imagePullSecrets": plain["imagePullSecrets"],
        "env": plain["env"],
        MODEL_KEYS: _keys(wanted.models),
        "nodeSelector": plain["nodeSelector"],
        "tolerations": plain["tolerations"],
        "resources": plain["resources"],
        "priorityClass": settings.agent_priority_class,
        "podVersion": POD_VERSION,
    }
    return json.dumps({part: _digest(value) for part, value in parts.items()}, separators=(",", ":"))


def changed_parts(before: str, now: str) -> tuple[str, ...]:
    """Name the parts of a pod that differ between two values of `asked`."""
    try:
        old, new = json.loads(before or "{}"), json.loads(now)
    except ValueError:
        return (f"annotation {GROUP}/asked",)
    return tuple(part for part in {**new, **old} if old.get(part) != new.get(part))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]
