"""The parser of server-sent events, as plain data."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from horos.sse import Comment, ServerEvent, SseParser

STREAM = (
    b': hello\r\nretry: 1000\n\nid: 1-0\ndata: {"a":1}\n\n: beat\n\n'
    b"id:2-0\rdata: one\rdata:  two\r\revent: x\ndata: \xc3\xa9\n\n"
)
EVENTS = [
    Comment("hello"),
    ServerEvent("1-0", '{"a":1}'),
    Comment("beat"),
    ServerEvent("2-0", "one\n two"),
    ServerEvent("2-0", "é"),
]


def test_events_carry_their_id_and_keep_the_last_one() -> None:
    assert SseParser().feed(STREAM) == EVENTS


def test_comments_and_retry_hints_are_no_events() -> None:
    assert SseParser().feed(b": beat\n\nretry: 5\n\nid: 3-0\n\n") == [Comment("beat")]


def test_an_event_without_its_empty_line_is_not_dispatched() -> None:
    parser = SseParser()
    assert parser.feed(b"data: half") == []
    assert parser.feed(b"\n") == []
    assert parser.feed(b"\n") == [ServerEvent("", "half")]


def test_an_id_with_a_null_is_ignored() -> None:
    assert SseParser().feed(b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n") == [
        ServerEvent("1", "a"),
        ServerEvent("1", "b"),
    ]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_it_does_not_matter_how_the_bytes_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    parser = SseParser()
    found = [event for start, end in itertools.pairwise(places) for event in parser.feed(STREAM[start:end])]
    assert found == EVENTS
