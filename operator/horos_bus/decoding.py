"""Between scripts and records. Redis speaks bytes; names and bodies become text here."""

from collections.abc import Mapping, Sequence
from typing import Any

from horos_api.agent_state import AgentState
from horos_api.messages import Message, MessageKind, Verdict
from horos_api.resources import OperatingMode
from horos_bus.agent_view import AgentView
from horos_bus.connection import BusError
from horos_bus.operating import BadOrder, ModeOrder, OrderKind, SocietyOrder
from horos_bus.records import (
    Charge,
    Charged,
    DayUsage,
    DeadLetter,
    Effect,
    FencedError,
    GoneError,
    Idle,
    Leave,
    LostError,
    Next,
    StaleError,
    Standing,
    Stretch,
    TotalUsage,
    Turn,
)


def text(value: bytes) -> str:
    """Decode UTF-8; a foreign program's broken bytes must not stop the reader."""
    return value.decode("utf-8", errors="replace")


def seconds(milliseconds: str | bytes | int | float) -> float:
    """Seconds since 1970, of the milliseconds that scripts write."""
    return float(milliseconds) / 1000


def fields(flat: Sequence[bytes]) -> dict[str, str]:
    """Decode a flat list of names and values."""
    return {text(flat[i]): text(flat[i + 1]) for i in range(0, len(flat), 2)}


def checked(answer: Sequence[Any], agent: str) -> Sequence[Any]:
    """Return a script's answer, or raise what it says: FENCED, LOST, GONE, STALE."""
    match answer[0]:
        case b"FENCED":
            holder = text(answer[1]) or "nobody"
            raise FencedError(f"agent {agent} is held by {holder}, no longer by this process")
        case b"LOST":
            raise LostError(f"the turn of agent {agent} is not the one that this process remembers")
        case b"GONE":
            raise GoneError(f"agent {agent} has no such life on the bus: it was deleted or never created")
        case b"STALE":
            raise StaleError(
                f"agent {agent} was claimed meanwhile (epoch {answer[1]}); this process is too late"
            )
    return answer


def message(entry: Sequence[Any]) -> Message:
    """Decode one inbox entry."""
    values = fields(entry[1])
    return Message(
        id=text(entry[0]),
        mid=values["mid"],
        sender=values["from"],
        sender_uid=values["fuid"],
        thread=values["thread"],
        kind=MessageKind(values["kind"]),
        re=values["re"],
        body=values["body"],
        error="error" in values,
        verdict=Verdict(values["verdict"]) if "verdict" in values else None,
        who=values.get("who", ""),
        reason=values.get("reason", "") if "verdict" in values else "",
        group=values.get("group", ""),
        group_uid=values.get("guid", ""),
        hops=int(values.get("hops", 0)),
    )


def inbox_message(entry: Sequence[Any]) -> Message:
    """Decode one inbox entry, as XRANGE gives it outside a script."""
    return message((entry[0], [word for pair in entry[1].items() for word in pair]))


def dead_letter(entry: Sequence[Any]) -> DeadLetter:
    """Decode one entry of the dead letters, as XREVRANGE gives it."""
    flat = [word for pair in entry[1].items() for word in pair]
    values = fields(flat)
    return DeadLetter(
        id=text(entry[0]),
        message=message((entry[0], flat)),
        reason=values["reason"],
        turn=values["turn"],
        attempts=int(values["attempts"]),
    )


def mode_order(entry: Sequence[Any]) -> ModeOrder | BadOrder:
    """Decode one entry of `requests`, as XRANGE gives it."""
    values = {text(name): text(value) for name, value in entry[1].items()}
    try:
        return ModeOrder(text(entry[0]), values["agent"], values["uid"], OperatingMode(values["mode"]))
    except (LookupError, ValueError) as error:
        return BadOrder(text(entry[0]), f"{type(error).__name__}: {error}", of_agents=False)


def society_order(entry: Sequence[Any]) -> SocietyOrder | BadOrder:
    """Decode one entry of `orders`, as XRANGE gives it. Agents can write whatever they like there."""
    values = {text(name): value for name, value in entry[1].items()}
    try:
        words = {name: text(values[name]) for name in ("agent", "uid", "mid", "thread", "name")}
        kind, hops = OrderKind(text(values["kind"])), int(values["hops"])
        return SocietyOrder(id=text(entry[0]), kind=kind, hops=hops, body=bytes(values["body"]), **words)
    except (LookupError, ValueError) as error:
        return BadOrder(text(entry[0]), f"{type(error).__name__}: {error}", of_agents=True)


