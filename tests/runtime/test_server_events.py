"""Server-sent events in any pieces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from horos_runtime.server_events import EventReader

STREAM = (
    "data: one\n\n: a comment\r\ndata:two\rdata:  and half\r\rid: 3\nevent: x\n\ndata: dréi\r\n\r\ndata\n\n"
)
EVENTS = ["one", "two\n and half", "dréi", ""]


def read(parts: list[bytes]) -> list[str]:
    reader = EventReader()
    return [data for part in parts for data in reader.feed(part)]


def test_events_are_read_by_the_rules_of_the_html_standard() -> None:
    assert read([STREAM.encode()]) == EVENTS


def test_an_event_without_its_empty_line_is_none() -> None:
    assert read([b"data: one\n\ndata: two\n"]) == ["one"]


def test_a_mark_of_the_encoding_at_the_beginning_is_no_part_of_the_first_line() -> None:
    mark = b"\xef\xbb\xbf"
    assert read([mark[:1], mark[1:] + b"data: one\n\n", mark + b"data: two\n\n"]) == ["one"]


@given(st.lists(st.integers(0, len(STREAM.encode()))))
def test_it_does_not_matter_where_the_bytes_are_cut(cuts: list[int]) -> None:
    data = STREAM.encode()
    places = [0, *sorted(cuts), len(data)]
    assert read([data[start:end] for start, end in itertools.pairwise(places)]) == EVENTS


def test_what_is_no_utf_8_is_an_error() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        read([b"data: \xff\n\n"])
