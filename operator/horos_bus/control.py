"""What the operator does on the bus, or a program that runs an agent by itself: lives, orders, work."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from horos_api.messages import Message, Verdict
from horos_api.resources import OperatingMode
from horos_bus.agent_view import AgentView
from horos_bus.approvals import Approval, Decided, Kind, approval, decided
from horos_bus.connection import Argument, Bus
from horos_bus.decoding import (
    dead_letter,
    inbox_message,
    mode_order,
    seconds,
    society_order,
    stretch,
    text,
    view,
)
from horos_bus.later import work_off
from horos_bus.operating import (
    BadOrder,
    Child,
    DayLimits,
    ModeOrder,
    Order,
    Place,
    Settled,
    SocietyOrder,
    Waiting,
)
from horos_bus.records import DeadLetter, Stretch

VIEWS_AT_ONCE: Final = 200
REQUEST_SECONDS: Final = 3600
LIMIT_SECONDS: Final = 3600
"""How long a limit is told that nobody tells again."""
ORDERS_AT_ONCE: Final = 1000
NO_LIMITS: Final = DayLimits()


class Control:
    """Orders about the agents of one namespace. Every order may be repeated."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def create(self, agent: str, uid: str, parent: str = "", root: str = "") -> str:
        """Begin a life: OK, SAME, or EXISTS when another uid has the name.

        `parent` is the agent that it is a child of, `root` the one at the top of their tree, whose budget
        counts what it uses ('' = it has no parent). Repeated for the same life it corrects these two.
        """
        return await self._order("create", agent, uid, parent, root)

    async def delete(self, agent: str, uid: str) -> str:
        """End a life and drop all its keys; whoever waits for an answer gets an error: OK or GONE."""
        return await self._order("delete", agent, uid)

    async def configure(  # noqa: PLR0913 - what is behind the star is rare
        self,
        agent: str,
        uid: str,
        generation: int,
        config: bytes,
        request_seconds: int = REQUEST_SECONDS,
        *,
        lifetime: str = "",
        limits: DayLimits = NO_LIMITS,
    ) -> str:
        """Project the spec: OK, SAME, OLD (a newer generation is stored) or GONE.

        `request_seconds` is how long the agent may owe an answer, and how long it waits for one. An agent
        with lifetime Task ends by itself when it has answered and neither owes nor waits for anything.
        `limits` hold for all that its descendants and it use in a day.
        """
        most = ("" if limit is None else limit for limit in (limits.tokens, limits.cost))
        words = (request_seconds * 1000, lifetime, *most)
        return await self._order("configure", agent, uid, generation, config, *words)

    async def reap(self, agent: str, token: str) -> str:
        """Clear the holder whose process is gone: OK, or NOOP when another token holds the agent."""
        return await self._order("reap", agent, token)

    async def ctl(self, agent: str, op: Literal["pause", "resume", "evict", "wake"]) -> str:
        """Suspend the agent, let it go on, ask its process to leave between turns, or want one for it.

        OK or NOAGENT.
        """
        return await self._order("ctl", agent, op, "")

    async def cancel(self, agent: str, turn: str) -> str:
        """End the open turn now: OK, NOTURN when it is not the open one (any more), NOAGENT."""
        return await self._order("ctl", agent, "cancel", turn)

    async def terminate(self, agent: str, uid: str) -> str:
        """End the agent for good and keep its contexts: OK, SAME, or GONE for another uid."""
        return await self._order("terminate", agent, uid)

    async def work_off_later(self) -> int:
        """Deliver what was delayed and is due, end the requests whose time is up; returns how many.

        A message whose receiver is full stays, and holds nobody up. Two callers at once do no harm. Raises
        BusError or ValueError for an entry that cannot be read, once all the others are worked off.
        """
        return await work_off(self._bus)

    async def approvals(self, agent: str) -> list[Approval]:
        """What people have to decide, or have decided and the agent has not acted on yet; oldest first."""
        keys = self._bus.keys
        kinds: tuple[tuple[Kind, str], ...] = (
            ("call", keys.approvals(agent)),
            ("elicitation", keys.elicitations(agent)),
        )
        found = [
            approval(text(name), kind, stored)
            for kind, key in kinds
            for name, stored in (await self._bus.command("HGETALL", key)).items()
        ]
        open_ones = [each for each in found if each.status != "withdrawn"]
        return sorted(open_ones, key=lambda each: (each.asked, each.id))

    async def decide(  # noqa: PLR0913 - what is behind the star is rare
        self, agent: str, approval_id: str, verdict: Verdict, who: str, *, reason: str = "", content: str = ""
    ) -> Decided:
        """Approve or deny, once; `content` is the JSON text of the values that a tool server asked for.

        Raises ValueError when `who` is empty, which stands for the deadline.
        """
        if not who:
            raise ValueError("who is empty: expected the name of whoever decides")
        words = (agent, approval_id, verdict, who, reason, content)
        return decided(approval_id, await self._bus.call("decide", words))

    async def servers(self, agent: str) -> bytes | None:
        """Read how the agent's tool servers are, as its process reported last; None = it did not."""
        found = await self._bus.command("GET", self._bus.keys.servers(agent))
        return None if found is None else bytes(found)

    async def dead_letters(self, agent: str, count: int = 100) -> list[DeadLetter]:
        """Read what was given up, the newest first."""
        found = await self._bus.command("XREVRANGE", self._bus.keys.dead(agent), "+", "-", "COUNT", count)
        return [dead_letter(entry) for entry in found]

    async def order(self, agent: str, uid: str, mode: OperatingMode) -> None:
        """Ask the operator to write the operating mode into the Agent's spec, some time soon."""
        await self._bus.command(
            "XADD", self._bus.keys.requests, "*", "agent", agent, "uid", uid, "mode", mode
        )

    async def orders(self) -> list[Order]:
        """Read what the gateway and agents ask of the operator and is not settled; of each the oldest first.

        An entry that nobody can read is a BadOrder and keeps none behind it from being read.
        """
        return [*await self.mode_orders(), *await self.society_orders()]

    async def mode_orders(self) -> list[ModeOrder | BadOrder]:
        """Those of the gateway."""
        asked = await self._bus.command("XRANGE", self._bus.keys.requests, "-", "+", "COUNT", ORDERS_AT_ONCE)
        return [mode_order(entry) for entry in asked]

    async def society_orders(self) -> list[SocietyOrder | BadOrder]:
        """Those of agents."""
        asked = await self._bus.command("XRANGE", self._bus.keys.orders, "-", "+", "COUNT", ORDERS_AT_ONCE)
        return [society_order(entry) for entry in asked]

    async def done(self, order: Order) -> None:
        """Forget an order that was carried out, or cannot be. An agent's is settled instead, if it waits."""
        of_agents = order.of_agents if isinstance(order, BadOrder) else isinstance(order, SocietyOrder)
        key = self._bus.keys.orders if of_agents else self._bus.keys.requests
        await self._bus.command("XDEL", key, order.id)

    async def settle(
        self, order: SocietyOrder, outcome: Literal["done", "refused"], text: str, child: Child | None = None
    ) -> Settled:
        """Answer an agent's order, once: `text` is for its model.

        `child`, whose keys must be there, is what an order to create an agent has made. If it has a task,
        that is its first message, and its answer is what the agent waits for now: `text` is for watchers.
        """
        born = (child.name, child.uid, child.task) if child else ("", "", "")
        words = (order.id, order.kind, order.agent, order.uid, order.mid, order.name, order.hops)
        answer = await self._bus.call("settle_order", [*words, outcome, text, *born])
        return Settled(answer.decode())

    async def agents(self) -> dict[str, str]:
        """All agents of the namespace: name to uid."""
        found = await self._bus.command("HGETALL", self._bus.keys.agents)
        return {text(name): text(uid) for name, uid in found.items()}

    async def view(self, agent: str) -> AgentView | None:
        """Look at one agent; None = the bus does not know it."""
        return (await self.views([agent])).get(agent)

    async def views(self, agents: Iterable[str]) -> dict[str, AgentView]:
        """Look at many agents; those that the bus does not know are left out."""
        names = list(agents)
        seen: dict[str, AgentView] = {}
        for start in range(0, len(names), VIEWS_AT_ONCE):
            part = names[start : start + VIEWS_AT_ONCE]
            for name, answer in zip(part, await self._bus.call("view", part), strict=True):
                if (found := view(name, answer)) is not None:
                    seen[name] = found
        return seen

    async def threads(self, agent: str) -> list[str]:
        """Threads that the agent has taken a turn in, by name."""
        return sorted(text(name) for name in await self._bus.command("HKEYS", self._bus.keys.threads(agent)))

    async def stretch(self, agent: str, thread: str, start: int = 0, count: int | None = None) -> Stretch:
        """Read so many records of a thread (None = all) from an absolute index on.

        They begin later when the older ones are no longer kept; none when there is no such thread.
        """
        if count is not None and count < 1:
            return Stretch(start, ())
        most = () if count is None else (count,)
        return stretch(await self._bus.call("context", [agent, thread, start, 1, *most]))

    async def offloaded(self, agent: str, thread: str, ref: str) -> bytes | None:
        """Read a long result of a tool, by the absolute index of its record; None = not kept (any more)."""
        found = await self._bus.command("HGET", self._bus.keys.results(agent, thread), ref)
        return None if found is None else bytes(found)

    async def length(self, agent: str, thread: str) -> int:
        """Absolute length of a thread: the index that its next record will have."""
        return int((await self._bus.call("context", [agent, thread, 0, 0]))[0])

    async def inbox(self, agent: str, count: int = 100) -> list[Message]:
        """Read the messages that wait for the agent, those of its open turn included, the oldest first."""
        found = await self._bus.command("XRANGE", self._bus.keys.inbox(agent), "-", "+", "COUNT", count)
        return [inbox_message(entry) for entry in found]

    async def work(self) -> list[Waiting]:
        """Agents that need a process, the one waiting longest first; those that have one are among them."""
        found = await self._bus.command("ZRANGE", self._bus.keys.work, 0, -1, "WITHSCORES")
        pairs = zip(found[::2], found[1::2], strict=True)
        return [Waiting(text(name), seconds(since)) for name, since in pairs]

    async def tell_queue(self, agents: Sequence[str]) -> None:
        """Tell people who waits for a slot, the next one first; writes only what is not told already.

        As long as somebody waits, agents that come to rest ring the doorbell, since they could make room. It
        rings, too, when somebody begins to wait: whoever rested before has not rung.
        """
        await self._bus.call("tell_queue", agents)

    async def queue(self) -> list[str]:
        """Who waits for a slot as the operator told it last, the next one first."""
        return [text(name) for name in await self._bus.command("ZRANGE", self._bus.keys.queue, 0, -1)]

    async def place(self, agent: str) -> Place | None:
        """Where an agent stands in the queue; None = it does not wait."""
        position, length = await self._bus.call("place", [agent])
        return Place(position, length) if position else None

    async def tell_limit(self, limit: int | None) -> None:
        """Tell people how many pods the namespace may have (None: any number), for LIMIT_SECONDS.

        Nobody is there to take it back where a pool goes while no operator runs.
        """
        name = self._bus.keys.limit
        if limit is None:
            await self._bus.command("DEL", name)
        else:
            await self._bus.command("SET", name, limit, "EX", LIMIT_SECONDS)

    async def limit(self) -> int | None:
        """How many pods the namespace may have, as the operator told it last; None = any number."""
        found = await self._bus.command("GET", self._bus.keys.limit)
        return None if found is None else int(found)

    async def dirty(self) -> list[str]:
        """Pop the agents whose status may have changed; look at each of them after this call."""
        marked = await self._bus.command("ZRANGE", self._bus.keys.dirty, 0, -1)
        if marked:
            await self._bus.command("ZREM", self._bus.keys.dirty, *marked)
        return [text(name) for name in marked]

    async def _order(self, script: str, agent: str, *args: Argument) -> str:
        return text(await self._bus.call(script, [agent, *args]))
