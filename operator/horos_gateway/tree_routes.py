"""The route about families."""

import time
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from horos_gateway import inputs
from horos_gateway.auth import Verb
from horos_gateway.routes import NAMESPACE, Operation, Services, json_response
from horos_gateway.tree import tree_of
from horos_gateway.tree_bodies import TreeBody


async def get_tree(request: Request, services: Services) -> Response:
    """Read who descends from whom: the agents of a namespace, each behind its parent."""
    namespace = inputs.namespace_of(request)
    return json_response(await tree_of(services.backend, namespace, time.time()))


TREE_OPERATIONS: Final = (Operation(get_tree, "GET", f"{NAMESPACE}/tree", Verb.WATCH, TreeBody),)
