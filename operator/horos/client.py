"""What a person asks of the gateway, over either transport: agents, messages, replies, events."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

from horos.errors import CannotReachError, NotFoundError
from horos.sse import Comment, SseParser
from horos.transport import Transport

UNREACHABLE_SECONDS: Final = 60.0
"""How long a broken connection is tried again before the command gives up."""
SILENT_SECONDS: Final = 50.0
"""How long a stream may be silent; the gateway gives a sign of life every 15 s."""
CAUGHT_UP: Final = "caught up"
"""The gateway's comment where the events of the past end."""
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Sent:
    """A message that the gateway took: `after` is the last event before it, to watch from."""

    id: str
    thread: str
    duplicate: bool
    after: str


@dataclass(frozen=True)
class WatchedEvent:
    """One event of an agent's stream with its id."""

    id: str
    event: dict[str, Any]


@dataclass(frozen=True)
class Quiet:
    """The gateway's sign of life while nothing happens; `caught_up` where the events of the past end."""

    caught_up: bool = False


@dataclass(frozen=True)
class Interruption:
    """The connection broke or was ended by the server; the stream goes on after `seconds`, without a gap."""

    cause: str
    seconds: float


class GatewayClient:
    """One namespace of a gateway. Every method raises a HorosError when it cannot do its work."""

    def __init__(self, transport: Transport, namespace: str) -> None:
        self._transport = transport
        self._namespace = f"/namespaces/{quote(namespace, safe='')}"
        self._agents = f"{self._namespace}/agents"
        self._groups = f"{self._namespace}/groups"

    async def agents(self) -> list[dict[str, Any]]:
        """List the agents of the namespace."""
        listed = await self._transport.request("GET", self._agents, None, {})
        items: list[dict[str, Any]] = listed["items"]
        return items

    async def agent(self, name: str) -> dict[str, Any]:
        """Get one agent with its threads."""
        found: dict[str, Any] = await self._transport.request("GET", self._of(name), None, {})
        return found

    async def send(self, name: str, text: str, thread: str | None, key: str, delay_seconds: int = 0) -> Sent:
        """Send a message. `key` makes it safe to repeat, which is done when the connection breaks."""
        body: dict[str, Any] = {"text": text}
        body |= {"thread": thread} if thread else {}
        body |= {"delaySeconds": delay_seconds} if delay_seconds else {}
        return _sent(await self._repeated(self._of(name) + "/messages", body, {"Idempotency-Key": key}))

    async def reply(self, name: str, message: str) -> str | None:
        """Get the text of the reply to a message, or None while there is none.

        Raises RefusedError when there will be none, because the agent was deleted.
        """
        path = f"{self._of(name)}/messages/{quote(message, safe='')}/reply"
        try:
            reply = await self._transport.request("GET", path, None, {})
        except NotFoundError:
            return None
        return str(reply["text"])

    async def cancel(self, name: str, run: str | None = None) -> str:
        """End the open turn, or the one named; returns its run id. RefusedError when it is not open."""
        body = {"runId": run} if run else {}
        answer = await self._transport.request("POST", self._of(name) + "/cancel", body, {})
        return str(answer["runId"])

    async def order(self, name: str, what: Literal["suspend", "resume", "terminate"]) -> None:
        """Ask for another operating mode; the operator writes it into the spec."""
        await self._transport.request("POST", f"{self._of(name)}/{what}", None, {})

    async def wake(self, name: str) -> dict[str, Any]:
        """Have the agent get a process; returns how it stands then. RefusedError when it may have none."""
        stands: dict[str, Any] = await self._transport.request("POST", self._of(name) + "/wake", None, {})
        return stands

    async def hibernate(self, name: str) -> dict[str, Any]:
        """Have the agent's process leave between turns; returns how it stands then.

        RefusedError when it has none and waits for one, or is suspended.
        """
        stands: dict[str, Any] = await self._transport.request(
            "POST", self._of(name) + "/hibernate", None, {}
        )
        return stands

    async def pool(self) -> dict[str, Any]:
        """Read who has a process in the namespace, and who waits for one."""
        found: dict[str, Any] = await self._transport.request("GET", self._namespace + "/pool", None, {})
        return found

    async def tree(self) -> list[dict[str, Any]]:
        """List the agents of the namespace by their families, each behind its parent."""
        listed = await self._transport.request("GET", self._namespace + "/tree", None, {})
        items: list[dict[str, Any]] = listed["items"]
        return items

    async def dead_letters(self, name: str) -> list[dict[str, Any]]:
        """List what the agent has given up, the newest first."""
        listed = await self._transport.request("GET", self._of(name) + "/dead-letters", None, {})
        items: list[dict[str, Any]] = listed["items"]
        return items

    async def servers(self, name: str) -> dict[str, Any]:
        """Read how the agent's tool servers are: `at`, `resident`, `configured` and `items`."""
        found: dict[str, Any] = await self._transport.request("GET", self._of(name) + "/servers", None, {})
        return found

    async def approvals(self, name: str | None) -> list[dict[str, Any]]:
        """List what waits for people in the namespace, or all that is open of one agent, oldest first."""
        where = self._of(name) if name else self._namespace
        listed = await self._transport.request("GET", where + "/approvals", None, {})
        items: list[dict[str, Any]] = listed["items"]
        return items

    async def decide(self, name: str, decision: dict[str, Any]) -> dict[str, Any]:
        """Approve or deny; the same decision again is taken once, so a broken connection is tried again.

        NotFoundError when nothing of this id waits, RefusedError when somebody decided otherwise.
        """
        return await self._repeated(self._of(name) + "/approvals/decide", decision, {})

    async def records(self, name: str, thread: str, last: int | None) -> dict[str, Any]:
        """Read the newest records of a thread, `last` of them or all: `start`, `next` and `items`."""
        path = f"{self._of(name)}/threads/{quote(thread, safe='')}/records"
        asked = f"?{urlencode({'limit': last})}" if last else ""
        found: dict[str, Any] = await self._transport.request("GET", path + asked, None, {})
        return found

    async def groups(self) -> list[dict[str, Any]]:
        """List the groups of the namespace."""
        listed = await self._transport.request("GET", self._groups, None, {})
        items: list[dict[str, Any]] = listed["items"]
        return items

    async def group(self, name: str) -> dict[str, Any]:
        """Get one group, `@name`, with its members."""
        found: dict[str, Any] = await self._transport.request("GET", self._of(name), None, {})
        return found

    async def post(self, name: str, text: str, who: str, key: str) -> dict[str, Any]:
        """Post a message to a group, `@name`; returns whom it woke. `key` makes it safe to repeat."""
        body = {"text": text, **({"who": who} if who else {})}
        return await self._repeated(self._of(name) + "/messages", body, {"Idempotency-Key": key})

    async def messages(self, name: str, last: int) -> dict[str, Any]:
        """Read the newest messages of a group, `@name`: `items`, `oldest` and `newest` (ids)."""
        asked = urlencode({"limit": max(1, last)})
        found: dict[str, Any] = await self._transport.request(
            "GET", f"{self._of(name)}/messages?{asked}", None, {}
        )
        return found

    async def events(
        self, name: str, thread: str | None = None, after: str | None = None
    ) -> AsyncGenerator[WatchedEvent | Quiet | Interruption]:
        """Watch an agent, of one thread or all, or a group, `@name`.

        `after` None means from now on, `"0"` from the oldest kept.

        A broken connection is resumed after the last event seen, and told as an Interruption. Ends when
        the agent is gone; raises CannotReachError after a minute without a connection.
        """
        last, failures, down_since = after, 0, 0.0
        now = asyncio.get_running_loop().time
        while True:
            cause = "the server ended the stream"
            try:
                async with aclosing(self._connection(name, thread, last)) as stream:
                    async for event in stream:
                        failures = 0
                        if isinstance(event, WatchedEvent):
                            last = event.id or last
                        yield event
                        if isinstance(event, WatchedEvent) and event.event.get("name") == "deleted":
                            return
            except CannotReachError as error:
                cause = str(error)
                if failures and now() - down_since > UNREACHABLE_SECONDS:
                    raise
            down_since = down_since if failures else now()
            seconds = _PAUSES[min(failures, len(_PAUSES) - 1)]
            failures += 1
            yield Interruption(cause, seconds)
            await asyncio.sleep(seconds)

    async def kept_events(
        self, name: str, thread: str | None = None, after: str = "0"
    ) -> AsyncGenerator[WatchedEvent]:
        """Yield the events that are there and end. Raises CannotReachError when the connection breaks."""
        async with aclosing(self._connection(name, thread, after)) as stream:
            async for seen in stream:
                if isinstance(seen, WatchedEvent):
                    yield seen
                elif seen.caught_up:
                    return

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()

    async def _connection(
        self, name: str, thread: str | None, after: str | None
    ) -> AsyncGenerator[WatchedEvent | Quiet]:
        asked = {key: value for key, value in (("thread", thread), ("after", after)) if value is not None}
        path = self._of(name) + "/events" + (f"?{urlencode(asked)}" if asked else "")
        parser = SseParser()
        async with aclosing(self._transport.stream(path, {"Accept": "text/event-stream"})) as chunks:
            while chunk := await _next_chunk(chunks):
                for part in parser.feed(chunk):
                    if isinstance(part, Comment):
                        yield Quiet(caught_up=part.text == CAUGHT_UP)
                    else:
                        yield WatchedEvent(part.id, json.loads(part.data))

    async def _repeated(self, path: str, body: object, headers: dict[str, str]) -> dict[str, Any]:
        """Ask for what is done once however often it is asked for; a broken connection is tried again."""
        for pause in _PAUSES[:3]:
            try:
                return dict(await self._transport.request("POST", path, body, headers))
            except CannotReachError:
                await asyncio.sleep(pause)
        return dict(await self._transport.request("POST", path, body, headers))

    def _of(self, name: str) -> str:
        if name.startswith("@"):
            return f"{self._groups}/{quote(name[1:], safe='')}"
        return f"{self._agents}/{quote(name, safe='')}"


async def _next_chunk(chunks: AsyncGenerator[bytes]) -> bytes:
    """Wait for more bytes, b"" at the end; a gateway that gives no sign of life for long is gone."""
    try:
        async with asyncio.timeout(SILENT_SECONDS):
            return await anext(chunks, b"")
    except TimeoutError as error:
        raise CannotReachError(f"the gateway was silent for {SILENT_SECONDS:.0f} s") from error


def _sent(answer: dict[str, Any]) -> Sent:
    return Sent(answer["id"], answer["thread"], answer["duplicate"], answer["after"])
