"""Who is asked next: the rules of fallbacks, with the clock passed in."""

import pytest

from horos_api.conditions import Reason
from horos_api.model_choice import ModelChoice
from horos_runtime.model_errors import ContextLengthError, ModelRefusedError, TransientModelError
from horos_runtime.model_lineup import (
    LONGEST_REST_SECONDS,
    REST_SECONDS,
    Lineup,
    Standings,
    prompt_window,
)
from horos_runtime.pace import Backoff

OWN = ModelChoice(name="own", base_url="http://a/v1", context_window_tokens=8000)
SECOND = ModelChoice(name="second", base_url="http://b/v1", context_window_tokens=8000)
SMALL = ModelChoice(name="small", base_url="http://s/v1", context_window_tokens=4000)
LARGE = ModelChoice(name="large", base_url="http://c/v1", context_window_tokens=64000)
STEADY = Backoff(1.0, 1.0, jitter=False)
DOWN = TransientModelError("it is down")


def lineup(*models: ModelChoice, standings: Standings | None = None, now: float = 0.0) -> Lineup:
    return Lineup(models, standings or Standings(), STEADY, now)


def refusal(text: str = "no such model") -> ModelRefusedError:
    return ModelRefusedError(Reason.MODEL_MISCONFIGURED, text)


def chosen(models: Lineup) -> tuple[str | None, float]:
    found = models.next()
    return found.model.name, found.ready_at


def fail(models: Lineup, times: int, now: float, error: TransientModelError = DOWN) -> None:
    for _ in range(times):
        models.failed(models.next(), error, now)


def test_a_model_that_is_down_is_tried_three_times_before_the_next() -> None:
    models = lineup(OWN, SECOND)
    asked = []
    for now in (0.0, 1.0, 2.0):
        asked.append(chosen(models))
        fail(models, 1, now)
    assert asked == [("own", 0.0), ("own", 1.0), ("own", 2.0)]
    assert chosen(models) == ("second", 0.0)
    assert models.trouble == "it is down"


def test_a_long_wish_to_wait_sends_the_request_on_at_once() -> None:
    models = lineup(OWN, SECOND)
    fail(models, 1, 0.0, TransientModelError("busy", retry_after=11.0))
    assert chosen(models) == ("second", 0.0)


def test_who_is_silent_is_not_waited_for_again() -> None:
    models = lineup(OWN, SECOND)
    fail(models, 1, 0.0, TransientModelError("silent", silent=True))
    assert chosen(models) == ("second", 0.0)


def test_a_short_wish_is_granted() -> None:
    models = lineup(OWN, SECOND)
    fail(models, 1, 0.0, TransientModelError("busy", retry_after=9.0))
    assert chosen(models) == ("own", 9.0)


def test_the_only_model_is_tried_for_ever_with_growing_waits() -> None:
    models = Lineup([OWN], Standings(), Backoff(1.0, 4.0, jitter=False), 0.0)
    waits = []
    for _ in range(5):
        fail(models, 1, 0.0)
        waits.append(chosen(models)[1])
    assert waits == [1.0, 2.0, 4.0, 4.0, 4.0]


def test_when_all_are_in_trouble_whoever_is_ready_first_is_asked() -> None:
    models = lineup(OWN, SECOND)
    fail(models, 1, 0.0, TransientModelError("busy", retry_after=60.0))
    fail(models, 1, 0.0, TransientModelError("busy", retry_after=20.0))
    assert chosen(models) == ("second", 20.0)
    fail(models, 1, 20.0, TransientModelError("busy", retry_after=60.0))
    assert chosen(models) == ("own", 60.0)


def test_who_refuses_is_passed_over_and_the_first_refusal_counts() -> None:
    models = lineup(OWN, SECOND)
    models.refused(models.next(), refusal("the first"), 0.0)
    assert chosen(models) == ("second", 0.0)
    models.refused(models.next(), refusal("the second"), 0.0)
    with pytest.raises(ModelRefusedError, match="the first"):
        models.next()


