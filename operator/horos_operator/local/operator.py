"""LocalOperator: the operator's loops over a LocalCluster, for one process and one folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from horos_operator.settings import Settings


class FolderInUseError(Exception):
    """Another process runs agents from this folder, or agents that it left are still ending."""


class FolderUnusableError(Exception):
    """The folder cannot be made, read or written; the message names it and says why."""


def local_settings(redis_url: str, **fields: Any) -> Settings:
    """Build the settings of an operator without a cluster.

    `fields` are those of Settings that differ: `model_name`, `model_base_url`, `model_context_window_tokens`..;
    `install` (part of every Redis key) is `local` and `namespace` `default` unless they say otherwise.
    """
    raise NotImplementedError


class LocalOperator:
    """Runs what the folder's objects ask for, until it is closed.

        async with LocalOperator(local_settings(redis_url), Path(".horos"), redis_url) as operator:
            await operator.apply(documents)

    Redis must answer, and may go and come back. Entering raises FolderInUseError and FolderUnusableError;
    what an earlier process left in the folder goes on at once.
    """

    def __init__(self, settings: Settings, folder: Path, redis_url: str) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def apply(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Create or change objects as `kubectl apply` does: kinds of horos.dev, Secret, ConfigMap.

        All documents are checked before the first is stored, so that bad input changes nothing. Raises
        RefusedError, whose message has one line for each problem: which document, field, value, expectation.
        Fields of an earlier `apply` that a document has no more are removed; what others set stays.
        """
        raise NotImplementedError

    async def delete(self, kind: str, namespace: str, name: str) -> bool:
        """Delete an object and what it owns, in the background as the API server does; False: none there."""
        raise NotImplementedError

    def problems(self) -> dict[str, str]:
        """What keeps agents from working now: `namespace/name` to the message of the condition that says so.

        Of an Agent that is not Accepted, or not Ready for a reason that is no mere waiting for its process.
        """
        raise NotImplementedError

    async def aclose(self) -> None:
        """Stop deciding, let each agent's process leave (SIGTERM, killed after 10 s), give the folder back.

        Nothing is deleted: another LocalOperator on the folder goes on from there.
        """
        raise NotImplementedError
