"""Why an agent cannot answer yet: what its Agent says where the gateway knows too little."""

import asyncio
from typing import Any, Final

from horos.errors import HorosError, NotFoundError
from horos.session import Session
from horos_api.conditions import Reason

KNOWN_SECONDS: Final = 20.0
"""How long an Agent that was applied a moment ago is waited for."""
_ON_ITS_WAY: Final = (Reason.STARTING, Reason.QUEUED)
_LOOK_SECONDS: Final = 0.5
_NOT_SEEN: Final = "the operator has not looked at it yet; when this stays so, look at the operator's pod"


async def known_agent(session: Session, name: str) -> dict[str, Any]:
    """Get an agent as the gateway knows it; an Agent that it does not know yet is waited for.

    Raises NotFoundError when there is no such Agent, or when it cannot be known, with the cause.
    """
    deadline = asyncio.get_running_loop().time() + KNOWN_SECONDS
    while True:
        try:
            return await session.client.agent(name)
        except NotFoundError as error:
            manifest = await manifest_of(session, name)
            if manifest is None:
                raise
            if _is_refused(manifest) or asyncio.get_running_loop().time() >= deadline:
                raise NotFoundError(f"agent {name} takes no messages: {why_not_ready(manifest)}") from error
        await asyncio.sleep(_LOOK_SECONDS)


async def why_waiting(session: Session, live: dict[str, Any]) -> str:
    """Say what is wrong with an agent that has no pod; '' when it has one, gets one, or says so itself."""
    if live["resident"] or live["state"] not in ("idle", "running"):
        return ""
    manifest = await manifest_of(session, live["name"])
    why = why_not_ready(manifest) if manifest else ""
    return "" if why.startswith(_ON_ITS_WAY) else why


async def manifest_of(session: Session, name: str) -> dict[str, Any] | None:
    """Read the Agent itself; None without a cluster, without the right to, or when there is none."""
    if session.kube is None:
        return None
    # Only needed on the way that has loaded the Kubernetes client already.
    from horos.proxy import read_agent  # noqa: PLC0415

    try:
        return await read_agent(session.kube, session.namespace, name)
    except HorosError:
        return None


async def manifests_of(session: Session) -> list[dict[str, Any]]:
    """Read all Agents of the namespace; none without a cluster or without the right to."""
    if session.kube is None:
        return []
    from horos.proxy import read_agents  # noqa: PLC0415 - as above

    try:
        return await read_agents(session.kube, session.namespace)
    except HorosError:
        return []


def why_not_ready(manifest: dict[str, Any]) -> str:
    """Read from an Agent's conditions what keeps it from answering; '' when nothing does."""
    told = _conditions(manifest)
    for kind in ("Accepted", "Ready"):
        one = told.get(kind)
        if one is None:
            return _NOT_SEEN
        if one["status"] != "True":
            return ": ".join(part for part in (one.get("reason"), one.get("message")) if part)
    return ""


def _is_refused(manifest: dict[str, Any]) -> bool:
    """Whether waiting is in vain: the operator has looked and said no (a deletion is one of its reasons)."""
    return bool(_conditions(manifest).get("Accepted", {}).get("status") == "False")


def _conditions(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["type"]: one for one in (manifest.get("status") or {}).get("conditions") or ()}
