"""What an answer to a deletion means: gone is gone, and a conflict is no deletion."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from horos_operator.cluster import OutdatedError
from horos_operator.kube.cluster import KubeCluster
from tests.controller.facts import pod, quota
from tests.controller.lease_server import serving


def application(status: int, there: dict[str, Any] | None) -> web.Application:
    """An API server that answers each deletion with a status, and holds one object, or none."""

    async def delete(_: web.Request) -> web.Response:
        reason = "Conflict" if status == 409 else "NotFound"
        return web.json_response({"kind": "Status", "reason": reason, "message": reason}, status=status)

    async def get(_: web.Request) -> web.Response:
        if there is None:
            return web.json_response({"kind": "Status", "reason": "NotFound"}, status=404)
        return web.json_response(there)

    made = web.Application()
    made.router.add_delete("/{path:.*}", delete)
    made.router.add_get("/{path:.*}", get)
    return made


@pytest.mark.parametrize(
    ("status", "there"), [(404, None), (409, None), (409, {"metadata": {"uid": "of-another"}})]
)
async def test_what_is_gone_or_another_one_is_no_more(
    tmp_path: Path, status: int, there: dict[str, Any] | None
) -> None:
    async with serving(application(status, there), tmp_path) as connection:
        await KubeCluster(connection).delete_pod(pod())
        await KubeCluster(connection).delete_quota(quota())


async def test_what_somebody_wrote_at_the_same_moment_is_still_there(tmp_path: Path) -> None:
    async with serving(application(409, {"metadata": {"uid": quota().uid}}), tmp_path) as connection:
        with pytest.raises(OutdatedError):
            await KubeCluster(connection).delete_quota(quota())
    async with serving(application(409, {"metadata": {"uid": pod().uid}}), tmp_path) as connection:
        with pytest.raises(OutdatedError):
            await KubeCluster(connection).delete_pod(pod())
