"""The kinds of objects that a LocalCluster keeps, and how a document of each is read."""

from typing import Final

from horos_api.agent_pools import AgentPool
from horos_api.groups import Group
from horos_api.model_config import ModelConfig
from horos_api.names import API_VERSION
from horos_api.objects import Resource
from horos_api.resources import Agent
from horos_api.tool_servers import ToolServer
from horos_operator.watched import CORE

PODS: Final = "pods"
QUOTAS: Final = "resourcequotas"
AGENTS: Final = "agents"
MODEL_CONFIGS: Final = "modelconfigs"
TOOL_SERVERS: Final = "toolservers"
POOLS: Final = "agentpools"
GROUPS: Final = "groups"

OWN: Final[tuple[type[Resource], ...]] = (Agent, ModelConfig, ToolServer, AgentPool, Group)
"""Our own kinds, each called as its model; the model says what is valid."""
PLURALS: Final = {model.__name__: f"{model.__name__.lower()}s" for model in OWN}
"""Our own kinds by what documents call them."""
MODELS: Final = {PLURALS[model.__name__]: model for model in OWN}

SECRET: Final = "Secret"
CONFIG_MAP: Final = "ConfigMap"
DATA: Final = {SECRET: "secrets", CONFIG_MAP: "configmaps"}
"""Kinds that only hold values for others: kept as files, one for each key, and watched by nobody."""

VERSIONS: Final = {**dict.fromkeys(MODELS, API_VERSION), PODS: CORE, QUOTAS: CORE}
"""The API version of each kind of object, by its plural."""
NOT_KEPT: Final = frozenset({PODS})
"""Processes end with whoever runs them, so nothing of them is left to be remembered."""
COUNTED: Final = frozenset({QUOTAS})
"""What their status says is counted anew by each process."""