def next_of(answer: Sequence[Any], agent: str) -> Next:
    """Decode what `next` and `commit` return."""
    match checked(answer, agent):
        case [b"EMPTY", version]:
            return Idle(version)
        case [b"LEAVE", b"paused"]:
            return Leave("paused")
        case [b"LEAVE", b"terminated"]:
            return Leave("terminated")
        case [b"LEAVE", b"evict"]:
            return Leave("evict")
        case [b"TURN", turn, thread, base, attempt, version, inputs, journal, cancelled]:
            return Turn(
                id=text(turn),
                thread=text(thread),
                base=base,
                attempt=attempt,
                version=version,
                inputs=tuple(message(entry) for entry in inputs),
                journal=tuple(journal),
                cancelled=cancelled == 1,
            )
    raise BusError(f"a script answered {answer!r}; are the scripts of another version in use?")


def standing(values: Sequence[bytes | None], agent: str, token: str) -> Standing:
    """Decode the fields of `state` that `MessageService.standing` reads; raises GoneError."""
    if values[0] is None:
        raise GoneError(f"agent {agent} has no such life on the bus: it was deleted or never created")
    state, turn, cancel, version, evict, holder = (text(value or b"") for value in values)
    return Standing(
        state=AgentState(state),
        turn=turn,
        cancelled=bool(turn) and cancel == turn,
        version=int(version),
        evict=evict == "1",
        held=holder == token,
    )


def effect_words(effect: Effect) -> list[str | bytes | int]:
    """Encode an effect as `append` reads it."""
    words: list[str | bytes | int] = [*_effect(effect), effect.body, len(effect.results)]
    for outcome, result in effect.results.items():
        words += [outcome, result]
    return words


def _effect(effect: Effect) -> tuple[str | int, ...]:
    if effect.approve is not None:
        asked = effect.approve
        return "approve", asked.tool, asked.seconds * 1000, asked.arguments, ""
    if effect.kind == "reply":
        return "reply", effect.re, "", "", ""
    if effect.kind == "order":
        return "order", effect.to, effect.order, "", ""
    delay_ms = effect.delay_seconds * 1000
    if effect.kind == "post":
        return "post", effect.to, " ".join(effect.mentions), "", delay_ms
    return "send", effect.to, effect.thread, effect.message_kind, delay_ms


def charge_words(charge: Charge) -> list[str | bytes | int]:
    """Encode a charge as the script of that name reads it."""
    limits = ("" if limit is None else limit for limit in (charge.tokens_limit, charge.cost_limit))
    used = charge.used
    spent = (used.prompt_tokens, used.completion_tokens, used.cost)
    return [charge.day, charge.tokens, charge.cost, *limits, *spent]


def charged(answer: Sequence[Any]) -> Charged:
    """Decode what `charge` returns."""
    day = {"day": answer[4], "day_tokens": answer[2], "day_cost": answer[3]}
    match answer[1]:
        case b"tokens":
            return Charged("tokens", **day)
        case b"cost":
            return Charged("cost", **day)
        case b"tree tokens":
            return Charged("tree tokens", **day, root=text(answer[5]), limit=int(answer[6]))
        case b"tree cost":
            return Charged("tree cost", **day, root=text(answer[5]), limit=int(answer[6]))
    return Charged("", **day)


def stretch(answer: Sequence[Any]) -> Stretch:
    """Decode what `context` returns."""
    return Stretch(answer[2], tuple(answer[1]))


def view(name: str, answer: Sequence[Any]) -> AgentView | None:
    """Decode one entry of `view`; None = no such agent."""
    state = fields(answer[0])
    if "uid" not in state:
        return None
    return AgentView(
        name=name,
        uid=state["uid"],
        state=AgentState(state["state"]),
        holder=state["holder"],
        epoch=int(state["epoch"]),
        turn=state["turn"],
        thread=state["thread"],
        version=int(state["version"]),
        reason=state["reason"],
        message=state["message"],
        waiting=answer[1],
        evict=state["evict"] == "1",
        in_work=answer[2] != b"0",
        owed=answer[3],
        waits=answer[4],
        dead=answer[5],
        approvals=answer[6],
        attempt=int(state["attempt"]),
        cancelling=bool(state["turn"]) and state["cancel"] == state["turn"],
        usage=_usage(state),
        parent=state.get("parent", ""),
        root=state.get("root", ""),
        ended=seconds(state.get("ended", 0)),
        claimed=seconds(state.get("claimed", 0)),
        rested=seconds(state.get("rested", 0)),
        since=seconds(answer[2]),
    )


def _usage(state: Mapping[str, str]) -> TotalUsage:
    def number(name: str) -> int:
        return int(state.get(name, 0))

    return TotalUsage(
        turns=number("turns"),
        prompt_tokens=number("prompt_tokens"),
        completion_tokens=number("completion_tokens"),
        cost=number("cost"),
        today=DayUsage(number("day"), number("day_tokens"), number("day_cost")),
        descendants=DayUsage(number("tree_day"), number("tree_tokens"), number("tree_cost")),
    )
