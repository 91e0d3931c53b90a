"""Texts of a certain form that a person may be asked for, by the names that JSON Schema has for them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from urllib.parse import urlsplit


@dataclass(frozen=True)
class TextFormat:
    """What a text of this form is called, and whether one is of it."""

    called: str
    fits: Callable[[str], bool]


def _reads(read: Callable[[str], object]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            return bool(read(text))
        except ValueError:
            return False

    return fits


FORMATS: Final = {
    "email": TextFormat("an e-mail address", lambda text: bool(re.fullmatch(r"[^@\s]+@[^@\s]+", text))),
    "uri": TextFormat("a URI", _reads(lambda text: urlsplit(text).scheme and not re.search(r"\s", text))),
    "date": TextFormat("a date (2026-01-31)", _reads(date.fromisoformat)),
    "date-time": TextFormat("a time (2026-01-31T12:00:00Z)", _reads(datetime.fromisoformat)),
}
