"""Every name that two components must spell alike: API group, labels, Secrets, environment of a pod."""

import re
from typing import Final

GROUP: Final = "horos.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

FINALIZER: Final = f"{GROUP}/bus"
FIELD_MANAGER: Final = "horos-operator"

LABEL_AGENT: Final = f"{GROUP}/agent"
"""On a pod: the name of the Agent that it is an incarnation of."""
LABEL_COMPONENT: Final = f"{GROUP}/component"
"""On everything the operator makes: `agent`, `redis`, `gateway`, `bus`, `quota`."""
LABEL_ROOT: Final = f"{GROUP}/root"
"""On an Agent with a parent: the name of the oldest ancestor, so that a whole family can be selected."""
ANNOTATION_ORDER: Final = f"{GROUP}/order"
"""On what the operator made for an agent: the id of the order that asked for it, so that it is made once."""
ANNOTATION_ASKED: Final = f"{GROUP}/asked"
"""On a pod: what the operator asked for when it made it; a difference to today's means a new pod."""

SECRET_BUS: Final = "horos-bus"
"""One in each namespace with agents: keys `url` and `prefix`, the only credentials an agent has."""
SECRET_REDIS: Final = "horos-redis"
"""In the release's namespace: key `password`, for the chart's own Redis."""
SECRET_GATEWAY: Final = "horos-gateway"
"""In the release's namespace: key `token`, what a caller of the gateway shows."""

POOL: Final = "default"
"""The one AgentPool of a namespace."""
QUOTA: Final = "horos-agents"
"""The ResourceQuota that holds the AgentPool's limit, in its namespace."""

LEASE: Final = "horos-operator"
"""In the release's namespace: which of the operators leads."""

AGENT_NAME_LENGTH: Final = 52
"""Room for `-<epoch>` in a pod's name, which Kubernetes also makes its host name (63 characters)."""
GROUP_NAME_LENGTH: Final = 52
"""Room for `group.` in the name of the thread that its members read it in."""
_GROUP_THREAD: Final = "group."
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_THREAD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")

SECRETS_DIR: Final = "/run/horos/secrets"
"""In an agent's pod: a file `<Secret>/<key>` for each key that its tool servers need and that exists."""

DEFAULT_MODEL_CONFIG: Final = "default"
"""The ModelConfig of all agents of its namespace that name none."""
DEFAULT_THREAD: Final = "main"
BODY_BYTES: Final = 256 * 1024
"""The longest text a message may carry, in bytes of UTF-8."""
INBOX_CAP: Final = 1000
"""How many messages may wait in an inbox before `send` answers FULL. Replies never meet it."""


class Env:
    """Environment of an agent's pod; the operator sets it, `horos_runtime.settings` reads it."""

    AGENT: Final = "HOROS_AGENT"
    NAMESPACE: Final = "HOROS_NAMESPACE"
    UID: Final = "HOROS_UID"
    TICKET: Final = "HOROS_TICKET"
    TOKEN: Final = "HOROS_TOKEN"
    REDIS_URL: Final = "HOROS_REDIS_URL"
    PREFIX: Final = "HOROS_PREFIX"
    MODEL_API_KEY: Final = "HOROS_MODEL_API_KEY"
    HEALTH_PORT: Final = "HOROS_HEALTH_PORT"
    HEALTH_HOST: Final = "HOROS_HEALTH_HOST"
    SECRETS_DIR: Final = "HOROS_SECRETS_DIR"

    @staticmethod
    def model_api_key(index: int) -> str:
        """Name the variable with the key of a model: 0 is the agent's own, 1 its first fallback."""
        return Env.MODEL_API_KEY if index == 0 else f"{Env.MODEL_API_KEY}_{index}"


def agent_name_error(name: str) -> str | None:
    """Say what is wrong with an agent's name, or None: a DNS label of at most 52 characters."""
    if len(name) > AGENT_NAME_LENGTH:
        return f"name {name!r} has {len(name)} characters; expected at most {AGENT_NAME_LENGTH}"
    if not _DNS_LABEL.fullmatch(name):
        return f"name {name!r} is not a DNS label: expected a-z, 0-9 and '-', not at the ends"
    return None


def group_name_error(name: str) -> str | None:
    """Say what is wrong with a group's name, or None: a DNS label of at most 52 characters."""
    if len(name) > GROUP_NAME_LENGTH:
        return f"group {name!r} has {len(name)} characters; expected at most {GROUP_NAME_LENGTH}"
    if not _DNS_LABEL.fullmatch(name):
        return f"group {name!r} is not a DNS label: expected a-z, 0-9 and '-', not at the ends"
    return None


def group_thread(group: str) -> str:
    """Name the thread in which each member reads a group and answers it."""
    return _GROUP_THREAD + group


def group_of_thread(thread: str) -> str | None:
    """Name the group that a thread is about; None: it is about none."""
    group = thread.removeprefix(_GROUP_THREAD)
    return group if group != thread and group_name_error(group) is None else None


def namespace_name_error(name: str) -> str | None:
    """Say what is wrong with a namespace's name, or None: a DNS label of at most 63 characters."""
    if len(name) > 63 or not _DNS_LABEL.fullmatch(name):
        return f"namespace {name!r} is not a DNS label of at most 63 characters"
    return None


def thread_name_error(thread: str) -> str | None:
    """Say what is wrong with a thread's name, or None: at most 63 of A-Z, a-z, 0-9, '-', '_' and '.'."""
    if len(thread) > 63 or not _THREAD.fullmatch(thread):
        return f"thread {thread!r}: expected 1 to 63 of A-Z a-z 0-9 - _ . with a letter or digit at the ends"
    return None


def key_prefix(install: str, namespace: str) -> str:
    """Build the prefix of all keys of one namespace; the braces put them in one Redis Cluster slot."""
    return f"horos:{install}:{{{namespace}}}:"
