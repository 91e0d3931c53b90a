"""`horos run` as a person's process, with the scripted model as the model of all that say none."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.model_fixtures import ScriptedModel
from tests.person.stage import HOROS, Done, environment

PROJECT = Path(__file__).parents[2]
SECONDS = 120.0


@dataclass
class Society:
    """A running `horos run`: what it prints is read line by line."""

    process: asyncio.subprocess.Process
    folder: Path
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    async def says(self, wanted: str) -> str:
        """Read standard error until a line has the text."""
        assert self.process.stderr
        async with asyncio.timeout(SECONDS):
            while line := (await self.process.stderr.readline()).decode():
                self.err.append(line)
                if wanted in line:
                    return line
        raise AssertionError(f"ended before {wanted!r}: {''.join(self.err)} {await self.end()}")

    async def tells(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read standard output, events as JSON, until one fits."""
        assert self.process.stdout
        async with asyncio.timeout(SECONDS):
            while line := (await self.process.stdout.readline()).decode():
                self.out.append(line)
                event: dict[str, Any] = json.loads(line)
                if wanted(event):
                    return event
        raise AssertionError(f"ended before the event: {''.join(self.out)} {await self.end()}")

    async def horos(self, *arguments: str) -> Done:
        """Run another command against it, as the variables in its folder say."""
        script = '. "$1"/env; shift; exec "$@"'
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", script, "sh", str(self.folder), str(HOROS), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
        )
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
        return Done(process.returncode or 0, out.decode(), err.decode())

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    async def end(self) -> Done:
        """Wait for its end."""
        async with asyncio.timeout(SECONDS):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return Done(
            self.process.returncode, "".join(self.out) + out.decode(), "".join(self.err) + err.decode()
        )


@dataclass
class Workshop:
    """A folder to run things in, and the model that answers."""

    path: Path
    model: ScriptedModel
    running: list[Society] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.path / ".horos"

    def write(self, text: str, name: str = "agents.yaml") -> str:
        """Write a file of manifests."""
        (self.path / name).write_text(text)
        return str(self.path / name)

    async def start(self, *arguments: str, **variables: str) -> Society:
        """Start `horos run` here; the scripted model answers unless the arguments say another."""
        model = ["--model-url", self.model.base_url, "--model-name", "scripted"]
        words = [*arguments, *([] if "--model-url" in arguments else model)]
        return await self.start_bare(*words, **variables)

    async def start_bare(self, *arguments: str, **variables: str) -> Society:
        """Start `horos run` with these arguments alone."""
        process = await asyncio.create_subprocess_exec(
            *(str(HOROS), "run", *arguments),
            cwd=self.path,
            env=environment(**variables),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        society = Society(process, self.data)
        self.running.append(society)
        return society

    async def run(self, *arguments: str, **variables: str) -> Done:
        """Run it to its end."""
        return await (await self.start(*arguments, **variables)).end()


def children_in(folder: Path) -> Mapping[int, str]:
    """The processes of this machine that work in a folder or below, or were told of it."""
    found = {}
    for each in Path("/proc").iterdir():
        if not each.name.isdecimal() or int(each.name) == os.getpid():
            continue
        try:
            told = (each / "cmdline").read_bytes() + (each / "environ").read_bytes()
            cwd = (each / "cwd").readlink()
        except OSError:
            continue
        if str(folder).encode() in told or cwd.is_relative_to(folder):
            found[int(each.name)] = str(each)
    return found


@pytest.fixture
async def workshop(tmp_path: Path, scripted_model: ScriptedModel) -> AsyncIterator[Workshop]:
    made = Workshop(tmp_path, scripted_model)
    yield made
    for each in made.running:
        if each.process.returncode is None:
            each.process.kill()
            await each.process.wait()
