"""One story of agents, told by AgentManager in a cluster and on one machine: the same happens in both."""

import asyncio
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from horos import AgentManager, CreateAgentOptions
from horos_api.agent_state import AgentState
from horos_api.lifetimes import Lifetime
from horos_api.resources import Agent, AgentSpec, OperatingMode
from horos_operator.cluster import ClusterError, NameTakenError, OutdatedError, RefusedError
from horos_operator.local.files import FolderInUseError
from tests.redis_fixtures import RedisProcess

WORLDS = ["this machine", pytest.param("kubernetes", marks=pytest.mark.cluster)]
PATIENCE = 120.0


@pytest.fixture(params=WORLDS)
async def world(
    request: pytest.FixtureRequest, redis_server: RedisProcess, tmp_path: Path
) -> AsyncIterator[tuple[AgentManager, str]]:
    """A manager, and a namespace for its agents."""
    if request.param == "kubernetes":
        stage = request.getfixturevalue("settled")
        async with AgentManager.on_kubernetes(stage.name) as agents:
            yield agents, stage.name
    else:
        install = {"install": tmp_path.name}
        async with AgentManager.on_this_machine(tmp_path / "horos", redis_server.url, **install) as agents:
            yield agents, "default"


async def eventually(what: str, holds: Callable[[], Awaitable[Any]]) -> Any:
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                if found := await holds():
                    return found
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"after {PATIENCE:.0f} s still not: {what}")


async def test_the_life_of_a_parent_and_its_children(world: tuple[AgentManager, str]) -> None:
    agents, namespace = world
    mine = {"namespace": namespace}

    def options(name: str, **more: Any) -> CreateAgentOptions:
        return CreateAgentOptions(
            name=name, instructions="Lead.", spec=AgentSpec(idle_seconds=0), **mine, **more
        )

    lead = await agents.start(options("lead"))
    assert (lead.metadata.name, lead.spec.instructions, lead.spec.idle_seconds) == ("lead", "Lead.", 0)
    assert lead.metadata.uid and lead.metadata.finalizers == ("horos.dev/bus",)
    with pytest.raises(NameTakenError, match="already exists"):
        await agents.create(options("lead"))

    kid = await agents.start(options("kid", parent_name="lead", lifetime=Lifetime.TASK))
    assert (kid.spec.parent_name, kid.spec.lifetime) == ("lead", Lifetime.TASK)
    assert kid.metadata.labels["horos.dev/root"] == "lead"
    assert await _names(agents.children("lead", **mine)) == ["kid"]
    assert await _names(agents.children("kid", **mine)) == []
    assert {"kid", "lead"} <= set(await _names(agents.list(**mine)))

    stopped = await agents.stop("kid", seconds=PATIENCE, **mine)
    assert (stopped.spec.operating_mode, stopped.status.state) == (OperatingMode.SUSPENDED, AgentState.PAUSED)
    assert stopped.status.pod_name is None
    again = await agents.start(options("kid", parent_name="lead"))
    assert (again.metadata.uid, again.spec.operating_mode) == (kid.metadata.uid, OperatingMode.RUNNING)
    assert again.spec.lifetime == Lifetime.TASK, "one that is there is resumed as it is"

    paused = await agents.pause("lead", **mine)
    assert paused.spec.operating_mode == OperatingMode.SUSPENDED
    assert (await agents.resume("lead", **mine)).spec.operating_mode == OperatingMode.RUNNING

    assert (await agents.terminate("kid", **mine)).spec.operating_mode == OperatingMode.TERMINATED

    async def is_over() -> bool:
        return (await agents.get("kid", **mine)).status.state == AgentState.TERMINATED

    await eventually("kid is terminated", is_over)
    with pytest.raises(RefusedError, match="operatingMode: Terminated is final"):
        await agents.start(options("kid", parent_name="lead"))

    assert await agents.delete("lead", **mine)

    async def are_gone() -> bool:
        return {"lead", "kid"}.isdisjoint(await _names(agents.list(**mine)))

    await eventually("lead is gone, and its child with it", are_gone)
    assert not await agents.delete("lead", **mine)


async def _names(found: Awaitable[tuple[Agent, ...]]) -> list[str]:
    return [each.metadata.name for each in await found]


async def test_bad_input_is_named_in_both_worlds(world: tuple[AgentManager, str]) -> None:
    agents, namespace = world
    with pytest.raises(ValidationError, match="is not a DNS label"):
        await agents.create(CreateAgentOptions(name="Ada L.", namespace=namespace))
    with pytest.raises(ValidationError, match="an agent is not its own parent"):
        await agents.create(CreateAgentOptions(name="self", namespace=namespace, parent_name="self"))
    for ask in (agents.pause, agents.resume, agents.terminate, agents.stop, agents.get):
        with pytest.raises(OutdatedError, match='there is no Agent "nobody"'):
            await ask("nobody", namespace)
    orphan = CreateAgentOptions(name="orphan", namespace=namespace, parent_name="nobody")
    with pytest.raises(TimeoutError, match=r"orphan: after 4 s still: .*nobody"):
        await agents.start(orphan, seconds=4)
    assert await agents.delete("orphan", namespace)


async def test_the_example_of_its_docstring_runs(
    redis_server: RedisProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (AgentManager.__doc__ or "").splitlines()
    code = textwrap.dedent("\n".join(line for line in lines[1:] if line.startswith(" " * 8)))
    assert code.count('Path(".horos"), "redis://localhost:6379/0"') == 1
    code = code.replace('Path(".horos"), "redis://localhost:6379/0"', "folder, url, install=install")
    script = f"async def main(folder, url, install):\n{textwrap.indent(code, '    ')}"
    names: dict[str, Any] = {"AgentManager": AgentManager, "CreateAgentOptions": CreateAgentOptions}
    exec(script, names)
    await names["main"](tmp_path / "horos", redis_server.url, tmp_path.name)
    assert capsys.readouterr().out.splitlines() == ["ada idle"]


async def test_without_credentials_there_is_no_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ClusterError, match=r"kubeconfig .*none does not exist"):
        async with AgentManager.on_kubernetes():
            pass


async def test_a_folder_that_is_used_is_not_used_twice(redis_server: RedisProcess, tmp_path: Path) -> None:
    async with AgentManager.on_this_machine(tmp_path, redis_server.url, install=tmp_path.name):
        with pytest.raises(FolderInUseError):
            async with AgentManager.on_this_machine(tmp_path, redis_server.url):
                pass
    with pytest.raises(ValueError, match="model_base"):
        async with AgentManager.on_this_machine(tmp_path, redis_server.url, model_base="x"):
            pass
