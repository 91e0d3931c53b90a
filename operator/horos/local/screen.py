"""The conversation of a society on a person's terminal: lines as they come, and below them who does what."""

import sys
from collections.abc import Mapping
from typing import Final, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from horos.local.follower import Follower, Line, LineKind
from horos.terminal import console

_COLOURS: Final = ("cyan", "green", "magenta", "yellow", "blue", "bright_red", "bright_cyan", "bright_green")
_CONTROLS: Final = {
    code: None for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if code not in {0x09, 0x0A}
}
_SPOKEN_LINES: Final = 6
"""How much of a text that is still being said is shown: its end."""
_SPEAKERS: Final = 3
_MOST_AGENTS: Final = 12
"""More of them than this are summed up in one line, those first that do something."""
_MARKS: Final = {LineKind.NOTE: "·", LineKind.ASK: "?", LineKind.ERROR: "!", LineKind.TOOL: "⚙"}
_STYLES: Final = {LineKind.NOTE: "dim", LineKind.ASK: "yellow", LineKind.ERROR: "red", LineKind.TOOL: "dim"}


class Screen:
    """Shows lines for good and progress until it changes; without a terminal only the lines, uncoloured.

    All of it goes to standard error: standard output is for the answer alone. A context manager.
    """

    def __init__(self, err: TextIO | None = None) -> None:
        self._file = err or sys.stderr
        self._console: Console = console(self._file)
        self._colours: dict[str, str] = {}
        self._live: Live | None = None
        self._seen: list[tuple[str, str, str, int, int]] = []

    def __enter__(self) -> "Screen":
        """Begin to show progress, where that can be taken back."""
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(Text(""), console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End as `leave` does."""
        self.leave()

    def leave(self) -> None:
        """Take the progress away; what was said stays."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it."""
        return self._console.is_terminal

    def note(self, text: str, style: str = "dim") -> None:
        """Say something that no agent said."""
        self._print(Text(_clean(text), style))

    def line(self, line: Line) -> None:
        """Show what an agent did, for good."""
        self._print(self._rendered(line))

    def said_to(self, agent: str, text: str) -> None:
        """Show what the person at the terminal said."""
        head = Text.assemble(("you", "bold"), (" → ", "dim"), (agent, self._colour(agent)), ("  ", ""))
        self._print(_with_body(head, text, ""))

    def progress(self, followers: Mapping[str, Follower]) -> None:
        """Show what everybody does now."""
        seen = [
            (name, each.doing, each.speaking, each.turns, each.tokens) for name, each in followers.items()
        ]
        if self._live is not None and seen != self._seen:
            self._seen = seen
            self._live.update(self._picture(followers), refresh=True)

    def _rendered(self, line: Line) -> Text:
        colour = self._colour(line.agent)
        head = Text.assemble((line.agent, f"bold {colour}"))
        if line.to:
            head.append(" → ", "dim").append(line.to, self._colour(line.to.removeprefix("@")))
        if line.where and line.where != line.to:
            head.append(f" in {line.where}", "dim")
        mark = _MARKS.get(line.kind)
        head.append(f"  {mark} " if mark else "  ", "dim")
        return _with_body(head, line.text, _STYLES.get(line.kind, ""))

    def _picture(self, followers: Mapping[str, Follower]) -> RenderableType:
        parts: list[RenderableType] = []
        speaking = [each for each in followers.values() if each.speaking.strip()]
        for each in speaking[:_SPEAKERS]:
            line = Line(LineKind.SAID, each.agent, each.speaking.strip(), where=each.where)
            parts.append(self._end_of(self._rendered(line)))
        if followers:
            parts.append(Text("─" * min(self._console.width, 60), "dim"))
        order = sorted(followers.values(), key=lambda each: not each.is_busy)
        shown = sorted(order[:_MOST_AGENTS], key=lambda each: list(followers).index(each.agent))
        width = max((len(each.agent) for each in shown), default=0)
        parts += [self._progress_line(each, width) for each in shown]
        if len(order) > len(shown):
            parts.append(Text(f"… and {len(order) - len(shown)} more", "dim"))
        return Group(*parts)

    def _progress_line(self, each: Follower, width: int) -> Text:
        mark = "●" if each.is_busy else "○"
        used = f"{each.turns} turns, {each.tokens:,} tokens" if each.turns else ""
        line = Text.assemble(
            (f"{mark} ", self._colour(each.agent) if each.is_busy else "dim"),
            (each.agent.ljust(width), self._colour(each.agent)),
            (f"  {each.doing:<24}", "" if each.is_busy else "dim"),
            (used, "dim"),
        )
        line.truncate(self._console.width, overflow="ellipsis")
        return line

    def _end_of(self, text: Text) -> RenderableType:
        lines = text.wrap(self._console, self._console.width)
        return Group(*lines[-_SPOKEN_LINES:])

    def _colour(self, name: str) -> str:
        return self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)
        if not self._console.is_terminal:
            self._file.flush()


def _with_body(head: Text, text: str, style: str) -> Text:
    """Put a text behind its head; the lines after the first are set in a little."""
    return head.append(_clean(text).replace("\n", "\n  "), style)


def _clean(text: str) -> str:
    return text.translate(_CONTROLS)
