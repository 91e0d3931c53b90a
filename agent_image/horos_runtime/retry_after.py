"""When a busy server wants to be asked again: what its headers say, as seconds."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds_to_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read `retry-after-ms` (milliseconds, OpenAI and Azure) or `retry-after` (seconds or a date).

    Header names are in lower case. None when nothing is said, or nothing that can be understood.
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    if text is None or (seconds := _number(text)) is not None:
        return None if text is None else seconds
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    # A date in UTC may be spelt `-0000`, and then comes without a zone.
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None
