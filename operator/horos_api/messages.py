"""Messages between participants: what is sent, and what lies in an inbox."""

from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from horos_api.names import DEFAULT_THREAD

DELAY_SECONDS: Final = 30 * 24 * 3600
"""The longest delay of a message."""


class MessageKind(StrEnum):
    """What a message wants."""

    REQUEST = "request"
    """Wants exactly one reply."""
    REPLY = "reply"
    """Answers the request named in `re`."""
    NOTICE = "notice"
    """Wants nothing."""
    MENTION = "mention"
    """Points to a message in a group, whose id is `re`: it and what is unread before it waits to be answered
    there."""
    DECISION = "decision"
    """Says what a person decided about the call of a tool that `re` names; the body is that call."""


class Verdict(StrEnum):
    """What a person decides about a call of a tool."""

    APPROVE = "approve"
    DENY = "deny"


class Message(BaseModel):
    """One entry of an inbox, immutable. `sender` is empty for a person, else the name of an agent."""

    model_config = ConfigDict(frozen=True)

    id: str
    """The position in the inbox (a Redis stream id)."""
    mid: str
    """The sender's id of the message: a repeat with the same id is the same message."""
    sender: str = ""
    sender_uid: str = ""
    thread: str = DEFAULT_THREAD
    kind: MessageKind = MessageKind.NOTICE
    re: str = ""
    body: str = ""
    error: bool = False
    """Of a reply: there is no answer, and the body says why."""
    verdict: Verdict | None = None
    """Of a decision."""
    who: str = ""
    """Of a decision: the person; empty when nobody decided in time."""
    reason: str = ""
    """Of a decision: why, in the person's words."""
    group: str = ""
    """Of a mention."""
    group_uid: str = ""
    """Of a mention: which group of the name it was."""
    hops: int = 0
    """How many messages led to it, each to the next, since a person wrote."""

    @property
    def from_person(self) -> bool:
        """Whether somebody outside the bus wrote it."""
        return not self.sender_uid


class NewMessage(BaseModel):
    """A message on its way in from outside the bus (gateway, a Python program, an operator of horos)."""

    model_config = ConfigDict(frozen=True)

    to: str
    body: str
    mid: str
    thread: str = DEFAULT_THREAD
    kind: MessageKind = MessageKind.REQUEST
    sender: str = ""
    to_uid: str = Field(default="", description="Refuse any other life of the name (for retries).")
    delay_seconds: int = Field(default=0, ge=0, le=DELAY_SECONDS, description="Deliver it so much later.")


class SendOutcome(StrEnum):
    """What became of a message. OK and DUP both mean: accepted, exactly once."""

    OK = "OK"
    DUP = "DUP"
    FULL = "FULL"
    NO_AGENT = "NOAGENT"
    LIMIT = "LIMIT"
    """Of an agent's request: too many of its own are open."""
    LOOP = "LOOP"
    """Of what an agent sends: too many messages led to it, each to the next, since a person wrote."""
    RATE = "RATE"
    """Of what an agent sends: too many within a minute."""
    NO_GROUP = "NOGROUP"
    OUTSIDE = "OUTSIDE"
    """Of an agent's post: accepted, and the agent is no member of the group."""
    NO_REQUEST = "NOREQUEST"
    """Of an agent's reply: it owes nobody an answer to this."""
