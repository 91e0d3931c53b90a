"""How a conversation is summed up: in pieces, within bounds, and never at the price of the turn."""

from collections.abc import Callable

from horos_runtime.context import Context
from horos_runtime.exchanges import Exchange
from horos_runtime.model_errors import ContextLengthError
from horos_runtime.summariser import MOST_PIECES, Bounds, Summariser, told_as
from horos_runtime.token_estimates import ChatMessage
from tests.runtime.histories import assistant, request, result, turns, user


def exchanges(count: int, words: int = 20) -> list[Exchange]:
    return list(Context(0, turns(count, words)).exchanges)


class Model:
    """Answers as the test says, and keeps what it was asked."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        self._answer = answer
        self.asked: list[str] = []

    async def __call__(self, messages: list[ChatMessage]) -> str:
        assert [message["role"] for message in messages] == ["system", "user"]
        self.asked.append(messages[1]["content"])
        return self._answer(messages[1]["content"])


async def test_the_model_gets_the_old_summary_and_everything_that_happened_since() -> None:
    model = Model(lambda _: " The new one. ")
    assert await Summariser(model).sum_up("The old one.", exchanges(3), Bounds(500, 20_000)) == "The new one."
    (asked,) = model.asked
    assert "The old one." in asked
    for number in range(3):
        assert f"A person: question {number}" in asked
        assert f"The agent called f({{}}), with the result: result {number}" in asked
        assert f"The agent: answer {number}" in asked


async def test_much_is_summed_up_in_pieces_each_with_the_summary_so_far() -> None:
    model = Model(lambda text: f"summary {len(model.asked)}")
    told = exchanges(12)
    assert await Summariser(model).sum_up("", told, Bounds(300, 3000)) == f"summary {len(model.asked)}"
    assert 1 < len(model.asked) <= MOST_PIECES
    assert "summary 1" in model.asked[1]
    assert all(len(asked.encode()) <= 3000 for asked in model.asked)
    together = "\n".join(model.asked)
    assert all(f"answer {number}" in together for number in range(12))


async def test_material_without_end_is_told_in_a_few_words_each() -> None:
    model = Model(lambda _: "short")
    assert (await Summariser(model).sum_up("", exchanges(100, words=300), Bounds(300, 3000))).startswith(
        "short"
    )
    assert len(model.asked) <= MOST_PIECES


async def test_a_summary_that_is_too_long_is_asked_for_again_and_cut_at_last() -> None:
    model = Model(lambda text: "brief" if "too long" in text else "long " * 1000)
    assert await Summariser(model).sum_up("", exchanges(1), Bounds(300, 20_000)) == "brief"
    stubborn = Model(lambda _: "long " * 1000)
    summary = await Summariser(stubborn).sum_up("", exchanges(1), Bounds(300, 20_000))
    assert len(summary.encode()) <= 300
    assert "bytes are not shown" in summary


async def test_a_model_that_takes_less_than_thought_gets_smaller_pieces() -> None:
    def answer(text: str) -> str:
        if len(text) > 600:
            raise ContextLengthError("too long")
        return "fits"

    model = Model(answer)
    assert await Summariser(model).sum_up("", exchanges(3), Bounds(300, 5000)) == "fits"
    assert len(model.asked) > 2


async def test_what_is_not_summed_up_is_noted_behind_the_old_summary() -> None:
    def refuse(_: str) -> str:
        raise ContextLengthError("too long")

    for model in (Model(lambda _: ""), Model(refuse)):
        summary = await Summariser(model).sum_up("The old one.", exchanges(2), Bounds(300, 5000))
        assert summary == (
            "The old one.\n\n[Left out without a summary, from record 0 on: 2 message(s), "
            "2 round(s) of tool calls, 2 answer(s).]"
        )


def test_requests_keep_their_ids_and_agents_their_names() -> None:
    context = Context(0, [request("do it", "bob", "id-7"), assistant("well", "a"), result("a"), user("hi")])
    assert [told_as(each) for each in context.exchanges] == [
        "[request id-7 from agent bob]\ndo it",
        "The agent: well\nThe agent called f({}), with the result: ok",
        "A person: hi",
    ]
