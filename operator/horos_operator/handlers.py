"""Kopf at the edge, the only file that knows it: watch events become cached facts and queued keys."""

import asyncio
import logging
import signal
from collections.abc import Mapping
from typing import Any, Final

import kopf

from horos_api.names import LABEL_COMPONENT
from horos_operator.watched import Tell, Watch, tellings

ERROR_BACKOFFS: Final = (1, 1, 2, 3, 5, 8, 13, 21, *(30,) * 2880)
"""A day of retries: with Kopf's own list the operator would end after 54 seconds without an API server."""

ENDING_SECONDS: Final = 10.0
"""How long Kopf may take to end: two seconds for events, five for what hangs."""
CANCELLED_AT_MOST: Final = 5

IDENTITY: Final[Any] = "horos-operator"
"""For Kopf's peering, which is off: else Kopf asks for the user's name, and a pod's 65532 has none."""

log = logging.getLogger("horos.operator")


async def watch(target: Watch, namespaces: tuple[str, ...], told: asyncio.Event) -> None:
    """Watch our kinds and agents' pods until `told` is set; `namespaces` empty means all of them.

    Raises whatever Kopf ends with, such as any error in a stream but 410, and may return before it is told.
    """
    others = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=_registry(target),
        settings=_settings(),
        standalone=True,
        identity=IDENTITY,
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=told,
    )
    # Kopf takes the signals for itself, and says to nobody whether it was a signal that has ended it.
    heed_signals(told)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        async with asyncio.timeout(ENDING_SECONDS):
            await kopf.run_tasks(tasks, ignored=others)
    finally:
        await _cancel(asyncio.all_tasks() - others)


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they end: in Python 3.11 some swallow the first time, and Kopf waits for ever."""
    for _ in range(CANCELLED_AT_MOST):
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=1)
    log.error("of the watches, %d tasks do not end", len(tasks))


def heed_signals(told: asyncio.Event) -> None:
    """Set `told` when the process is told to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)


class _NoBase(kopf.DiffBaseStorage):
    """Keeps no last state of objects, which only handlers that we do not have are told of.

    Kopf's own copies each object twice with every event, half of the operator's processor time.
    """

    def build(self, **_: Any) -> Any:
        """Extract nothing."""
        return {}

    def fetch(self, **_: Any) -> None:
        """Find nothing."""

    def store(self, **_: Any) -> None:
        """Store nothing."""


class _NoProgress(kopf.ProgressStorage):
    """Keeps no progress: handlers of events have none."""

    def fetch(self, **_: Any) -> None:
        """Find nothing."""

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """Nothing is there."""

    def touch(self, **_: Any) -> None:
        """Nothing is to be woken."""

    def clear(self, *, essence: Any) -> Any:
        """Nothing of ours is in it."""
        return essence


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.diffbase_storage, settings.persistence.progress_storage = _NoBase(), _NoProgress()
    settings.networking.error_backoffs = ERROR_BACKOFFS
    # Else Kopf kills the process ten minutes after it has ended, also when it was started again.
    settings.process.ultimate_exiting_timeout = None
    settings.watching.chunk_size = 500
    settings.watching.label_selectors["v1", "pods"] = f"{LABEL_COMPONENT}=agent"
    settings.watching.label_selectors["v1", "resourcequotas"] = f"{LABEL_COMPONENT}=quota"
    return settings


def _registry(target: Watch) -> kopf.OperatorRegistry:
    # A registry of our own: decorators on Kopf's global one would make this module stateful.
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    for (version, plural), tell in tellings(target).items():
        _register(registry, version, plural, tell)
    return registry


def _register(registry: kopf.OperatorRegistry, version: str, plural: str, tell: Tell) -> None:
    @kopf.on.event(version, plural, id=plural, registry=registry)
    async def on_event(event: Mapping[str, Any], **_: Any) -> None:
        tell(event["object"], event["type"] == "DELETED")
