"""The Redis of `horos run`: the wheel's or the machine's, repaired, started again, never left behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from horos.errors import RefusedError
from horos.local.folder import data_folder
from horos.local.redis_server import RedisServer, find_server
from horos_bus.connection import Bus
from tests.redis_fixtures import system_redis

SECONDS = 60.0
TWO_WRITES = "redis.call('SET', KEYS[1], 'half') redis.call('SET', KEYS[2], 'whole')"


@pytest.fixture(params=["wheel", "machine"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each server that a person may have, as the one that is found."""
    program = system_redis()
    assert program is not None
    monkeypatch.setenv("PATH", f"{Path(program).parent}:{os.environ['PATH']}")
    if request.param == "machine":
        monkeypatch.setattr(sys, "path", [each for each in sys.path if "site-packages" not in each])
        return program
    return str(Path(sys.prefix))


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[tuple[RedisServer, Bus, list[str]]]:
    said: list[str] = []
    with data_folder(path) as folder:
        redis = await RedisServer.start(folder, said.append)
        bus = Bus.open(redis.url, "")
        keeping = asyncio.ensure_future(redis.keep())
        try:
            yield redis, bus, said
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})
            await bus.aclose()
            await redis.stop()


async def until(what: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await what():  # noqa: ASYNC110 - Redis tells nobody that it is back
            await asyncio.sleep(0.02)


def process_of(path: Path) -> int:
    """The process that has Redis' folder as its own."""
    [found] = [
        int(each.name)
        for each in Path("/proc").iterdir()
        if each.name.isdecimal() and _works_in(each) == path / "redis"
    ]
    return found


def _works_in(process: Path) -> Path | None:
    try:
        return (process / "cwd").readlink()
    except OSError:
        return None


async def test_a_second_start_remembers(tmp_path: Path, server: str) -> None:
    assert find_server(tmp_path).startswith(server)
    async with running(tmp_path) as (_, bus, _):
        await bus.command("SET", "a", "1")
        await bus.command("ACL", "SETUSER", "of-a-namespace", "on", ">its-password", "~a*", "+get")
        await bus.command("ACL", "SAVE")
    async with running(tmp_path) as (redis, bus, said):
        assert await bus.command("GET", "a") == b"1"
        theirs = redis.url.replace("redis://:", "redis://of-a-namespace:").replace(
            redis.url.split(":")[2].split("@")[0], "its-password"
        )
        own = Bus.open(theirs, "")
        assert await own.command("GET", "a") == b"1"
        await own.aclose()
        assert said == []


async def test_a_server_that_is_killed_is_started_again_at_the_same_place(tmp_path: Path) -> None:
    async with running(tmp_path) as (redis, bus, said):
        await bus.command("SET", "a", "1")
        before, url = process_of(tmp_path), redis.url
        os.kill(before, signal.SIGKILL)

        async def again() -> bool:
            return bool(said) and await bus.command("GET", "a") == b"1"

        await until(again)
        assert (redis.url, said) == (url, ["Redis ended by itself (status -9) and is started again"])


def stored_log(path: Path) -> Path:
    redis = path / "redis"
    [log] = [*redis.glob("appendonly.aof"), *redis.glob("appendonlydir/*.incr.aof")]
    return log


async def test_half_a_script_never_comes_back(tmp_path: Path, server: str) -> None:
    async with running(tmp_path) as (_, bus, _):
        await bus.command("EVAL", TWO_WRITES, "2", "first", "second")
    log = stored_log(tmp_path)
    stored = log.read_bytes()
    log.write_bytes(stored[: stored.rindex(b"whole")])
    for _ in range(2):
        async with running(tmp_path) as (_, bus, _):
            assert [await bus.command("GET", key) for key in ("first", "second")] == [None, None]
            await bus.command("SET", "after", "1")


async def test_what_is_cut_off_is_kept_and_told(tmp_path: Path, server: str) -> None:
    async with running(tmp_path) as (_, bus, _):
        for number in range(100):
            await bus.command("SET", f"key-{number}", "x" * 100)
    log = stored_log(tmp_path)
    damaged = bytearray(log.read_bytes())
    damaged[2000:2200] = b"?" * 200
    log.write_bytes(damaged)
    async with running(tmp_path) as (_, bus, said):
        assert await bus.command("GET", "key-0") == b"x" * 100
        assert await bus.command("GET", "key-99") is None
    [copy] = log.parent.glob("*.damaged-*")
    assert copy.read_bytes() == damaged
    [words] = said
    assert words.startswith("Redis' log was damaged: its last ")
    assert words.endswith(str(copy))


async def test_what_cannot_be_mended_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of several files is damaged, as only a newer Redis has them."""
    monkeypatch.setattr(sys, "path", [each for each in sys.path if "site-packages" not in each])
    monkeypatch.setenv("PATH", str(Path(system_redis() or "").parent))
    async with running(tmp_path) as (_, bus, _):
        await bus.command("SET", "a", "1")
    [base] = (tmp_path / "redis").glob("appendonlydir/*.base.rdb")
    base.write_bytes(b"?" * 100)
    with pytest.raises(RefusedError, match="is damaged, and not only at its end"):
        async with running(tmp_path):
            pass
    assert base.read_bytes() == b"?" * 100


async def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from tests.run.test_redis_server import running\n"
        "async def main():\n"
        "    async with running(Path(sys.argv[1])) as (redis, bus, _):\n"
        "        await bus.command('SET', 'a', '1')\n"
        "        print('runs', flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert starter.stdout
    assert await asyncio.wait_for(starter.stdout.readline(), SECONDS) == b"runs\n"
    process = process_of(tmp_path)
    starter.kill()
    await starter.wait()
    # The next run waits for it, since it holds the folder's lock.
    async with running(tmp_path) as (_, bus, _):
        assert await bus.command("GET", "a") == b"1"
        assert process_of(tmp_path) != process


def test_a_server_that_cannot_read_what_is_stored_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RefusedError, match=r"Redis 7 or newer is needed to read what .* is version 6"):
        find_server(tmp_path)


def test_without_any_server_the_person_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(RefusedError, match=r"install horos\[local\].* or redis-server of your system"):
        find_server(tmp_path)
