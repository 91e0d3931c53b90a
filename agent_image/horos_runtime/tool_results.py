"""What tools return becomes text that fits: a large result is kept whole, the record shows its two ends."""

from dataclasses import dataclass
from typing import Final

import orjson
from pydantic import BaseModel

RESULT_BYTES: Final = 16 * 1024
"""The longest result that a model reads at once, in bytes of UTF-8."""
KEPT_BYTES: Final = 1024 * 1024
"""The longest result that is kept whole, in bytes of UTF-8."""
HEAD_BYTES: Final = 6 * 1024
TAIL_BYTES: Final = 2 * 1024


def as_text(value: object) -> str:
    """Write down what a tool returned; raises what the value's own methods raise."""
    return _storable(value if isinstance(value, str) else _written(value))


def _written(value: object) -> str:
    if value is None:
        return "done"
    if isinstance(value, float):  # JSON knows neither NaN nor infinity
        return repr(value)
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if isinstance(value, bytes | bytearray | memoryview):
        return _from_bytes(bytes(value))
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, RecursionError):  # a number of more than 64 bits, a structure that contains itself
        return str(value)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, bytes | bytearray | memoryview):
        return _from_bytes(bytes(value))
    return str(value)


def _from_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"[{len(value)} bytes that are no text]"


def _storable(text: str) -> str:
    """A real `str` that UTF-8 can carry."""
    return str.encode(text, errors="replace").decode()


@dataclass(frozen=True)
class FittedResult:
    """A result as its record shows it, and the whole of it where that is kept."""

    text: str
    whole: bytes = b""


def fitted(text: str, ref: str) -> FittedResult:
    """Show a large result by its ends, with a word on how to read the rest under the name `ref`."""
    encoded = text.encode()
    if len(encoded) <= RESULT_BYTES:
        return FittedResult(text)
    whole = encoded[:KEPT_BYTES].decode(errors="ignore")
    head = encoded[:HEAD_BYTES].decode(errors="ignore")
    tail = whole.encode()[-TAIL_BYTES:].decode(errors="ignore")
    cut = ""
    if len(encoded) > KEPT_BYTES:
        lost = len(text) - len(whole)
        cut = f"\n[the result was longer than what is kept: its last {lost} characters are lost]"
    note = (
        f"[{len(whole) - len(head) - len(tail)} characters are left out here, of {len(whole)} in all. "
        f'read_result with ref "{ref}" reads on: with offset {len(head)} from here, with search for a text]'
    )
    return FittedResult(f"{head}\n{note}\n{tail}{cut}", whole.encode())
