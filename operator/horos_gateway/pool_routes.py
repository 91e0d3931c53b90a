"""The routes about processes: wake an agent, let it hibernate, see the pool and its queue."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from horos_gateway import inputs
from horos_gateway.auth import Verb
from horos_gateway.bodies import AgentBody
from horos_gateway.pool_bodies import PoolBody
from horos_gateway.routes import AGENT, NAMESPACE, Operation, Services, json_response


async def wake_agent(request: Request, services: Services) -> Response:
    """Have an agent get a process, work or not; in a full pool it waits in the queue. Repeatable."""
    namespace, agent = inputs.namespace_of(request), inputs.agent_of(request)
    return json_response(await services.pool.wake(namespace, agent), 202)


async def hibernate_agent(request: Request, services: Services) -> Response:
    """Have an agent's process leave, after its turn if one is open; the next message wakes it. Repeatable."""
    namespace, agent = inputs.namespace_of(request), inputs.agent_of(request)
    return json_response(await services.pool.hibernate(namespace, agent), 202)


async def get_pool(request: Request, services: Services) -> Response:
    """Read the pool of a namespace: its limit, who is resident, and who waits in which order."""
    return json_response(await services.pool.of_namespace(inputs.namespace_of(request)))


POOL_OPERATIONS: Final = (
    Operation(wake_agent, "POST", f"{AGENT}/wake", Verb.CONTROL, AgentBody, 202, refusals=(404, 409, 410)),
    Operation(
        hibernate_agent, "POST", f"{AGENT}/hibernate", Verb.CONTROL, AgentBody, 202, refusals=(404, 409, 410)
    ),
    Operation(get_pool, "GET", f"{NAMESPACE}/pool", Verb.WATCH, PoolBody),
)
