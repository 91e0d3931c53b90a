from datetime import UTC, datetime

import pytest

from horos_runtime.retry_after import seconds_to_wait

NOW = datetime(2026, 11, 25, 4, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "Wed, 25 Nov 2026 04:01:30 GMT"}, 90.0),
        ({"retry-after": "Wed, 25 Nov 2026 04:01:30 -0000"}, 90.0),
        ({"retry-after": "Wed, 25 Nov 2026 05:01:30 +0100"}, 90.0),
        ({"retry-after": "Wed, 25 Nov 2026 03:00:00 GMT"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
    ],
)
def test_the_wish_is_read_in_all_its_spellings(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds_to_wait(headers, NOW) == seconds
