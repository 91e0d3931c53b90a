"""What the commands do once they are connected: ask the gateway and print."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, Final, Literal

from horos.client import Interruption, Sent, WatchedEvent
from horos.conversation import Exchange, follow, new_key
from horos.errors import NotFoundError, TimedOutError
from horos.event_lines import event_line, worth_telling
from horos.history_lines import history_lines
from horos.options import Document, Lines, Output, Part, Question, Watch
from horos.places import Places
from horos.readiness import known_agent, manifests_of, why_waiting
from horos.session import Session
from horos.tables import agents_table, dead_letters_table, description
from horos.terminal import Terminal
from horos.tool_tables import approval_rows, server_rows

_EVENTS_DESCRIBED = 10
_LOOK_SECONDS: Final = 0.3


async def list_agents(session: Session, output: Output) -> None:
    """Print the agents of the session's namespace."""
    terminal = Terminal()
    found = await session.client.agents()
    if terminal.document(found, output):
        return
    manifests = await manifests_of(session)
    if found or manifests:
        terminal.table(agents_table(found, manifests, time.time()))
    else:
        terminal.note(f"no agents in namespace {session.namespace}")


async def send_message(session: Session, question: Question, output: Lines) -> None:
    """Send a message and say how to find its answer."""
    terminal = Terminal()
    live, sent = await _hand_in(session, question)
    if output == Lines.JSON:
        terminal.json(asdict(sent))
        return
    again = " (again: it was taken before)" if sent.duplicate else ""
    terminal.note(f"{question.agent} has message {sent.id} in thread {sent.thread}{again}")
    places = Places(question.agent, terminal.note)
    if why := await why_waiting(session, live):
        places.cannot(why)
    else:
        places.see(live)


async def ask(session: Session, question: Question, seconds: float, output: Lines) -> None:
    """Send a message, show the answer while it is made, and end with it."""
    terminal = Terminal()
    live, sent = await _hand_in(session, question)
    places = Places(question.agent, terminal.note)
    if why := await why_waiting(session, live):
        places.cannot(why)
    show = terminal.show if output == Lines.TEXT else lambda piece: None
    reply = await follow(session, Exchange.of(question.agent, sent), show, places, seconds)
    terminal.end_line()
    if output == Lines.JSON:
        terminal.json({**asdict(sent), "text": reply})


async def print_events(session: Session, watch: Watch, output: Lines) -> None:
    """Print the events of an agent, those that are there or all that come, one per line."""
    terminal = Terminal()
    await known_agent(session, watch.agent)  # a name that is wrong is told at once
    if watch.follow:
        stream: Any = session.client.events(watch.agent, watch.thread, watch.after)
    else:
        stream = session.client.kept_events(watch.agent, watch.thread, watch.after or "0")
    async with aclosing(stream) as events:
        async for seen in events:
            if isinstance(seen, Interruption):
                terminal.note(f"{seen.cause}; trying again in {seen.seconds:g} s")
            elif isinstance(seen, WatchedEvent) and output == Lines.JSON:
                terminal.json({**seen.event, "eventId": seen.id}, indent=None)
            elif isinstance(seen, WatchedEvent):
                terminal.line(event_line(seen.id, seen.event))


async def describe_agent(session: Session, agent: str, output: Output) -> None:
    """Print what is asked for (from the API server, if there is one), what it does, what happened last."""
    terminal = Terminal()
    manifest = await _manifest(session, agent)
    live, events, servers, approvals = None, [], None, []
    try:
        live = await session.client.agent(agent)
        servers = await session.client.servers(agent)
        approvals = await session.client.approvals(agent)
        async with aclosing(session.client.kept_events(agent)) as stream:
            events = worth_telling([(seen.id, seen.event) async for seen in stream], _EVENTS_DESCRIBED)
    except NotFoundError:
        # An Agent that is new, or that the operator cannot carry out, has only its conditions to tell.
        if manifest is None:
            raise
    told = [{**event, "eventId": at} for at, event in events]
    asked = {"servers": servers, "approvals": approvals}
    if terminal.document({"agent": manifest, "live": live, **asked, "events": told}, output):
        return
    now = time.time()
    more = {
        "Tool servers": server_rows(servers, now) if servers else [],
        "Decisions of people": approval_rows(approvals),
    }
    terminal.table(description(live, manifest, [event_line(at, event) for at, event in events], more, now))


async def cancel_turn(session: Session, agent: str, run: str | None) -> None:
    """End what an agent is doing now."""
    found = await session.client.cancel(agent, run)
    Terminal().note(f"{agent}: turn {found} is cancelled; whoever asked is told")


async def change_mode(
    session: Session, agent: str, what: Literal["suspend", "resume", "terminate"], seconds: float
) -> None:
    """Ask for another operating mode, and wait until it holds, for `seconds` at most (0: do not wait)."""
    terminal = Terminal()
    await session.client.order(agent, what)
    wanted = {"suspend": {"paused"}, "resume": {"idle", "running", "error"}, "terminate": {"terminated"}}[
        what
    ]
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while (state := (await session.client.agent(agent))["state"]) not in wanted:
        if not seconds:
            terminal.note(f"{agent} is {state}; the operator was asked to {what} it")
            return
        if clock() >= deadline:
            raise TimedOutError(f"{agent} is still {state} after {seconds:g} s; is the operator running?")
        await asyncio.sleep(_LOOK_SECONDS)
    terminal.note(f"{agent} is {state}")


async def list_dead_letters(session: Session, agent: str, output: Output) -> None:
    """Print the messages that an agent has given up."""
    terminal = Terminal()
    found = await session.client.dead_letters(agent)
    if terminal.document(found, output):
        return
    if found:
        terminal.table(dead_letters_table(found))
    else:
        terminal.note(f"{agent} has given up no message")


async def print_history(session: Session, part: Part, output: Document) -> None:
    """Print what was said in a conversation, and how its older parts are summed up."""
    terminal = Terminal()
    await known_agent(session, part.agent)
    found = await session.client.records(part.agent, part.thread, part.limit or None)
    if terminal.document(found, output):
        return
    if lines := history_lines(part.agent, found):
        for line in lines:
            terminal.line(line)
    else:
        terminal.note(f"nothing was said in thread {part.thread} of {part.agent}")


async def _hand_in(session: Session, question: Question) -> tuple[dict[str, Any], Sent]:
    live = await known_agent(session, question.agent)
    key = question.key or new_key()
    client = session.client
    return live, await client.send(question.agent, question.text, question.thread, key, question.delay)


async def _manifest(session: Session, agent: str) -> dict[str, Any] | None:
    if session.kube is None:
        return None
    # Only needed on the way that has loaded the Kubernetes client already.
    from horos.proxy import read_agent  # noqa: PLC0415

    return await read_agent(session.kube, session.namespace, agent)
