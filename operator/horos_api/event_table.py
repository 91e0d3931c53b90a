"""What each event means: the one list that the OpenAPI document, docs/events.md and the tests are made of.

`python -m horos_api.event_table > docs/events.md` writes the page anew.
"""

from typing import Final

from horos_api.events import EventType

EVENT_TYPES: Final[dict[EventType, str]] = {
    EventType.RUN_STARTED: (
        "A turn begins: `threadId`, `runId`; `metadata.mids` are the messages that it answers, "
        "`metadata.attempt` counts the processes that tried."
    ),
    EventType.RUN_FINISHED: "The turn is committed; all of it can be read in the thread's records.",
    EventType.RUN_ERROR: (
        "The turn cannot go on (`code` is the reason, `message` is for a person); a state `error` keeps it "
        "open until the cause is gone."
    ),
    EventType.TEXT_MESSAGE_START: (
        "The agent begins a message. Its `messageId` is `<runId>/<index>`: the record of that index will "
        "hold it. Begun again with the same id, it replaces what was shown."
    ),
    EventType.TEXT_MESSAGE_CONTENT: "A fragment of its text, gathered for about 20 ms.",
    EventType.TEXT_MESSAGE_END: "The message is complete.",
    EventType.REASONING_START: "The model begins to think aloud.",
    EventType.REASONING_MESSAGE_START: "A message of its thoughts begins.",
    EventType.REASONING_MESSAGE_CONTENT: "A fragment of the thoughts, gathered for about 20 ms.",
    EventType.REASONING_MESSAGE_END: "The message of thoughts is complete.",
    EventType.REASONING_END: "The model has thought enough.",
    EventType.TOOL_CALL_START: "The model asks for tool `toolCallName`; `parentMessageId` is the message.",
    EventType.TOOL_CALL_ARGS: "A fragment of the call's JSON arguments, gathered for about 20 ms.",
    EventType.TOOL_CALL_END: "The arguments are complete.",
    EventType.TOOL_CALL_RESULT: "What the tool answered, already stored; one for each call.",
    EventType.STATE_SNAPSHOT: (
        "What the agent is doing: `state` (idle, running, paused, error, terminated), `reason`, `message`, "
        "`runId` of the open turn."
    ),
    EventType.CUSTOM: "What AG-UI has no name for: see `name`.",
}

CUSTOM_EVENTS: Final[dict[str, str]] = {
    "wake": (
        "The agent needs a process and has none; it gets one when there is room. `reason` is message (one "
        "lies in its inbox), turn (its last process left one open) or order (somebody wants it awake)."
    ),
    "resident": "A process has the agent now; `epoch` counts them. This is the agent waking up.",
    "hibernated": "The process gave the agent back; the next message wakes it.",
    "resumed": (
        "Another process goes on with the open turn `runId` (`attempt`): what was streamed and is not stored "
        "is taken back."
    ),
    "joined": "A person's messages (`mids`) joined the open turn `runId`.",
    "returned": "Messages (`mids`) went back to the inbox: the turn is tried again without them.",
    "dead": "Messages (`mids`) killed the agent's process again and again and were given up (`reason`).",
    "owes": "The turn `runId` ends without answering these requests (`mids`): the agent waits for others.",
    "reply": "Request `re` has its one answer: `text`, or `error` when there will be none.",
    "approval": (
        "A person decides about a call of `tool`: `id`, `status` (pending, approved, denied, expired, or "
        "withdrawn when the agent ended first). A pending one has `arguments` (JSON text) and `deadline` "
        "(milliseconds since 1970, then it is denied), a decided one `who` and `reason`."
    ),
    "elicitation": (
        "A tool server asks a person in the middle of a call of `tool`: `id`, `status` (pending, approved, "
        "denied, or withdrawn when the call ended first). A pending one has `server`, `message`, `schema` "
        "(of the values, JSON text) and `deadline`, a decided one `who` and `reason`."
    ),
    "usage": (
        "What the agent used in all its life: `turns`, `promptTokens`, `completionTokens`, `costNano` "
        "(billionths of the prices' currency); `today` has `day` (counted since 1970, UTC), "
        "`tokens` and `costNano`."
    ),
    "budget": (
        "The day's budget of `exhausted` is used up at `limit` (tokens or cost: of the agent; tree tokens or "
        "tree cost: of the root of its tree and all below it); it is full again at `resets`, in seconds "
        "since 1970."
    ),
    "order": (
        "The agent asks the operator for something: `id`, `kind` (create_agent, create_group, "
        "terminate_agent), `name`, `status` (asked, done, refused), when it is settled `message`."
    ),
    "child": "Child `name` has ended (`status`): `reason` is TaskDone, Terminated or Deleted.",
    "cancel": "A person ends the turn `runId` now.",
    "discard": (
        "Take back what was shown of `messageId`. What comes in its place follows, if anything; `reason` is "
        "there only when no retry, fallback, repair or resumed says why."
    ),
    "retry": "The model did not answer (`reason`); the next try is in `seconds`.",
    "fallback": "The model did not answer (`reason`); another one is asked (`model`).",
    "repair": "The model's answer could not be used (`reason`); it is told so and asked once more.",
    "toolProblem": "Tools of the agent cannot be used: `message` says which and why.",
    "compaction": (
        "Older parts of the thread are summarised or left out, so that it fits the model's window: `before` "
        "and `after` in tokens."
    ),
    "progress": "A running tool tells how far it is: `toolCallId`, `text`, `fraction` from 0 to 1.",
    "post": (
        "Only in the stream of a group: a message was posted. The value is the message, as in "
        "`GroupPostBody`; its `id` is its place."
    ),
    "gap": (
        "Events after `after` are no longer kept. Of an agent a STATE_SNAPSHOT follows; read the thread's "
        "records for what was missed. Of a group the messages that are kept follow."
    ),
    "deleted": "The agent (or group) is gone, and this is its last event; it has no id.",
}

_PLACE: Final = (
    "Every event that is kept has a place: the `id` of the server-sent event, repeated as "
    "`metadata.sequence` for clients that read the data alone. Places are `<milliseconds>-<number>`, "
    "ordered by both numbers, and only grow within one agent; give the last one as `Last-Event-ID` (or "
    "`after`) and the stream goes on behind it with no gap and no repeat, or says so with a CUSTOM `gap`. "
    "They are not consecutive: a number that is left out means nothing, since watchers of one thread skip "
    "the others. `timestamp` is the same moment in milliseconds."
)


def event_table() -> str:
    """Describe all events in Markdown."""
    types = "\n".join(f"| `{kind}` | {meaning} |" for kind, meaning in EVENT_TYPES.items())
    names = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in CUSTOM_EVENTS.items())
    return (
        f"{_PLACE}\n\n| type | meaning |\n|---|---|\n{types}\n\n"
        f"| name of a CUSTOM event | meaning and value |\n|---|---|\n{names}\n"
    )


if __name__ == "__main__":
    path = "/api/v1/namespaces/{namespace}/agents/{name}/events"
    print(f"# Events\nAG-UI 1.0, as server-sent events: `GET {path}`.\n\n{event_table()}", end="")
