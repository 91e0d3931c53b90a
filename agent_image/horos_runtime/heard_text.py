"""Streamed text on its way to the step: characters that were cut in two, and thoughts inside the text.

Both must look at more than one fragment, and give the same whatever the fragments are.
"""

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

Heard: TypeAlias = tuple[Literal["text", "reasoning"], str]

_TAGS: Final = {f"<{name}>": f"</{name}>" for name in ("think", "thinking", "thought", "reasoning")}
"""How models write down their thoughts when their server does not take them apart."""


def storable(text: str) -> str:
    """Replace halves of surrogate pairs, which some servers send when a token ends inside a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class WholeCharacters:
    """Joins the halves of a character that came in two fragments."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, fragment: str) -> str:
        """Return what is whole; the first half of a pair is kept until the next fragment."""
        text, self._half = self._half + fragment, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return storable(text)

    def rest(self) -> str:
        """Return the half whose other half never came, as a replacement character."""
        text, self._half = storable(self._half), ""
        return text


class ThoughtsApart:
    """Tells `<think>…</think>` at the very beginning of a text from the text; anywhere else it is text."""

    def __init__(self) -> None:
        self._state: Literal["start", "thoughts", "behind", "text"] = "start"
        self._kept = ""
        self._end = ""

    def feed(self, fragment: str) -> Iterator[Heard]:
        """Yield what is certain, in order; never an empty one."""
        self._kept += fragment
        if self._state == "start":
            self._start()
        if self._state == "thoughts":
            yield from self._thoughts()
        if self._state == "behind" and (text := self._kept.lstrip()):
            self._state, self._kept = "text", text
        if self._state == "text" and self._kept:
            text, self._kept = self._kept, ""
            yield "text", text

    def rest(self) -> Iterator[Heard]:
        """Yield what was kept because more might have come; white space alone is no text."""
        text, self._kept = self._kept, ""
        if self._state == "thoughts" and text:
            yield "reasoning", text
        elif text.strip():
            yield "text", text

    def _start(self) -> None:
        begun = self._kept.lstrip()
        for tag, end in _TAGS.items():
            if begun.startswith(tag):
                self._state, self._kept, self._end = "thoughts", begun[len(tag) :], end
                return
        if begun and not any(tag.startswith(begun) for tag in _TAGS):
            self._state = "text"

    def _thoughts(self) -> Iterator[Heard]:
        thoughts, end, behind = self._kept.partition(self._end)
        if end:
            self._state, self._kept = "behind", behind
        else:
            # What may be the first letters of the end must wait for the others.
            sizes = range(len(self._end) - 1, 0, -1)
            size = next((size for size in sizes if thoughts.endswith(self._end[:size])), 0)
            self._kept = thoughts[len(thoughts) - size :]
            thoughts = thoughts[: len(thoughts) - size]
        if thoughts:
            yield "reasoning", thoughts
