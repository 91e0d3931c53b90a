"""Tells the status of what agents share, ModelConfigs and ToolServers, where it differs."""

from horos_operator.cluster import Cluster, OutdatedError
from horos_operator.model_configs import model_config_status
from horos_operator.observe import Caches
from horos_operator.tool_server_status import tool_server_status


async def tell_shared(cluster: Cluster, caches: Caches, now: float) -> None:
    """Write the status of each ModelConfig and ToolServer where it differs. Raises ClusterError."""
    await _tell_model_configs(cluster, caches, now)
    await _tell_tool_servers(cluster, caches, now)


async def _tell_model_configs(cluster: Cluster, caches: Caches, now: float) -> None:
    for config, users in caches.configs_with_users():
        wanted = model_config_status(config, users, now)
        if wanted == config.status:
            continue
        try:
            caches.put_config(await cluster.write_model_config_status(config, wanted))
        except OutdatedError:
            continue  # it is gone or another one: its own events tell the rest


async def _tell_tool_servers(cluster: Cluster, caches: Caches, now: float) -> None:
    for server, users, heard in caches.servers_with_users():
        wanted = tool_server_status(server, users, heard, now)
        if wanted == server.status:
            continue
        try:
            caches.put_server(await cluster.write_tool_server_status(server, wanted))
        except OutdatedError:
            continue  # it is gone or another one: its own events tell the rest
