"""What several commands take, as dataclasses, and the decorator that spreads them into options."""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any, TextIO, get_type_hints

import typer

from horos.errors import UsageError
from horos_api.messages import DELAY_SECONDS
from horos_api.names import (
    BODY_BYTES,
    DEFAULT_THREAD,
    agent_name_error,
    group_name_error,
    namespace_name_error,
    thread_name_error,
)


class Output(StrEnum):
    """How a command prints what it found."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class Listing(StrEnum):
    """How a command prints a list that may be long in both directions."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


class Document(StrEnum):
    """How a command prints a text that other programs may want."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


class Lines(StrEnum):
    """How a command prints a stream."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True)
class Place:
    """Which namespace of which gateway is meant, and how to get there."""

    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="Namespace of the agents; default: that of the context."),
    ] = None
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig; default: the current.")] = (
        None
    )
    release_namespace: Annotated[
        str | None,
        typer.Option(envvar="HOROS_RELEASE_NAMESPACE", help="Where horos is installed; default: search."),
    ] = None
    gateway: Annotated[
        str | None,
        typer.Option(
            envvar="HOROS_GATEWAY",
            help="URL of a gateway to use without a cluster; HOROS_TOKEN is its token.",
        ),
    ] = None


@dataclass(frozen=True)
class Question:
    """What is said to an agent, or to a group."""

    agent: Annotated[str, typer.Argument(help="Name of the agent, or @ and the name of a group.")]
    text: Annotated[str, typer.Argument(help="What to say; `-` reads it from standard input.")]
    thread: Annotated[str | None, typer.Option(help="The conversation it belongs to; default: main.")] = None
    key: Annotated[
        str | None,
        typer.Option("--id", help="Your name for the message: sent again, it is the same message."),
    ] = None
    delay: Annotated[
        int,
        typer.Option(min=0, max=DELAY_SECONDS, help="Deliver it so many seconds later."),
    ] = 0


@dataclass(frozen=True)
class Watch:
    """Which events of an agent are wanted."""

    agent: Annotated[str, typer.Argument(help="Name of the agent.")]
    thread: Annotated[str | None, typer.Option(help="Only this conversation; default: all.")] = None
    after: Annotated[
        str | None,
        typer.Option(help="Begin behind this event id; 0: the oldest kept; default: from now on."),
    ] = None
    follow: Annotated[
        bool, typer.Option(help="Go on with what comes, or end after the events that are there.")
    ] = True


@dataclass(frozen=True)
class GroupWatch:
    """Which messages of a group are wanted."""

    group: Annotated[str, typer.Argument(metavar="@GROUP", help="Name of the group.")]
    last: Annotated[int, typer.Option(min=0, max=1000, help="Begin with so many of the newest.")] = 20
    follow: Annotated[bool, typer.Option(help="Go on with what comes, or end after what is there.")] = True


@dataclass(frozen=True)
class Part:
    """Which part of a conversation is wanted."""

    agent: Annotated[str, typer.Argument(help="Name of the agent.")]
    thread: Annotated[str, typer.Option(help="The conversation.")] = DEFAULT_THREAD
    limit: Annotated[int, typer.Option(min=0, help="Only so many of the newest records; 0: all.")] = 50


@dataclass(frozen=True)
class Judgement:
    """About what somebody decides, and what is recorded with the verdict."""

    id: Annotated[str, typer.Argument(metavar="ID", help="What `horos approvals` lists.")]
    reason: Annotated[str, typer.Option(help="Why; the agent's model reads it.")] = ""
    who: Annotated[
        str | None,
        typer.Option(
            help="Recorded as who decides; default: HOROS_WHO, or your name in the cluster, or here."
        ),
    ] = None

    @property
    def agent(self) -> str:
        """The agent that waits."""
        return self.id.partition("/")[0]


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Give typer the fields of a command's dataclass parameters as options of the command itself."""
    hints = get_type_hints(command, include_extras=True)
    groups = {name: kind for name, kind in hints.items() if is_dataclass(kind) and isinstance(kind, type)}
    parameters = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in groups:
            parameters += _options_of(groups[parameter.name])
        else:
            parameters.append(
                parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
            )

    @wraps(command)
    def spread_command(**values: Any) -> None:
        made = {
            name: kind(**{field.name: values.pop(field.name) for field in fields(kind)})
            for name, kind in groups.items()
        }
        command(**values, **made)

    spread_command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spread_command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return spread_command


