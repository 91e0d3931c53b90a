"""A power loss tears the append-only file inside a script's writes: none of them may come back, ever."""

import os
from pathlib import Path

import pytest

from horos_bus.connection import Bus
from tests.redis_fixtures import RedisProcess, fresh_prefix, system_redis

START_REDIS = Path(__file__).parents[2] / "redis_image" / "start-redis"
TWO_WRITES = "redis.call('SET', KEYS[1], 'half') redis.call('SET', KEYS[2], 'whole')"


async def contents(server: RedisProcess, prefix: str) -> dict[str, object]:
    bus = Bus.open(server.url, prefix)
    found = {name: await bus.command("GET", prefix + name) for name in ("before", "first", "second", "after")}
    await bus.aclose()
    return found


async def write(server: RedisProcess, *words: str) -> None:
    bus = Bus.open(server.url, "")
    await bus.command(*words)
    await bus.aclose()


def tear(folder: Path) -> None:
    """Cut the file inside the last command of the last script, as if its end had not reached the disk."""
    [newest] = (folder / "appendonlydir").glob("*.incr.aof")
    data = newest.read_bytes()
    assert data.endswith(b"*1\r\n$4\r\nEXEC\r\n"), data[-80:]
    newest.write_bytes(data[: data.rindex(b"whole")])


async def test_half_a_script_never_comes_back(
    redis_process: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix, folder = fresh_prefix(), redis_process.folder
    await write(redis_process, "SET", f"{prefix}before", "1")
    await write(redis_process, "EVAL", TWO_WRITES, "2", f"{prefix}first", f"{prefix}second")
    redis_process.stop()
    tear(folder)
    monkeypatch.setenv("REDIS_DATA", str(folder))
    # The programs of this server's version, before those that a wheel brings.
    monkeypatch.setenv("PATH", str(Path(system_redis() or "").parent), prepend=os.pathsep)
    repaired = RedisProcess(folder, str(START_REDIS))
    try:
        repaired.start()
        kept = {"before": b"1", "first": None, "second": None, "after": None}
        assert await contents(repaired, prefix) == kept
        await write(repaired, "SET", f"{prefix}after", "2")
        # An open MULTI that stayed in the file would swallow this write, or run with it at the next start.
        repaired.restart()
        assert await contents(repaired, prefix) == {**kept, "after": b"2"}
    finally:
        repaired.stop()
