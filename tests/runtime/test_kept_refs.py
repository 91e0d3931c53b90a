"""Which kept results of a thread `read_result` knows, while the thread grows and is forgotten."""

from typing import Any

from horos_runtime.context import Context
from horos_runtime.kept_results import KeptRefs


def result(ref: str | None = None) -> dict[str, Any]:
    record = {"role": "tool", "tool_call_id": "c", "content": "x"}
    return {**record, "ref": ref} if ref else record


def test_names_come_with_their_records_and_each_once() -> None:
    context = Context(5, [result("5"), result()])
    refs = KeptRefs(context)
    assert list(refs.now()) == ["5"]
    context.extend([result("7")])
    assert list(refs.now()) == ["5", "7"]
    assert list(refs.now()) == ["5", "7"]


def test_what_is_forgotten_is_still_known_by_its_name() -> None:
    context = Context(0, [result("0"), result("1")])
    refs = KeptRefs(context)
    assert list(refs.now()) == ["0", "1"]
    context.forget_before(2)
    context.extend([result("2")])
    assert list(refs.now()) == ["0", "1", "2"]
