"""The simulator on the cluster: pods of a fake node live and end as their agents do."""

import pytest

from horos_api.messages import NewMessage
from horos_bus.sender import reply, send
from tests.bus.stage import until
from tests.e2e.cluster import eventually
from tests.simulator.world import World, agent_manifest

pytestmark = pytest.mark.cluster


async def test_agents_of_fake_pods_answer_and_their_pods_end_with_them(fake_world: World) -> None:
    (namespace,) = fake_world.namespaces
    names = [f"agent-{number}" for number in range(5)]
    fake_world.apply([agent_manifest(namespace.name, name, idleSeconds=0) for name in names])
    for name in names:
        namespace.until_ready(name)
    bus = fake_world.bus(namespace.name)
    try:
        for name in names:
            await send(bus, NewMessage(to=name, mid=f"mid-{name}", body="Hello", kind="request"))
        for name in names:

            async def answered(mid: str = f"mid-{name}") -> bool:
                return await reply(bus, mid) is not None

            await until(answered, seconds=30)
    finally:
        await bus.aclose()
    (pod,) = namespace.pods_of("agent-0")
    assert pod["spec"]["nodeName"] == "horos-fake-0"
    namespace.kubectl(
        "patch", "agent", "agent-0", "--type=merge", "-p", '{"spec":{"operatingMode":"Suspended"}}'
    )
    eventually("the suspended agent's pod is gone", lambda: not namespace.pods_of("agent-0"))
    before = pod_uid(namespace.pods_of("agent-1")[0])
    namespace.kubectl("delete", "pod", "-l", "horos.dev/agent=agent-1")
    eventually("agent-1 has another pod", lambda: pod_uid(namespace.pods_of("agent-1")[0]) != before)
    namespace.until_ready("agent-1")


def pod_uid(pod: dict[str, dict[str, str]]) -> str:
    return pod["metadata"]["uid"]
