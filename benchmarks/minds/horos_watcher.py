"""horos through its gateway: messages by POST, the answers from the agents' server-sent events."""

from collections.abc import AsyncIterator

import httpx2
import orjson

from benchmarks.minds.parts import Job, main
from benchmarks.runtimes import GATEWAY_TOKEN, NAMESPACE
from horos.sse import Comment, ServerEvent, SseParser
from horos_api.events import Event, EventType


class HorosWatcher:
    async def open(self, job: Job) -> None:
        self._http = httpx2.AsyncClient(
            base_url=f"{job.address}/api/v1/namespaces/{NAMESPACE}/agents",
            headers={"authorization": f"Bearer {GATEWAY_TOKEN}"},
            timeout=httpx2.Timeout(10, read=60),
            limits=httpx2.Limits(max_connections=None),
        )
        self._watched: dict[str, AsyncIterator[Event]] = {}

    async def stream(self, agent: str, text: str) -> AsyncIterator[str]:
        if agent not in self._watched:
            self._watched[agent] = await self._watch(agent)
        accepted = await self._http.post(f"/{agent}/messages", json={"text": text})
        accepted.raise_for_status()
        async for event in self._watched[agent]:
            if event["type"] == EventType.TEXT_MESSAGE_CONTENT:
                yield event["delta"]
            elif event["type"] == EventType.RUN_FINISHED:
                return
            elif event["type"] == EventType.RUN_ERROR:
                raise RuntimeError(event["message"])

    async def _watch(self, agent: str) -> AsyncIterator[Event]:
        """Open the agent's events, which then go on from turn to turn; returns once they are live."""
        asked = self._http.build_request("GET", f"/{agent}/events", headers={"accept": "text/event-stream"})
        response = await self._http.send(asked, stream=True)
        response.raise_for_status()
        parts = _parts(response)
        while not isinstance(await anext(parts), Comment):
            pass
        return _events(parts)


async def _parts(response: httpx2.Response) -> AsyncIterator[ServerEvent | Comment]:
    parser = SseParser()
    async for chunk in response.aiter_bytes():
        for part in parser.feed(chunk):
            yield part


async def _events(parts: AsyncIterator[ServerEvent | Comment]) -> AsyncIterator[Event]:
    async for part in parts:
        if not isinstance(part, Comment):
            yield orjson.loads(part.data)


if __name__ == "__main__":
    main(HorosWatcher)
