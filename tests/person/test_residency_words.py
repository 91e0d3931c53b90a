"""Residency, queue and pool in words and tables."""

from datetime import UTC, datetime
from typing import Any

import pytest

from horos.places import Places
from horos.pool_tables import SHOWN, pool_parts
from horos.residency_words import ordinal, residency_cell, residency_line
from horos.tables import agents_table, description
from tests.person.test_rendering import LIVE, as_text

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()
SINCE = "2026-11-01T11:59:48Z"
QUEUE = {"position": 3, "length": 7, "since": SINCE}


def agent(name: str = "ada", **changes: Any) -> dict[str, Any]:
    quiet = {"state": "idle", "reason": "", "message": "", "turn": "", "waiting": 0}
    changes.setdefault("resident", changes.get("residency", "resident") == "resident")
    return {**LIVE, **quiet, "name": name, **changes}


@pytest.mark.parametrize(
    ("number", "said"),
    [
        *((1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th")),
        *((21, "21st"), (102, "102nd"), (111, "111th"), (113, "113th"), (1001, "1001st")),
    ],
)
def test_places_are_ordinals(number: int, said: str) -> None:
    assert ordinal(number) == said


@pytest.mark.parametrize(
    ("changes", "cell", "line"),
    [
        ({}, "resident", "resident"),
        (
            {"idleSince": "2026-11-01T11:57:00Z", "idleSeconds": 300},
            "resident",
            "resident, idle for 3m, hibernates after 5m without a turn",
        ),
        ({"idleSeconds": 0}, "resident", "resident, stays until somebody else needs its slot"),
        (
            {"residency": "hibernated", "idleSince": "2026-11-01T09:00:00Z", "idleSeconds": 300},
            "hibernated",
            "hibernated, idle for 3h",
        ),
        ({"residency": "queued"}, "starting", "starting: its pod is on its way"),
        (
            {"residency": "queued", "queue": QUEUE},
            "queued 3/7",
            "queued: 3rd of 7 in the pool's queue for 12s",
        ),
        (
            {"residency": "queued", "queue": {**QUEUE, "since": None}},
            "queued 3/7",
            "queued: 3rd of 7 in the pool's queue",
        ),
    ],
)
def test_residency_is_told_in_a_word_and_in_a_line(changes: dict[str, Any], cell: str, line: str) -> None:
    told = agent(**changes)
    assert residency_cell(told) == cell
    assert residency_line(told, NOW) == line
    assert f"  Residency: {line}\n" in as_text(description(told, None, [], now=NOW))


def test_agents_come_in_the_order_of_what_a_person_wants_to_see() -> None:
    told = [
        agent("a-hibernated", residency="hibernated", idleSince="2026-11-01T09:00:00Z"),
        agent("b-suspended", state="paused", residency="hibernated"),
        agent("c-second", residency="queued", queue={"position": 2, "length": 2, "since": SINCE}),
        agent("d-first", residency="queued", queue={"position": 1, "length": 2, "since": SINCE}),
        agent("e-working", state="running", turn="1-0"),
        agent("f-idle", idleSince="2026-11-01T11:57:00Z"),
        agent("g-asks", approvals=1),
        agent("h-failed", state="error", reason="TurnFailed"),
        agent("i-over", state="terminated", residency="hibernated"),
        agent("j-starting", residency="queued"),
        agent("k-goes-on", state="running", turn="1-0", residency="queued", queue=None),
    ]
    _, *lines = as_text(agents_table(told, now=NOW)).splitlines()
    words = [(line.split()[0], *line.split(maxsplit=9)[2:4]) for line in lines]
    assert words == [
        ("g-asks", "resident", "-"),
        ("h-failed", "resident", "-"),
        ("e-working", "resident", "-"),
        ("j-starting", "starting", "-"),
        ("k-goes-on", "starting", "-"),
        ("d-first", "queued", "1/2"),
        ("c-second", "queued", "2/2"),
        ("f-idle", "resident", "3m"),
        ("a-hibernated", "hibernated", "3h"),
        ("b-suspended", "hibernated", "-"),
        ("i-over", "hibernated", "-"),
    ]
    assert lines[5].endswith("  waits for a slot for 12s")


def test_the_condition_of_a_queued_agent_does_not_repeat_its_place() -> None:
    queued = {"type": "Ready", "status": "False", "reason": "Queued", "message": "waits for a slot"}
    conditions = [{"type": "Accepted", "status": "True", "reason": "Valid"}, queued]
    manifest = {"metadata": {"name": "ada"}, "spec": {}, "status": {"conditions": conditions}}
    placed = agent(residency="queued", queue=QUEUE)
    assert as_text(agents_table([placed], [manifest], NOW)).endswith("  waits for a slot for 12s")
    # What the operator has not told the gateway, the Agent tells.
    unplaced = agent(residency="queued")
    assert as_text(agents_table([unplaced], [manifest], NOW)).endswith("  Queued: waits for a slot")


def test_places_are_said_when_they_change_and_not_again() -> None:
    said: list[str] = []
    places = Places("ada", said.append)
    third = agent(residency="queued", queue=QUEUE)
    second = agent(residency="queued", queue={**QUEUE, "position": 2, "length": 6})
    assert [places.see(each) for each in (agent(residency="queued"), third, third, second)] == [True] * 4
    assert places.see(agent(residency="queued"))
    assert said == [
        "ada is waking up",
        "ada is 3rd of 7 in the pool's queue",
        "ada is 2nd of 6 in the pool's queue",
        "ada is waking up",
    ]
    assert not places.see(agent())
    assert places.see(third)
    assert said[4:] == ["ada is 3rd of 7 in the pool's queue"]


def test_whoever_knows_what_is_wrong_is_not_told_that_it_wakes_up() -> None:
    said: list[str] = []
    places = Places("ada", said.append)
    places.cannot("SecretMissing: create it")
    places.see(agent(residency="queued"))
    places.cannot("SecretMissing: create it")
    assert said == ["ada cannot answer yet: SecretMissing: create it"]
    places.see(agent(residency="queued", queue=QUEUE))
    assert said[1:] == ["ada is 3rd of 7 in the pool's queue"]


def queued(place: int, name: str, why: str = "message", since: str | None = SINCE) -> dict[str, Any]:
    return {"position": place, "name": name, "state": "idle", "since": since, "why": why}


def resident(name: str, idle: str | None, *, leaving: bool = False) -> dict[str, Any]:
    state = "idle" if idle else "running"
    since = "2026-11-01T10:00:00Z"
    return {"name": name, "state": state, "since": since, "idleSince": idle, "leaving": leaving}


POOL: dict[str, Any] = {
    "maxRunning": 2,
    "resident": 2,
    "queued": 2,
    "starting": 0,
    "hibernated": 312,
    "queue": [queued(1, "cleo"), queued(2, "dan", "birth", None)],
    "residents": [resident("ada", "2026-11-01T11:57:00Z", leaving=True), resident("bob", None)],
}
MANIFEST: dict[str, Any] = {
    "spec": {"maxRunning": 2, "idleSeconds": 300, "evict": "IdleLongest"},
    "status": {
        "running": 2,
        "quota": {"name": "horos-agents", "hard": 2, "used": 2},
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Enforced",
                "message": "ResourceQuota horos-agents holds the limit",
                "lastTransitionTime": "2026-11-01T10:00:00Z",
            }
        ],
    },
}


