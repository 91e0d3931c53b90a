"""Who is asked next: the agent's own model first, its fallbacks when that does not answer; pure.

- A model that is down, busy or breaks off is tried three times, with waits between; when it is silent, or
  wants a longer wait than ten seconds, the next is asked at once. A lone one is tried until the turn
  has no time left.
- A model that refuses (wrong key, no such model) is not tried again in the round.
- A request that is too long is offered to a model with a larger window, if one is left; if none is, whoever
  asks has to shorten it for the largest of those that found it too long.
- Who was in trouble rests for half a minute, then longer: later rounds ask the others first, without waiting.
- When everybody is in trouble, whoever may be asked first is; when all refuse, the first refusal counts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from horos_api.model_choice import ModelChoice
from horos_runtime.model_errors import ContextLengthError, ModelError, ModelRefusedError, TransientModelError
from horos_runtime.pace import Backoff

TRIES: Final = 3
LONG_SECONDS: Final = 10.0
"""A wait that is longer is not worth it while another model may answer."""
REST_SECONDS: Final = 30.0
LONGEST_REST_SECONDS: Final = 300.0
DEFAULT_WINDOW_TOKENS: Final = 128_000


@dataclass(frozen=True)
class _Rest:
    until: float
    seconds: float
    why: str


class Standings:
    """Which models were in trouble lately; lives as long as the runtime. Times are the event loop's."""

    def __init__(self) -> None:
        self._rests: dict[ModelChoice, _Rest] = {}

    def trouble(self, model: ModelChoice, now: float) -> str:
        """Say why a model should rest now; empty when it should not."""
        rest = self._rests.get(model)
        return rest.why if rest and rest.until > now else ""

    def rests(self, model: ModelChoice, why: str, now: float, at_least: float = 0.0) -> None:
        """Note trouble: the next rest is twice as long, until the model has answered."""
        before = self._rests.get(model)
        seconds = min(before.seconds * 2, LONGEST_REST_SECONDS) if before else REST_SECONDS
        self._rests[model] = _Rest(now + max(seconds, at_least), seconds, why)

    def answered(self, model: ModelChoice) -> None:
        """Forget the trouble of a model."""
        self._rests.pop(model, None)


@dataclass(eq=False)
class Contender:
    """One model in one round; `ready_at` is when it may be asked, `trouble` what went wrong last."""

    model: ModelChoice
    waits: Iterator[float]
    ready_at: float
    trouble: str = ""
    tries: int = 0
    spent: bool = False
    """It has had its tries, or should rest: the others come first."""
    refusal: ModelError | None = None


class Lineup:
    """The models of one round, in the order of the spec."""

    def __init__(
        self, models: Sequence[ModelChoice], standings: Standings, backoff: Backoff, now: float
    ) -> None:
        self._standings = standings
        self.contenders = [Contender(model, backoff.waits(), now) for model in models]
        self.trouble = "the model had not answered"
        """What went wrong last."""
        if len(self.contenders) > 1:
            for contender in self.contenders:
                contender.trouble = standings.trouble(contender.model, now)
                contender.spent = bool(contender.trouble)

    def next(self) -> Contender:
        """Choose who is asked, when it is ready.

        Raises ContextLengthError when nobody else takes what was too long for one, that of the largest
        window, and the first model's refusal when all refuse.
        """
        willing = [contender for contender in self.contenders if contender.refusal is None]
        if fresh := [contender for contender in willing if not contender.spent]:
            return fresh[0]
        refusals = [found.refusal for found in self.contenders if found.refusal is not None]
        if too_long := [error for error in refusals if isinstance(error, ContextLengthError)]:
            raise max(too_long, key=lambda error: window_of(error.model) if error.model else 0)
        if not willing:
            raise refusals[0]
        return min(willing, key=lambda contender: contender.ready_at)

    def failed(self, contender: Contender, error: TransientModelError, now: float) -> None:
        """Note that a model did not answer: it waits, and after some tries it rests."""
        wait = max(next(contender.waits), error.retry_after or 0.0)
        self._note(contender, error)
        contender.tries += 1
        contender.ready_at = now + wait
        hopeless = contender.tries >= TRIES or wait > LONG_SECONDS or error.silent
        if hopeless and not contender.spent:
            contender.spent = True
            self._standings.rests(contender.model, contender.trouble, now, wait)

    def refused(self, contender: Contender, error: ModelRefusedError, now: float) -> None:
        """Note that a model refuses: it is out of this round."""
        self._note(contender, error)
        contender.refusal = error
        self._standings.rests(contender.model, contender.trouble, now)

    def too_long(self, contender: Contender, error: ContextLengthError) -> None:
        """Note that a request is too long for a model, and so for all with no larger window."""
        self._note(contender, error)
        error.model = contender.model
        for found in self.contenders:
            if found.refusal is None and window_of(found.model) <= window_of(contender.model):
                found.refusal = error

    def answered(self, contender: Contender) -> None:
        """Note that a model is well."""
        self._standings.answered(contender.model)

    def _note(self, contender: Contender, error: ModelError) -> None:
        contender.trouble = self.trouble = str(error)


def window_of(model: ModelChoice) -> int:
    """Say how many of its tokens a model takes at once."""
    return model.context_window_tokens or DEFAULT_WINDOW_TOKENS


def prompt_window(model: ModelChoice) -> int:
    """Say how many of them a request may have; the rest is for the answer."""
    return max(0, window_of(model) - (model.max_output_tokens or window_of(model) // 4))
