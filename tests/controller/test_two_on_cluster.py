"""Two operator processes beside a real API server: killed, stopped and ended while Agents are applied."""

import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.controller.conftest import Stage, free_port
from tests.e2e.cluster import eventually

pytestmark = pytest.mark.cluster

TAKEOVER_SECONDS = 15.0


@dataclass
class Replica:
    """One operator process; `name` is what its identity in the Lease begins with."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def name(self) -> str:
        return f"operator-{self.port}"

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.URLError:
            return False

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(timeout=30)


class Pair:
    """Two of them, of which one leads."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.replicas: list[Replica] = []

    def start(self) -> None:
        while len(self.replicas) < 2:
            port = free_port()
            self.replicas.append(Replica(port, self.stage.another_operator(port)))
        for each in self.replicas:
            eventually(f"{each.name} is ready", each.ready)
        eventually("one of them leads", self.leader)

    def holder(self) -> str:
        lease: dict[str, Any] = self.stage.own.get("lease", "horos-operator")
        return str(lease["spec"].get("holderIdentity") or "")

    def leader(self) -> Replica | None:
        holder = self.holder()
        return next((each for each in self.replicas if holder.startswith(f"{each.name}_")), None)

    def roles(self) -> tuple[Replica, Replica]:
        """Whoever leads, and whoever follows."""
        leader = self.leader()
        assert leader
        (follower,) = [each for each in self.replicas if each is not leader]
        return leader, follower


@pytest.fixture
def pair(settled: Stage) -> Iterator[Pair]:
    settled.stop_operator()
    made = Pair(settled)
    try:
        made.start()
        yield made
    finally:
        for each in made.replicas:
            each.end()


def burst(stage: Stage, prefix: str) -> list[str]:
    names = [f"{prefix}-{number}" for number in range(4)]
    for name in names:
        stage.apply(name)
    return names


def each_lives_once(stage: Stage, names: list[str]) -> None:
    """Every agent got one pod, its first, and no other ever claimed it."""
    for name in names:
        stage.until(name, "Resident", seconds=180)
        assert [pod["metadata"]["name"] for pod in stage.pods(name)] == [f"{name}-1"]
        key = f"horos:{stage.name}:{{{stage.name}}}:a:{name}:state"
        assert stage.redis("HGET", key, "epoch") == ["1"]


def taken_over_within(pair: Pair, who: Replica, since: float, seconds: float) -> None:
    eventually(f"{who.name} leads", lambda: pair.leader() is who, seconds + 5)
    assert time.monotonic() - since < seconds


def test_a_leader_that_is_killed_in_a_burst_is_followed_within_seconds_and_nothing_is_doubled(
    pair: Pair,
) -> None:
    leader, follower = pair.roles()
    names = burst(pair.stage, "killed")
    leader.process.kill()
    killed = time.monotonic()
    taken_over_within(pair, follower, killed, TAKEOVER_SECONDS)
    each_lives_once(pair.stage, names)


def test_a_leader_that_was_stopped_past_its_lease_follows_and_changes_nothing(pair: Pair) -> None:
    leader, follower = pair.roles()
    names = burst(pair.stage, "stopped")
    leader.process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    taken_over_within(pair, follower, stopped, TAKEOVER_SECONDS)
    each_lives_once(pair.stage, names)
    before = {name: _version(pair.stage, name) for name in names}
    leader.process.send_signal(signal.SIGCONT)
    said = f"{leader.name}_"
    eventually("it says that it leads no more", lambda: _logged(pair.stage, said, "leads no more"))
    eventually("it is ready to follow", leader.ready)
    # One more has been through the queue of the one that leads now, so that changes had their time.
    pair.stage.apply("after-stop", operatingMode="Suspended")
    pair.stage.until("after-stop", "Suspended")
    assert pair.leader() is follower
    assert {name: _version(pair.stage, name) for name in names} == before


def test_a_leader_that_is_told_to_end_is_followed_at_once(pair: Pair) -> None:
    leader, follower = pair.roles()
    leader.process.send_signal(signal.SIGTERM)
    assert leader.process.wait(timeout=30) == 0
    ended = time.monotonic()
    taken_over_within(pair, follower, ended, 6.0)
    pair.stage.apply("after-end")
    pair.stage.until("after-end", "Resident", seconds=120)


def _version(stage: Stage, name: str) -> str:
    return str(stage.agents.get("agent", name)["metadata"]["resourceVersion"])


def _logged(stage: Stage, *words: str) -> bool:
    lines = stage.log.read_text(encoding="utf-8").splitlines()
    return any(all(word in line for word in words) for line in lines)