def test_what_is_too_long_goes_to_a_larger_window_only() -> None:
    models = lineup(OWN, SECOND, LARGE)
    models.too_long(models.next(), ContextLengthError("too long"))
    assert chosen(models) == ("large", 0.0)
    models.too_long(models.next(), ContextLengthError("still too long"))
    with pytest.raises(ContextLengthError, match="too long"):
        models.next()


def test_what_nobody_takes_is_to_be_shortened_for_the_largest_window_that_is_left() -> None:
    models = lineup(LARGE, SMALL, SECOND)
    fail(models, 3, 0.0)
    for name in ("small", "second"):
        assert chosen(models) == (name, 0.0)
        models.too_long(models.next(), ContextLengthError(f"too long for {name}"))
    with pytest.raises(ContextLengthError, match="too long for second") as raised:
        models.next()
    assert raised.value.model == SECOND


def test_a_window_is_shared_by_the_request_and_its_answer() -> None:
    assert prompt_window(OWN.model_copy(update={"max_output_tokens": 500})) == 7500
    assert prompt_window(OWN) == 6000
    assert prompt_window(ModelChoice()) == 96_000
    assert prompt_window(OWN.model_copy(update={"max_output_tokens": 9000})) == 0


def test_what_is_too_long_is_sent_back_rather_than_to_wait_for_a_larger_model_that_is_down() -> None:
    models = lineup(OWN, LARGE)
    models.too_long(models.next(), ContextLengthError("too long"))
    fail(models, 3, 0.0)
    with pytest.raises(ContextLengthError):
        models.next()


def test_a_smaller_fallback_that_finds_it_too_long_does_not_end_the_waiting_for_nobody() -> None:
    models = lineup(LARGE, SECOND)
    fail(models, 3, 0.0)
    models.too_long(models.next(), ContextLengthError("too long for second"))
    with pytest.raises(ContextLengthError, match="too long for second"):
        models.next()


def test_trouble_is_remembered_for_a_while_and_forgotten_with_an_answer() -> None:
    standings = Standings()
    fail(lineup(OWN, SECOND, standings=standings), 3, 0.0)
    assert chosen(lineup(OWN, SECOND, standings=standings, now=5.0)) == ("second", 5.0)
    later = lineup(OWN, SECOND, standings=standings, now=REST_SECONDS + 0.1)
    assert chosen(later)[0] == "own"
    fail(later, 3, 40.0)
    assert chosen(lineup(OWN, SECOND, standings=standings, now=40.0 + REST_SECONDS + 0.1))[0] == "second"
    after = lineup(OWN, SECOND, standings=standings, now=40.0 + 2 * REST_SECONDS + 0.1)
    after.answered(after.next())
    fail(lineup(OWN, SECOND, standings=standings, now=200.0), 3, 200.0)
    assert chosen(lineup(OWN, SECOND, standings=standings, now=200.1 + REST_SECONDS))[0] == "own"


def test_rests_end_some_time_but_not_before_the_server_wishes() -> None:
    standings = Standings()
    for _ in range(20):
        standings.rests(OWN, "down", 0.0)
    assert standings.trouble(OWN, LONGEST_REST_SECONDS - 1) == "down"
    assert not standings.trouble(OWN, LONGEST_REST_SECONDS)
    standings.rests(SECOND, "busy", 0.0, at_least=3600.0)
    assert standings.trouble(SECOND, 3599.0) == "busy"


def test_who_rests_is_asked_when_nobody_else_is_left() -> None:
    standings = Standings()
    standings.rests(OWN, "down", 0.0)
    models = lineup(OWN, SECOND, standings=standings, now=1.0)
    models.refused(models.next(), refusal(), 1.0)
    assert chosen(models) == ("own", 1.0)


def test_the_only_model_never_rests() -> None:
    standings = Standings()
    standings.rests(OWN, "down", 0.0)
    assert not lineup(OWN, standings=standings, now=1.0).next().spent