def pool(told: dict[str, Any], manifest: dict[str, Any] | None) -> str:
    return "\n".join(as_text(part) for part in pool_parts(told, manifest, NOW))


def test_a_pool_is_told_with_its_limit_its_queue_and_its_residents() -> None:
    assert pool(POOL, MANIFEST) == (
        "Limit:      2 pods\n"
        "Evicts:     who is idle longest, when somebody waits (IdleLongest)\n"
        "Idle time:  hibernates after 5m without a turn\n"
        "Quota:      2 of 2 pods in ResourceQuota horos-agents\n"
        "Resident:   2\n"
        "Queued:     2\n"
        "Hibernated: 312\n"
        "Conditions:\n"
        "  Ready: True  Enforced: ResourceQuota horos-agents holds the limit (since 2026-11-01T10:00:00Z)\n"
        "\n"
        "Queue, the next one first:\n"
        "PLACE  NAME  STATE  WAITING  WHY\n"
        "1      cleo  idle   12s      a message waits\n"
        "2      dan   idle   -        it is new\n"
        "\n"
        "Resident, the idle longest first:\n"
        "NAME  STATE    IDLE  RESIDENT  LEAVES\n"
        "ada   idle     3m    2h        asked to\n"
        "bob   running  -     2h        -"
    )


def test_a_pool_without_a_cluster_is_told_as_the_operator_said() -> None:
    empty = {**POOL, "resident": 0, "queued": 0, "queue": [], "residents": [], "maxRunning": 1}
    assert pool(empty, None) == "Limit:      1 pod\nResident:   0\nQueued:     0\nHibernated: 312"
    unlimited = {**empty, "maxRunning": None, "starting": 1}
    assert pool(unlimited, None).startswith("Limit:      none\nResident:   0\nStarting:   1\n")


def test_a_limit_that_the_operator_has_not_seen_is_told_as_such() -> None:
    manifest = {"spec": {"maxRunning": 5, "idleSeconds": 0, "evict": "Never"}}
    assert pool(POOL, manifest).startswith(
        "Limit:      5 pods; the operator has not taken it in yet\n"
        "Evicts:     nobody (Never): everybody keeps a pod for its idle time\n"
        "Idle time:  hibernates only when somebody needs the slot\n"
        "Resident:"
    )


def test_a_pool_that_has_just_gone_is_none_and_its_old_limit_is_not_told() -> None:
    gone = "\n".join(as_text(part) for part in pool_parts(POOL, None, NOW, known=True))
    assert gone.startswith("Limit:      none; the operator has not taken it in yet\nResident:")
    later = "\n".join(
        as_text(part) for part in pool_parts({**POOL, "maxRunning": None}, None, NOW, known=True)
    )
    assert later.startswith("Limit:      none\nResident:")


def test_a_long_queue_is_cut_and_says_so() -> None:
    many = [queued(place, f"agent-{place}") for place in range(1, SHOWN + 1235)]
    text = pool({**POOL, "queue": many}, None)
    assert f"\n{SHOWN}     agent-{SHOWN} " in text
    assert f"agent-{SHOWN + 1} " not in text
    assert "\nand 1,234 more: `horos pool -o json` lists all\n" in text
