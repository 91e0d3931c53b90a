"""The messages that the open turn answers: all of them, or a long run with its middle collapsed."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from horos_runtime.exchanges import Exchange
from horos_runtime.shortening import shorten

SHARE: Final = 0.5
"""The part of the room that unread messages may take before their middle is collapsed."""
FIRST: Final = 2
LAST: Final = 4
"""How many messages at the ends are always shown."""
OPENING_BYTES: Final = 100
"""How much of a collapsed request is shown beside its heading."""


def shown_questions(questions: Sequence[Exchange], room: int) -> dict[int, Exchange]:
    """Say by the start of each message what is shown in its place; nothing of it when there are no messages.

    Messages of agents and groups keep their heading, since the model needs the id of a request to answer it.
    What people decided about its calls is always shown.
    """
    shown = {each.start: each for each in questions}
    middle = [each for each in questions[FIRST : len(questions) - LAST] if not each.decision]
    if len(middle) < 2 or sum(each.tokens for each in questions) <= SHARE * room:
        return shown
    for each in middle:
        shown[each.start] = Exchange(each.start, "question", each.run, ())
    collapsed = ({"role": "user", "content": _collapsed(middle)},)
    shown[middle[0].start] = Exchange(middle[0].start, "question", middle[0].run, collapsed)
    return shown


def _collapsed(middle: Sequence[Exchange]) -> str:
    senders = Counter(each.sender or "people" for each in middle)
    counts = ", ".join(f"{count} from {sender}" for sender, count in senders.items())
    lines = [f"- {_opening(each)}" for each in middle]
    return (
        f"[{len(middle)} messages are collapsed here: {counts}. The tool history shows them whole, they lie "
        f"in records {middle[0].start} to {middle[-1].start}. They begin:]\n" + "\n".join(lines)
    )


def _parts(message: Exchange) -> tuple[str, str]:
    """Tell the heading of a message that people did not write from its text."""
    content: str = message.messages[0]["content"]
    above, _, text = content.partition("\n")
    return (above, text) if message.sender else ("", content)


def _opening(message: Exchange) -> str:
    above, text = _parts(message)
    line = " ".join(shorten(text, OPENING_BYTES).split())
    return f"{above} {line}" if above else line
