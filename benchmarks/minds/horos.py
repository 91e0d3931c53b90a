"""horos: each turn a message to the runtime, another process, watched until the turn is committed."""

import itertools
import uuid

from benchmarks.minds.parts import Job, main
from benchmarks.runtimes import PREFIX
from horos_api.events import EventType
from horos_api.messages import NewMessage, SendOutcome
from horos_bus.connection import Bus
from horos_bus.event_stream import EventStream
from horos_bus.sender import send


class Horos:
    async def open(self, job: Job) -> None:
        bus = Bus.open(job.address, PREFIX)
        self._bus, self._events = bus, EventStream(bus)
        self._agent = job.agents[0]
        self._threads = (f"turn-{number}" for number in itertools.count())
        self._seen = "0"

    async def turn(self, text: str) -> str:
        """In a thread of its own, as the peers begin each turn without a history."""
        message = NewMessage(to=self._agent, body=text, mid=uuid.uuid4().hex, thread=next(self._threads))
        outcome = await send(self._bus, message)
        assert outcome is SendOutcome.OK, outcome
        said = ""
        while True:
            for stored in await self._events.read(self._agent, None, self._seen, 10):
                self._seen, event = stored.id, stored.event
                if event["type"] == EventType.TEXT_MESSAGE_START:
                    said = ""
                elif event["type"] == EventType.TEXT_MESSAGE_CONTENT:
                    said += event["delta"]
                elif event["type"] == EventType.RUN_FINISHED:
                    return said
                elif event["type"] == EventType.RUN_ERROR:
                    raise RuntimeError(event["message"])


if __name__ == "__main__":
    main(Horos)
