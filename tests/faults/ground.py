"""Where runs happen one after the other: a namespace that is cleared after each, and removed in the end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from tests.faults.api import MERGE, Api, ApiError
from tests.faults.recorder import PATHS

CLEAR_SECONDS: Final = 60.0


@contextlib.asynccontextmanager
async def namespace(api: Api, name: str) -> AsyncIterator[str]:
    """Have a namespace in which pods may be made beside the block."""
    await api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    try:
        async with asyncio.timeout(CLEAR_SECONDS):
            # Pods are refused until it is there.
            while await api.find(f"/api/v1/namespaces/{name}/serviceaccounts/default") is None:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        yield name
    finally:
        with contextlib.suppress(ApiError):
            await clear(api, name)
        await api.remove(f"/api/v1/namespaces/{name}")


async def clear(api: Api, name: str) -> None:
    """Remove everything that a run leaves, whatever state it is in; returns when it is gone."""
    async with asyncio.timeout(CLEAR_SECONDS):
        while await _clear_once(api, name):  # noqa: ASYNC110 - it happens elsewhere
            await asyncio.sleep(0.1)


async def _clear_once(api: Api, name: str) -> int:
    """Ask for all of it to go; returns how much there was."""
    there = 0
    for kind, group in PATHS.items():
        path = f"{group}/namespaces/{name}/{kind}"
        found = await api.find(path)
        for item in found["items"] if found else ():
            there += 1
            one = f"{path}/{item['metadata']['name']}"
            if item["metadata"].get("finalizers"):
                with contextlib.suppress(ApiError):
                    await api.ask("PATCH", one, {"metadata": {"finalizers": None}}, MERGE)
            await api.remove(one, force=True)
    return there


async def ensure_priority_class(api: Api, name: str) -> None:
    """Have the class that the quota is scoped by; the chart's, where it is installed."""
    path = "/apis/scheduling.k8s.io/v1/priorityclasses"
    if await api.find(f"{path}/{name}") is None:
        await api.ask("POST", path, {"metadata": {"name": name}, "value": 0, "preemptionPolicy": "Never"})
