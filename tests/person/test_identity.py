"""Who is recorded with a decision: the user that the API server knows, or whom the command line names."""

import getpass
from pathlib import Path

import pytest
from pydantic import SecretStr

from horos_api.names import key_prefix
from horos_bus.connection import Bus
from horos_gateway.app import gateway_app
from horos_gateway.settings import Settings
from tests.asking_people import call_to_approve
from tests.person.conftest import TOKEN
from tests.person.front_door import FrontDoor
from tests.person.stage import Agent, horos
from tests.redis_fixtures import RedisProcess


@pytest.mark.parametrize(
    ("user", "given", "recorded"),
    [
        ("alice@example.org", {}, "alice@example.org"),
        ("alice@example.org", {"HOROS_WHO": "carol"}, "carol"),
        ("alice@example.org", {"HOROS_WHO": "carol", "--who": "bob"}, "bob"),
        ("", {}, getpass.getuser()),
    ],
)
async def test_a_decision_is_recorded_with_the_clusters_user(
    redis_server: RedisProcess, tmp_path: Path, user: str, given: dict[str, str], recorded: str
) -> None:
    install = f"identity-{len(recorded)}-{len(given)}"
    settings = Settings(redis_url=redis_server.url, install=install, token=SecretStr(TOKEN))
    door = FrontDoor(gateway_app(settings), TOKEN, user=user)
    bus = Bus.open(redis_server.url, key_prefix(install, "here"))
    ada = await Agent(bus, "ada").start()
    with door.kubeconfig(tmp_path) as kubeconfig:
        await horos("send", "ada", "Buy", "-n", "here", KUBECONFIG=kubeconfig)
        approval_id = await call_to_approve(ada.runtime, await ada.turn())
        said = ("--who", given["--who"]) if "--who" in given else ()
        variables = {name: value for name, value in given.items() if name.isupper()}
        done = await horos("approve", approval_id, *said, "-n", "here", KUBECONFIG=kubeconfig, **variables)
    assert done.code == 0, done.err
    (found,) = await ada.control.approvals("ada")
    assert (found.status, found.who) == ("approved", recorded)
    await ada.end()
    await ada.delete()
    await bus.aclose()
