"""How much an agent may use: the part of its spec that limits turns, days and families."""

from typing import Annotated, Final

from pydantic import Field

from horos_api.fields import NOT_TEXT, ApiModel, WholeNumber
from horos_api.money import DECIMAL

MOST_DEPTH: Final = 16
"""How many generations anybody may allow below it."""


class BudgetSpec(ApiModel):
    """How much a turn, a day and a family may use, and how long a request may stay unanswered."""

    tool_rounds: WholeNumber = Field(
        25, ge=1, le=1000, description="How often one turn may go back to the model with results of tools."
    )
    turn_seconds: WholeNumber = Field(
        600, ge=1, le=86_400, description="How many seconds one turn may take, model and tools together."
    )
    tokens_per_day: Annotated[int, Field(ge=1, le=10**12), NOT_TEXT] | None = Field(
        None,
        description=(
            "How many tokens models may read and write for the agent in one day (UTC). Looked at before each"
            " call: whoever asks for more is told when the next day begins."
        ),
    )
    cost_per_day: str | None = Field(
        None,
        pattern=DECIMAL,
        description=(
            "How much the agent's models may cost in one day (UTC), a decimal number as text, in the currency"
            " of pricePerMillionTokens in its ModelConfig. Looked at before each call."
        ),
    )
    request_seconds: WholeNumber = Field(
        3600,
        ge=1,
        le=2_592_000,
        description="How many seconds a request may stay unanswered before it ends with an error.",
    )
    children: WholeNumber = Field(
        8,
        ge=0,
        le=1000,
        description="How many children the agent may have at a time; ended ones do not count.",
    )
    depth: WholeNumber = Field(
        3,
        ge=0,
        le=MOST_DEPTH,
        description="How many generations may live below the agent: 1 allows children and no grandchildren.",
    )
