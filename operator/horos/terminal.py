"""The person's terminal: the answer on standard output, everything beside it on standard error."""

import json
import sys
from typing import Any, Final, TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from horos.transcript import Piece, PieceKind

_PLAIN_WIDTH = 1000
"""Wide enough that a table in a pipe or a file is never cut or wrapped."""
_CONTROLS = {code: None for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if code not in {0x09, 0x0A}}

_STYLES: Final = {PieceKind.ERROR: "red", PieceKind.ASK: "yellow"}


def console(file: TextIO) -> Console:
    """Make a console for a stream: colours and width of a terminal, or plain and wide."""
    width = None if file.isatty() else _PLAIN_WIDTH
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


class Terminal:
    """Shows pieces as they come. Text of models is shown without control characters, except in a pipe."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out_file = out or sys.stdout
        self._out = console(self._out_file)
        self._err = console(err or sys.stderr)
        self._in_line = False
        self._open_call = ""

    def show(self, piece: Piece) -> None:
        """Show one piece of a transcript."""
        if piece.kind == PieceKind.TEXT:
            self._finish_call()
            self._text(piece.text)
        elif piece.kind == PieceKind.END:
            self.end_line()
        elif piece.kind == PieceKind.CALL:
            self._new_line()
            self._beside(f"⚙ {piece.text}", "dim", end="")
            self._open_call = piece.key
        elif piece.kind == PieceKind.RESULT:
            self._result(piece)
        else:
            self._new_line()
            self._beside(piece.text, _STYLES.get(piece.kind, "dim"))

    def note(self, text: str) -> None:
        """Say something beside the answer."""
        self.show(Piece(PieceKind.NOTE, text))

    def end_line(self) -> None:
        """End the line of the answer, if one is begun."""
        self._finish_call()
        if self._in_line:
            self._write("\n")

    def table(self, table: RenderableType) -> None:
        """Print a table or a text to standard output."""
        self._out.print(table, soft_wrap=not self._out.is_terminal)

    def line(self, text: str) -> None:
        """Print one line to standard output at once, however long."""
        self._text(text + "\n")

    def json(self, value: Any, indent: int | None = 2) -> None:
        """Print JSON to standard output; `indent=None` gives one line, written at once."""
        self._write(json.dumps(value, ensure_ascii=False, indent=indent) + "\n")

    def document(self, value: Any, form: str) -> bool:
        """Print a value as programs want it; says whether `form` is one of theirs, json or yaml."""
        if form == "json":
            self.json(value)
        elif form == "yaml":
            import yaml  # noqa: PLC0415 - for those who want it only

            self._write(yaml.safe_dump(value, allow_unicode=True, sort_keys=False))
        return form in ("json", "yaml")

    def _text(self, text: str) -> None:
        self._write(text.translate(_CONTROLS) if self._out.is_terminal else text)

    def _write(self, text: str) -> None:
        # Not through rich: half a line must come out at once, whatever the width.
        self._out_file.write(text)
        self._out_file.flush()
        self._in_line = not text.endswith("\n") if text else self._in_line

    def _result(self, piece: Piece) -> None:
        if self._open_call == piece.key:
            self._open_call = ""
            self._beside(f" → {piece.text}", "dim")
        else:
            self._new_line()
            self._beside(f"⚙ → {piece.text}", "dim")

    def _new_line(self) -> None:
        """Begin a line for something beside the answer, where both go to the same terminal."""
        self._finish_call()
        if self._in_line and self._out.is_terminal:
            self._write("\n")

    def _finish_call(self) -> None:
        if self._open_call:
            self._open_call = ""
            self._beside("", "dim")

    def _beside(self, text: str, style: str, end: str = "\n") -> None:
        self._err.print(Text(text.translate(_CONTROLS), style), end=end, soft_wrap=True)
