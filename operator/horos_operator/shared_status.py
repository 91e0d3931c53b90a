"""Tells the status of what agents share, ModelConfigs and ToolServers, where it differs."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from horos_operator.cluster import Cluster, OutdatedError, RefusedError
from horos_operator.model_configs import model_config_status
from horos_operator.observe import Caches
from horos_operator.shared_objects import SharedFacts, SpecT
from horos_operator.tool_server_status import tool_server_status

Write: TypeAlias = Callable[[SharedFacts[SpecT], Mapping[str, Any]], Awaitable[SharedFacts[SpecT]]]


async def tell_shared(cluster: Cluster, caches: Caches, now: float) -> None:
    """Write the status of each ModelConfig and ToolServer where it differs.

    One that is refused keeps no other from it: the first RefusedError is raised at the end, any other
    ClusterError at once.
    """
    failures: list[RefusedError] = []
    for config, users in caches.configs_with_users():
        wanted = model_config_status(config, users, now)
        try:
            await _tell(config, wanted, cluster.write_model_config_status, caches.put_config)
        except RefusedError as error:
            failures.append(error)
    for server, users, heard in caches.servers_with_users():
        wanted = tool_server_status(server, users, heard, now)
        try:
            await _tell(server, wanted, cluster.write_tool_server_status, caches.put_server)
        except RefusedError as error:
            failures.append(error)
    if failures:
        raise failures[0]


async def _tell(
    seen: SharedFacts[SpecT],
    wanted: Mapping[str, Any],
    write: Write[SpecT],
    remember: Callable[[SharedFacts[SpecT]], object],
) -> None:
    if wanted == seen.status:
        return
    try:
        remember(await write(seen, wanted))
    except OutdatedError:
        return  # it is gone or another one: its own events tell the rest
