"""Groups against a real API server and Redis: members by name and label, and what kubectl tells of them."""

import signal
from typing import Any

import pytest

from tests.controller.conftest import Stage
from tests.e2e.cluster import CommandError, eventually

pytestmark = pytest.mark.cluster


def apply(stage: Stage, name: str, **spec: Any) -> None:
    metadata = {"name": name}
    stage.agents.apply(
        {"apiVersion": "horos.dev/v1alpha1", "kind": "Group", "metadata": metadata, "spec": spec}
    )


def an_agent(stage: Stage, name: str, **labels: str) -> None:
    """An Agent that never gets a pod; nothing here needs one."""
    metadata = {"name": name, "labels": labels}
    spec = {"operatingMode": "Suspended"}
    stage.agents.apply(
        {"apiVersion": "horos.dev/v1alpha1", "kind": "Agent", "metadata": metadata, "spec": spec}
    )


def until(stage: Stage, group: str, members: list[str], reason: str) -> dict[str, Any]:
    def told() -> dict[str, Any] | None:
        found = stage.agents.get("group", group)
        status = found.get("status", {})
        assert status.get("members") == members, status
        assert status["conditions"][0]["reason"] == reason, status
        return found

    found = eventually(f"{group} has {members}", told)
    assert found is not None
    return found


def key(stage: Stage, what: str) -> str:
    return f"horos:{stage.name}:{{{stage.name}}}:{what}"


def on_the_bus(stage: Stage, group: str) -> list[str]:
    return sorted(stage.redis("HKEYS", key(stage, f"g:{group}:members")))


def test_members_come_and_go_with_their_agents_and_labels(settled: Stage) -> None:
    stage = settled
    for name in ("bob", "cyd"):
        an_agent(stage, name)
    apply(stage, "review", members=["bob", "zoe"], memberSelector={"matchLabels": {"team": "x"}})
    found = until(stage, "review", ["bob"], "MembersMissing")
    assert found["metadata"]["finalizers"] == ["horos.dev/bus"]
    assert found["status"]["missing"] == ["zoe"]
    stage.agents.kubectl("label", "agent", "cyd", "team=x")
    an_agent(stage, "zoe")
    until(stage, "review", ["bob", "cyd", "zoe"], "MembersPresent")
    eventually("the bus knows", lambda: on_the_bus(stage, "review") == ["bob", "cyd", "zoe"])
    stage.agents.kubectl("label", "agent", "cyd", "team-")
    stage.agents.kubectl("delete", "agent", "zoe", "--timeout=60s")
    until(stage, "review", ["bob"], "MembersMissing")
    eventually("the bus knows", lambda: on_the_bus(stage, "review") == ["bob"])


def test_kubectl_tells_what_a_group_is_and_why_it_is_not_well(settled: Stage) -> None:
    stage = settled
    an_agent(stage, "bob")
    apply(stage, "table", members=["bob"], wake="All")
    apply(stage, "nobody", members=["no-such-agent"])
    until(stage, "table", ["bob"], "MembersPresent")
    until(stage, "nobody", [], "NoMembers")
    head, *lines = (line.split() for line in stage.agents.kubectl("get", "agg").splitlines())
    assert head == ["NAME", "MEMBERS", "WAKE", "READY", "REASON", "AGE"]
    told = {name: rest for name, *rest in lines}
    assert told["table"][:4] == ["1", "All", "True", "MembersPresent"]
    assert told["nobody"][:4] == ["0", "Mentioned", "False", "NoMembers"]
    assert "no member exists: no-such-agent" in stage.agents.kubectl("get", "groups", "-o", "wide")


def test_a_group_of_nobody_is_refused_with_what_to_say(settled: Stage) -> None:
    with pytest.raises(CommandError) as refused:
        apply(settled, "empty", wake="All")
    assert "expected members, memberSelector, or both" in refused.value.done.stderr


def test_a_restart_of_the_operator_writes_nothing(settled: Stage) -> None:
    stage = settled
    an_agent(stage, "bob")
    apply(stage, "still", members=["bob"])
    version = until(stage, "still", ["bob"], "MembersPresent")["metadata"]["resourceVersion"]
    assert stage.stop_operator(signal.SIGKILL) == -signal.SIGKILL
    stage.start_operator()
    apply(stage, "later", members=["bob"])
    # Its namespace has been looked at by the new one.
    until(stage, "later", ["bob"], "MembersPresent")
    assert stage.agents.get("group", "still")["metadata"]["resourceVersion"] == version


def test_what_was_deleted_while_no_operator_ran_leaves_no_key(settled: Stage) -> None:
    stage = settled
    an_agent(stage, "bob")
    apply(stage, "gone", members=["bob"])
    until(stage, "gone", ["bob"], "MembersPresent")
    eventually("the bus knows", lambda: on_the_bus(stage, "gone") == ["bob"])
    stage.stop_operator()
    stage.agents.kubectl("delete", "group", "gone", "--wait=false")
    assert stage.agents.get("group", "gone")["metadata"]["deletionTimestamp"]
    stage.start_operator()
    stage.agents.kubectl("wait", "--for=delete", "group/gone", "--timeout=60s")
    assert stage.redis("KEYS", key(stage, "g:gone:*").replace("{", "?").replace("}", "?")) == []
    assert "gone" not in stage.redis("HKEYS", key(stage, "groups"))
