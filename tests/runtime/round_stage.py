"""A round of the model without a turn: the real client and publisher, and lists of what they said."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from horos_api.events import Event
from horos_api.model_choice import ModelChoice
from horos_runtime.delta_publisher import DeltaPublisher
from horos_runtime.health import Pulse
from horos_runtime.llm_client import LLMClient
from horos_runtime.model_errors import BudgetExhaustedError
from horos_runtime.model_round import ModelRound
from horos_runtime.model_try import Question
from horos_runtime.pace import Backoff
from horos_runtime.records import TokenUsage
from horos_runtime.stream_assembly import Step
from tests.model_fixtures import ScriptedModel
from tests.runtime.stage import shown_text, until

HELLO = [{"role": "user", "content": "hello"}]


@dataclass
class Ledger:
    """A budget that writes down what it was told, and forbids what comes after `calls` calls."""

    calls: int = 1000
    asked: list[tuple[str | None, int]] = field(default_factory=list)
    used: list[tuple[str | None, TokenUsage]] = field(default_factory=list)
    given_back: int = 0

    async def before(self, model: ModelChoice, prompt_tokens: int) -> None:
        if len(self.asked) >= self.calls:
            raise BudgetExhaustedError("all is spent until tomorrow")
        self.asked.append((model.name, prompt_tokens))

    async def unused(self) -> None:
        self.given_back += 1

    def after(self, model: ModelChoice, usage: TokenUsage) -> None:
        self.used.append((model.name, usage))


@dataclass
class Rounds:
    """Rounds against the scripted model."""

    model: ScriptedModel
    round: ModelRound
    publisher: DeltaPublisher
    events: list[Event] = field(default_factory=list)
    budget: Ledger = field(default_factory=Ledger)

    def choice(self, name: str = "own", **fields: Any) -> ModelChoice:
        """Name a model of the scripted server; replies choose by it with `match`."""
        return replace_choice(ModelChoice(name=name, base_url=self.model.base_url), fields)

    def question(self, *names: str, **fields: Any) -> Question:
        """Ask these models of the scripted server, by default one called `own`."""
        seconds = fields.pop("seconds", 20.0)
        question = Question(
            turn="t",
            message_id="t/1",
            messages=HELLO,
            models=[self.choice(name) for name in names or ("own",)],
            tools=[],
            deadline=asyncio.get_running_loop().time() + seconds,
            budget=self.budget,
        )
        return replace(question, **fields)

    async def ask(self, *names: str, **fields: Any) -> Step:
        return await self.round.ask(self.question(*names, **fields))

    async def shows(self, text: str) -> None:
        """Wait until watchers have read a text of the message."""

        async def there() -> bool:
            return shown_text(self.events, "t/1") == text

        await until(there)

    def named(self, name: str) -> list[Any]:
        """The values of the CUSTOM events of a name."""
        return [event["value"] for event in self.events if event.get("name") == name]

    async def ends_with(self, outcome: str, requests: int = 1) -> dict[str, Any]:
        """Wait until the server has seen the end of the newest request."""
        found: list[dict[str, Any]] = []

        async def there() -> bool:
            found[:] = await self.model.requests(at_least=requests)
            return bool(found[-1]["outcome"] == outcome)

        await until(there)
        return found[-1]


def replace_choice(choice: ModelChoice, fields: dict[str, Any]) -> ModelChoice:
    return choice.model_copy(update=fields)


@contextlib.asynccontextmanager
async def rounds_on(
    model: ScriptedModel, keys: Mapping[str, str] | None = None, silence_seconds: float = 60.0
) -> AsyncIterator[Rounds]:
    """Rounds with a client of their own, which is closed behind the block."""
    events: list[Event] = []

    async def emit(turn: str, published: Any) -> None:
        assert turn == "t"
        events.extend(published)

    publisher = DeltaPublisher(emit, 0.005)
    client = LLMClient(keys or {}, silence_seconds)
    writing = asyncio.create_task(publisher.run())
    try:
        model_round = ModelRound(client, publisher, Backoff(0.01, 0.05), Pulse())
        yield Rounds(model, model_round, publisher, events)
        await publisher.flush()
    finally:
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
        await client.aclose()
