"""The routes: each parses, calls the backend and prints. The OpenAPI document is made from the same list."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from horos_api.resources import OperatingMode
from horos_gateway import inputs
from horos_gateway.auth import Authority, Verb
from horos_gateway.backend import Backend
from horos_gateway.bodies import (
    AcceptedBody,
    AgentDetailBody,
    AgentListBody,
    CancelBody,
    CancelledBody,
    DeadLettersBody,
    EventBody,
    InboxBody,
    MessageBody,
    OrderedBody,
    RecordsBody,
    ReplyBody,
)
from horos_gateway.decisions import Decisions
from horos_gateway.event_hub import EventHub, Topic
from horos_gateway.groups import Groups
from horos_gateway.metrics import Metrics
from horos_gateway.pool import Pool
from horos_gateway.sse import Watch, event_response

API: Final = "/api/v1"
NAMESPACE: Final = API + "/namespaces/{namespace}"
AGENTS: Final = NAMESPACE + "/agents"
AGENT: Final = AGENTS + "/{name}"


@dataclass(frozen=True)
class Services:
    """What every route may use; one object for each process."""

    authority: Authority
    backend: Backend
    decisions: Decisions
    pool: Pool
    groups: Groups
    hub: EventHub
    metrics: Metrics


Handler: TypeAlias = Callable[[Request, Services], Awaitable[Response]]


@dataclass(frozen=True)
class Operation:
    """One route and what the OpenAPI document says about it. `refusals` come besides 400, 401 and 503."""

    handler: Handler
    method: Literal["GET", "POST"]
    path: str
    verb: Verb
    answer: type[BaseModel]
    status: int = 200
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    body: type[BaseModel] | None = None
    body_required: bool = True
    refusals: tuple[int, ...] = ()
    streams: bool = False
    """Whether it answers with server-sent events, each with one `answer` as its data."""

    async def answer_to(self, request: Request, services: Services) -> Response:
        """Check the caller, then let the handler answer."""
        path = request.path_params
        name = path.get("name") or path.get("group", "")
        await services.authority.check(request.headers, self.verb, path["namespace"], name)
        inputs.refuse_unknown_queries(request, self.query)
        return await self.handler(request, services)


async def list_agents(request: Request, services: Services) -> Response:
    """List the agents of a namespace."""
    return json_response(await services.backend.agents(inputs.namespace_of(request)))


async def get_agent(request: Request, services: Services) -> Response:
    """Get one agent with its threads."""
    return json_response(await services.backend.agent(inputs.namespace_of(request), inputs.agent_of(request)))


async def send_message(request: Request, services: Services) -> Response:
    """Send a message to an agent. Repeat with the same Idempotency-Key when in doubt: it is taken once."""
    namespace, agent = inputs.namespace_of(request), inputs.agent_of(request)
    with services.metrics.sending() as accepted:
        mid = inputs.message_id_for(request, agent)
        message = await inputs.message_of(request)
        body = await services.backend.send(namespace, agent, mid, message)
        accepted(body.duplicate)
    return json_response(body, 202)


async def get_inbox(request: Request, services: Services) -> Response:
    """List the messages that wait for an agent, those of its open turn included, the oldest first."""
    namespace, agent = inputs.namespace_of(request), inputs.agent_of(request)
    return json_response(await services.backend.inbox(namespace, agent))


async def get_reply(request: Request, services: Services) -> Response:
    """Get the reply to a message: 404 `no-reply-yet` until it is there, 410 when there will be none."""
    namespace, agent = inputs.namespace_of(request), inputs.agent_of(request)
    return json_response(await services.backend.reply(namespace, agent, inputs.message_id_of(request)))


async def cancel_turn(request: Request, services: Services) -> Response:
    """End the turn that an agent is working on; whoever asked gets an error, what was said stays."""
    namespace, agent = inputs.namespace_of(request), inputs.agent_of(request)
    wanted = await inputs.cancel_of(request)
    return json_response(await services.backend.cancel(namespace, agent, wanted.run_id), 202)


async def suspend_agent(request: Request, services: Services) -> Response:
    """Let an agent finish its turn and give up its pod; its messages are kept."""
    return await _order(request, services, OperatingMode.SUSPENDED)


async def resume_agent(request: Request, services: Services) -> Response:
    """Let a suspended agent go on."""
    return await _order(request, services, OperatingMode.RUNNING)


async def terminate_agent(request: Request, services: Services) -> Response:
    """End an agent for good; what it said can be read until its Agent is deleted."""
    return await _order(request, services, OperatingMode.TERMINATED)


async def _order(request: Request, services: Services, mode: OperatingMode) -> Response:
    namespace, agent = inputs.namespace_of(request), inputs.agent_of(request)
    return json_response(await services.backend.order(namespace, agent, mode), 202)


async def get_dead_letters(request: Request, services: Services) -> Response:
    """List the messages that an agent has given up, the newest first."""
    namespace, agent = inputs.namespace_of(request), inputs.agent_of(request)
    return json_response(await services.backend.dead_letters(namespace, agent))


async def get_records(request: Request, services: Services) -> Response:
    """Read the context of one thread, or its newest part, and where its events go on."""
    namespace, agent = inputs.namespace_of(request), inputs.agent_of(request)
    thread, span = inputs.thread_in_path(request), inputs.span_of(request)
    return json_response(await services.backend.records(namespace, agent, thread, span))


async def watch_events(request: Request, services: Services) -> Response:
    """Stream the events of an agent, of one thread or all, as they happen."""
    watch = Watch(
        topic=Topic(inputs.namespace_of(request), inputs.agent_of(request)),
        thread=inputs.thread_in_query(request),
        after=inputs.after_of(request),
    )
    return await event_response(watch, services.backend, services.hub, services.metrics)


def json_response(body: BaseModel, status: int = 200) -> Response:
    """Print a body in camelCase."""
    return Response(orjson.dumps(body.model_dump(by_alias=True)), status, media_type="application/json")


OPERATIONS: Final = (
    Operation(list_agents, "GET", AGENTS, Verb.WATCH, AgentListBody),
    Operation(get_agent, "GET", AGENT, Verb.WATCH, AgentDetailBody, refusals=(404,)),
    Operation(
        send_message,
        "POST",
        f"{AGENT}/messages",
        Verb.TALK,
        AcceptedBody,
        202,
        headers=("Idempotency-Key",),
        body=MessageBody,
        refusals=(404, 410, 413, 415, 429),
    ),
    Operation(get_inbox, "GET", f"{AGENT}/messages", Verb.WATCH, InboxBody, refusals=(404,)),
    Operation(
        cancel_turn,
        "POST",
        f"{AGENT}/cancel",
        Verb.TALK,
        CancelledBody,
        202,
        body=CancelBody,
        body_required=False,
        refusals=(404, 409, 413, 415),
    ),
    Operation(suspend_agent, "POST", f"{AGENT}/suspend", Verb.CONTROL, OrderedBody, 202, refusals=(404, 410)),
    Operation(resume_agent, "POST", f"{AGENT}/resume", Verb.CONTROL, OrderedBody, 202, refusals=(404, 410)),
    Operation(terminate_agent, "POST", f"{AGENT}/terminate", Verb.CONTROL, OrderedBody, 202, refusals=(404,)),
    Operation(get_dead_letters, "GET", f"{AGENT}/dead-letters", Verb.WATCH, DeadLettersBody, refusals=(404,)),
    Operation(get_reply, "GET", f"{AGENT}/messages/{{id}}/reply", Verb.WATCH, ReplyBody, refusals=(404, 410)),
    Operation(
        get_records,
        "GET",
        f"{AGENT}/threads/{{thread}}/records",
        Verb.WATCH,
        RecordsBody,
        query=("start", "before", "limit"),
        refusals=(404,),
    ),
    Operation(
        watch_events,
        "GET",
        f"{AGENT}/events",
        Verb.WATCH,
        EventBody,
        query=("thread", "after"),
        headers=("Last-Event-ID",),
        refusals=(404,),
        streams=True,
    ),
)
