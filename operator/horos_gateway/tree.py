"""Who descends from whom, as the bus knows it: the asking, and a pure function of what it says."""

from collections.abc import Mapping, Sequence

from horos_api.budgets import TreeDay, day_of
from horos_bus.agent_view import AgentView
from horos_bus.operating import Place
from horos_gateway.agent_bodies import agent_fields, moment
from horos_gateway.backend import Backend, places_of
from horos_gateway.tree_bodies import RelativeBody, TreeBody


async def tree_of(backend: Backend, namespace: str, now: float) -> TreeBody:
    """Read the families of a namespace, none when there is no such namespace. Raises BusError."""
    control = backend.control(namespace)
    views = await control.views(sorted(await control.agents()))
    return tree_body(views, places_of(await control.queue()), now)


def tree_body(views: Mapping[str, AgentView], places: Mapping[str, Place], now: float) -> TreeBody:
    """Put them in the order of their families; `now` in seconds since the epoch."""
    children: dict[str, list[str]] = {name: [] for name in views}
    for name, view in sorted(views.items()):
        if view.parent in children:
            children[view.parent].append(name)
    tops = [name for name, view in sorted(views.items()) if view.parent not in views]
    # Whose parents run in a circle hangs below nobody: those come last.
    listed = _in_order([*tops, *sorted(views)], children)
    return TreeBody(items=[_relative(views[name], places.get(name), children[name], now) for name in listed])


def _in_order(tops: Sequence[str], children: Mapping[str, Sequence[str]]) -> list[str]:
    """List each name once, behind it all that is below it; families may be of any depth."""
    listed: dict[str, None] = {}
    waiting = list(reversed(tops))
    while waiting:
        name = waiting.pop()
        if name not in listed:
            listed[name] = None
            waiting += reversed(children[name])
    return list(listed)


def _relative(view: AgentView, place: Place | None, children: list[str], now: float) -> RelativeBody:
    used = TreeDay.of(view.usage.today, view.usage.descendants)
    return RelativeBody(
        **agent_fields(view, place),
        parent=view.parent,
        root=view.root,
        children=children,
        ended_at=moment(view.ended),
        family_tokens_today=used.tokens if used.day >= day_of(now) else 0,
    )
