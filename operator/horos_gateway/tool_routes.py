"""The routes about tools: servers, and what people are asked before a call or in the middle of one."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from horos_gateway import inputs
from horos_gateway.auth import Verb
from horos_gateway.decision_bodies import ApprovalBody, ApprovalsBody, DecisionBody
from horos_gateway.routes import AGENT, NAMESPACE, Operation, Services, json_response
from horos_gateway.server_bodies import ServersBody


async def get_servers(request: Request, services: Services) -> Response:
    """List an agent's tool servers as its process saw them last: state, tools, last error."""
    namespace, agent = inputs.namespace_of(request), inputs.agent_of(request)
    return json_response(await services.backend.servers(namespace, agent))


async def list_approvals(request: Request, services: Services) -> Response:
    """List all that waits for a person's decision in a namespace, the oldest first."""
    return json_response(await services.decisions.undecided(inputs.namespace_of(request)))


async def get_approvals(request: Request, services: Services) -> Response:
    """List what an agent waits for, and what was decided that it has not acted on yet, the oldest first."""
    namespace, agent = inputs.namespace_of(request), inputs.agent_of(request)
    return json_response(await services.decisions.of_agent(namespace, agent))


async def decide(request: Request, services: Services) -> Response:
    """Approve or deny a call, or answer a tool server; 409 `already-decided` says who was first, and how."""
    namespace, agent = inputs.namespace_of(request), inputs.agent_of(request)
    wanted = await inputs.decision_of(request, agent)
    return json_response(await services.decisions.decide(namespace, agent, wanted))


TOOL_OPERATIONS: Final = (
    Operation(get_servers, "GET", f"{AGENT}/servers", Verb.WATCH, ServersBody, refusals=(404,)),
    Operation(list_approvals, "GET", f"{NAMESPACE}/approvals", Verb.WATCH, ApprovalsBody),
    Operation(get_approvals, "GET", f"{AGENT}/approvals", Verb.WATCH, ApprovalsBody, refusals=(404,)),
    Operation(
        decide,
        "POST",
        f"{AGENT}/approvals/decide",
        Verb.DECIDE,
        ApprovalBody,
        body=DecisionBody,
        refusals=(404, 409, 410, 413, 415),
    ),
)
