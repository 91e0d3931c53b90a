"""What all turns of a runtime work with, and the ways in which a turn can stop that are no answer."""

import asyncio
from dataclasses import dataclass

from horos_api.resources import AgentSpec
from horos_bus.group_reading import GroupReading
from horos_bus.message_service import MessageService
from horos_bus.records import Ending
from horos_runtime.context_manager import ContextManager
from horos_runtime.day_budget import DayBudget
from horos_runtime.delta_publisher import DeltaPublisher
from horos_runtime.health import Pulse
from horos_runtime.meter import Meter
from horos_runtime.model_round import ModelRound
from horos_runtime.patience import Patience
from horos_runtime.records import Record


class InterruptedTurnError(Exception):
    """The runtime is asked to stop; the turn stays open for the next incarnation."""


@dataclass(frozen=True)
class Desk:
    """What all turns of a runtime work with."""

    messages: MessageService
    groups: GroupReading
    patience: Patience
    contexts: ContextManager
    model: ModelRound
    meter: Meter
    publisher: DeltaPublisher
    pulse: Pulse
    stopping: asyncio.Event
    agent: str
    token: str

    def day_budget(self, turn: str, spec: AgentSpec) -> DayBudget:
        """Say what the models of one turn may still use today."""
        return DayBudget(self.messages, self.patience, self.meter, turn, spec)


@dataclass(frozen=True)
class Answer:
    """How a turn ends: the last records, and what whoever asked is told."""

    records: tuple[Record, ...]
    ending: Ending
