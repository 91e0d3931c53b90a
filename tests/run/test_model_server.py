"""The local model of `horos run`: a process of its own, which comes back when it dies."""

import asyncio
import os
import signal
from pathlib import Path

import httpx2

from horos.local.folder import data_folder
from horos.local.model_server import DefaultModel, ModelServer
from tests.run.conftest import children_in

SECONDS = 120.0


async def asked(model: DefaultModel) -> int:
    """Ask for a few words; returns the status of the answer."""
    body = {"model": model.name, "max_tokens": 4, "messages": [{"role": "user", "content": "Hi"}]}
    async with httpx2.AsyncClient(timeout=SECONDS) as client:
        return (await client.post(f"{model.base_url}/chat/completions", json=body)).status_code


async def test_a_model_that_is_killed_is_started_again_at_the_same_place(tmp_path: Path) -> None:
    told = asyncio.Event()
    said: list[str] = []

    def tell(line: str) -> None:
        said.append(line)
        told.set()

    with data_folder(tmp_path) as folder:
        server = await ModelServer.start(folder, tell)
        before = server.model
        [process] = children_in(tmp_path)
        keeping = asyncio.ensure_future(server.keep())
        try:
            os.kill(process, signal.SIGKILL)
            async with asyncio.timeout(SECONDS):
                await told.wait()
                while not await answers(before):  # noqa: ASYNC110 - nobody tells that it listens
                    await asyncio.sleep(0.05)
            assert server.model == before
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})
            await server.stop()
    assert said == ["the local model ended by itself (status -9) and is started again"]
    assert not children_in(tmp_path)


async def answers(model: DefaultModel) -> bool:
    try:
        return await asked(model) == 200
    except httpx2.TransportError:
        return False
