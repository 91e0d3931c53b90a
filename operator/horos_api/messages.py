"""Messages between participants: what is sent, and what lies in an inbox."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from horos_api.names import DEFAULT_THREAD


class MessageKind(StrEnum):
    """What a message wants."""

    REQUEST = "request"
    """Wants exactly one reply."""
    REPLY = "reply"
    """Answers the request named in `re`."""
    NOTICE = "notice"
    """Wants nothing."""


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


class SendOutcome(StrEnum):
    """What `send` answers. OK and DUP both mean: accepted, exactly once."""

    OK = "OK"
    DUP = "DUP"
    FULL = "FULL"
    NO_AGENT = "NOAGENT"
