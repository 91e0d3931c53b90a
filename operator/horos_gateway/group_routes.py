"""The routes about groups: list them, post to one, read and watch what is said there."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from horos_gateway import inputs
from horos_gateway.auth import Verb
from horos_gateway.bodies import EventBody
from horos_gateway.event_hub import Topic
from horos_gateway.group_bodies import (
    GroupDetailBody,
    GroupListBody,
    GroupMessageBody,
    GroupPostedBody,
    GroupPostsBody,
)
from horos_gateway.routes import NAMESPACE, Operation, Services, json_response
from horos_gateway.sse import EventResponse, Watch

GROUPS: Final = NAMESPACE + "/groups"
GROUP: Final = GROUPS + "/{group}"


async def list_groups(request: Request, services: Services) -> Response:
    """List the groups of a namespace."""
    return json_response(await services.groups.of_namespace(inputs.namespace_of(request)))


async def get_group(request: Request, services: Services) -> Response:
    """Get one group with its members and what each has not read."""
    return json_response(await services.groups.one(inputs.namespace_of(request), inputs.group_of(request)))


async def post_message(request: Request, services: Services) -> Response:
    """Post a message to a group. Repeat with the same Idempotency-Key when in doubt: it is taken once."""
    namespace, group = inputs.namespace_of(request), inputs.group_of(request)
    with services.metrics.sending() as accepted:
        mid = inputs.message_id_for(request, f"@{group}")
        message = await inputs.group_message_of(request)
        body = await services.groups.post(namespace, group, mid, message)
        accepted(body.duplicate)
    return json_response(body, 202)


async def get_messages(request: Request, services: Services) -> Response:
    """Read messages of a group: the newest, those before a place, or those behind one."""
    namespace, group = inputs.namespace_of(request), inputs.group_of(request)
    return json_response(await services.groups.messages(namespace, group, inputs.page_of(request)))


async def watch_group(request: Request, services: Services) -> Response:
    """Stream the messages of a group as they are posted, each as a CUSTOM event `post`."""
    namespace, group = inputs.namespace_of(request), inputs.group_of(request)
    newest = (await services.groups.view(namespace, group)).last
    topic = Topic(namespace, group, is_group=True)
    watch = Watch(topic, None, inputs.place_after_of(request))
    return EventResponse(watch, services.backend.stream_of(topic), services.hub, newest, services.metrics)


GROUP_OPERATIONS: Final = (
    Operation(list_groups, "GET", GROUPS, Verb.WATCH, GroupListBody),
    Operation(get_group, "GET", GROUP, Verb.WATCH, GroupDetailBody, refusals=(404,)),
    Operation(
        post_message,
        "POST",
        f"{GROUP}/messages",
        Verb.TALK,
        GroupPostedBody,
        202,
        headers=("Idempotency-Key",),
        body=GroupMessageBody,
        refusals=(404, 413, 415),
    ),
    Operation(
        get_messages,
        "GET",
        f"{GROUP}/messages",
        Verb.WATCH,
        GroupPostsBody,
        query=("after", "before", "limit"),
        refusals=(404,),
    ),
    Operation(
        watch_group,
        "GET",
        f"{GROUP}/events",
        Verb.WATCH,
        EventBody,
        query=("after",),
        headers=("Last-Event-ID",),
        refusals=(404,),
        streams=True,
    ),
)