def _options_of(group: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    signature = inspect.signature(group)
    return [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
        for parameter in signature.parameters.values()
    ]


def checked_names(agent: str, thread: str | None) -> None:
    """Refuse names that no agent and no thread can have. Raises UsageError."""
    if agent.startswith("@"):
        ways = f"`horos send {agent} …` and `horos watch {agent}`"
        raise UsageError(f"{agent} names a group; expected an agent. For groups there are {ways}")
    error = agent_name_error(agent) or (thread_name_error(thread) if thread is not None else None)
    if error:
        raise UsageError(error)


def checked_question(question: Question) -> Question:
    """Refuse names that nobody can have, and what a group cannot be told. Raises UsageError."""
    checked_key(question.key)
    if not question.agent.startswith("@"):
        checked_names(question.agent, question.thread)
        return question
    if error := group_name_error(question.agent[1:]):
        raise UsageError(error)
    if question.thread is not None:
        raise UsageError("--thread: a group has one conversation; leave it out")
    if question.delay:
        raise UsageError("--delay: a group gets messages at once; leave it out")
    return question


def checked_group(watch: GroupWatch) -> GroupWatch:
    """Refuse a name that no group can have; the @ may be left out. Raises UsageError."""
    name = watch.group.removeprefix("@")
    if error := group_name_error(name):
        raise UsageError(error)
    return replace(watch, group=f"@{name}")


def checked_namespaces(place: Place) -> None:
    """Refuse names that no namespace can have. Raises UsageError."""
    for name in (place.namespace, place.release_namespace):
        if name and (error := namespace_name_error(name)):
            raise UsageError(error)


def checked_key(key: str | None) -> str | None:
    """Refuse an id that the gateway cannot take as Idempotency-Key. Raises UsageError."""
    if key is not None and not re.fullmatch(r"[!-~]{1,255}", key):
        raise UsageError(f"--id {key!r}: expected 1 to 255 visible ASCII characters")
    return key


def checked_approval_id(approval_id: str) -> str:
    """Refuse an id that no approval can have. Raises UsageError."""
    agent, _, rest = approval_id.partition("/")
    if not rest or agent_name_error(agent) or not re.fullmatch(r"[!-~]{1,256}", approval_id):
        raise UsageError(f"ID {approval_id!r}: expected one that `horos approvals` lists, like ada/1-0/2.0")
    return approval_id


def checked_values(given: Sequence[str], behind: str = "--set") -> dict[str, str]:
    """Read NAME=VALUE, each name once, as typed `behind` an option or command. Raises UsageError."""
    values: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise UsageError(f"{behind} {each!r}: expected NAME=VALUE")
        if name in values:
            raise UsageError(f"{behind} {name}: it is set twice")
        values[name] = value
    return values


def text_from(stream: TextIO) -> str:
    """Read a whole stream as UTF-8, whatever the locale says. Raises UsageError."""
    try:
        return stream.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"standard input is not UTF-8: {error.reason} at byte {error.start}") from None


def checked_text(text: str) -> str:
    """Refuse a text that no gateway takes. Raises UsageError."""
    if not text.strip():
        raise UsageError("the message is empty; say something")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise UsageError("the message is not UTF-8") from None
    if size > BODY_BYTES:
        raise UsageError(f"the message has {size} bytes; a message may have {BODY_BYTES}")
    return text
