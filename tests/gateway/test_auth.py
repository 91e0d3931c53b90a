import httpx2
import pytest

from tests.gateway.conftest import TOKEN
from tests.gateway.test_messages import refused

BASE = "/api/v1/namespaces/x/agents"


@pytest.mark.parametrize(
    "path",
    [
        BASE,
        f"{BASE}/ada",
        f"{BASE}/ada/events",
        f"{BASE}/Bad",
        f"{BASE}/ada/approvals",
        f"{BASE}/ada/servers",
        "/api/v1/namespaces/x/approvals",
        "/api/v1/openapi.json",
    ],
)
@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "show the token"),
        ({"Authorization": f"Basic {TOKEN}"}, "show the token"),
        ({"Authorization": "Bearer"}, "show the token"),
        ({"Authorization": f"Bearer {TOKEN}x"}, "not the gateway's"),
        ({"X-Horos-Authorization": "Bearer wrong"}, "not the gateway's"),
        ({"X-Horos-Authorization": "Bearer wrong", "Authorization": f"Bearer {TOKEN}"}, "not the gateway's"),
    ],
)
async def test_nothing_is_told_without_the_token(gateway, path, headers, said):
    async with httpx2.AsyncClient(verify=False, base_url=gateway, headers=headers) as http:
        answer = await http.get(path)
    refused(answer, 401, "unauthorized", "", said)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert TOKEN not in answer.text


@pytest.mark.parametrize("header", ["Authorization", "X-Horos-Authorization"])
async def test_the_token_may_come_in_either_header(gateway, header):
    async with httpx2.AsyncClient(
        verify=False, base_url=gateway, headers={header: f"bearer {TOKEN}"}
    ) as http:
        assert (await http.get(BASE)).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_need_no_token(gateway, path):
    async with httpx2.AsyncClient(verify=False, base_url=gateway) as http:
        assert (await http.get(path)).status_code == 200
