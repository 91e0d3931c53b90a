"""A minute of random kills; `make soak KILLS=500` is the long way."""

import pytest

from tests.crash.soak import soak

KILLS = 100


async def test_a_growing_history_survives_random_kills(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_DATA", "")
    assert await soak("pytest", KILLS) == 0, capsys.readouterr().out
    assert capsys.readouterr().out == f"soak: {KILLS} kills, 0 lost, 0 repeated, 0 illegal\n"
