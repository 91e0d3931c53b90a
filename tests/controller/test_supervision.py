"""What must not end: errors that nobody foresaw are told and outlived, a cancellation is obeyed."""

import asyncio
import logging

import pytest

from horos_operator import supervision
from horos_operator.supervision import guarded, without_end


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "REST_SECONDS", 0.0)


async def waits_for_what_is_cancelled() -> None:
    waited = asyncio.get_running_loop().create_future()
    waited.cancel()
    await waited


async def fails() -> None:
    raise KeyError("resourceVersion")


async def test_an_error_is_told_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    assert not await guarded("the sweep", fails)
    assert "the sweep has ended with an error that nobody foresaw" in caplog.text
    assert "KeyError: 'resourceVersion'" in caplog.text


async def test_what_goes_well_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert await guarded("the sweep", lambda: asyncio.sleep(0))
    assert caplog.text == ""


async def test_the_end_of_what_it_waited_for_is_not_its_own(caplog: pytest.LogCaptureFixture) -> None:
    assert not await guarded("the election", waits_for_what_is_cancelled)
    assert "the election has ended, since what it waited for was cancelled" in caplog.text


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("ends", [fails, waits_for_what_is_cancelled, lambda: asyncio.sleep(0)])
async def test_whatever_it_ends_with_it_begins_again_until_it_is_cancelled(ends: supervision.Work) -> None:
    begun = 0
    third = asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            await ends()
        else:
            third.set()
            await asyncio.Event().wait()

    running = asyncio.create_task(without_end("a duty", work))
    async with asyncio.timeout(5):
        await third.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert begun == 3
