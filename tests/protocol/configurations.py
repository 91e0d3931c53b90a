"""The configurations that must hold: each mixes a few faults with one way of using the bus."""

from collections.abc import Mapping
from typing import Final

from tests.protocol.scenario import Action, Scenario, Send

Plans = Mapping[tuple[int, bool], tuple[Action, ...]]

ONE: Final = (Send(),)
TWO: Final = (Send(), Send())
TWO_THREADS: Final = (Send(), Send(thread="other"))
THEN_NOTICE: Final = (Send(), Send(kind="notice"))
BOTH: Final = (Send(), Send(1))
A_LATER_B: Final = (Send(delayed=True), Send())

ASK: Final[Plans] = {(0, True): (("ask", 1),)}
ASK_TWICE: Final[Plans] = {(0, True): (("ask", 1), ("ask", 1))}
ASK_TWO: Final[Plans] = {(0, True): (("ask", 1), ("ask", 2))}
CHAIN: Final[Plans] = {(0, True): (("ask", 1),), (1, False): (("ask", 2),)}
CIRCLE: Final[Plans] = {(0, True): (("ask", 1),), (1, False): (("ask", 0),)}
RING: Final[Plans] = {(0, True): (("ask", 1),), (1, False): (("ask", 2),), (2, False): (("ask", 0),)}
SELF: Final[Plans] = {(0, True): (("ask", 0),)}
CIRCLE_TWO: Final[Plans] = {(0, True): (("ask", 1), ("ask", 2)), (1, False): (("ask", 0),)}
CROSSED: Final[Plans] = {(0, True): (("ask", 1),), (1, True): (("ask", 0),)}
TOOL: Final[Plans] = {(0, True): (("tool", 0),)}
TOOLS: Final[Plans] = {(0, True): (("tool", 0), ("tool", 0))}
EARLY: Final[Plans] = {(0, True): (("ask", 1), ("reply", 0))}

APPROVE: Final[Plans] = {(0, True): (("approve", 0),)}
APPROVE_TWICE: Final[Plans] = {(0, True): (("approve", 0), ("approve", 0))}
APPROVE_THEN_TOOL: Final[Plans] = {(0, True): (("approve", 0), ("tool", 0))}
APPROVE_EARLY: Final[Plans] = {(0, True): (("approve", 0), ("reply", 0))}
ASK_APPROVE: Final[Plans] = {(0, True): (("ask", 1),), (1, False): (("approve", 0),)}
ASK_AND_APPROVE: Final[Plans] = {(0, True): (("ask", 1), ("approve", 0))}
ELICIT: Final[Plans] = {(0, True): (("elicit", 0),)}
CREATE: Final[Plans] = {(0, True): (("create", 1),)}
CREATE_TWICE: Final[Plans] = {(0, True): (("create", 1), ("create", 1))}
CREATE_TWO: Final[Plans] = {(0, True): (("create", 1), ("create", 2))}
ELICIT_TWICE: Final[Plans] = {(0, True): (("elicit", 0), ("elicit", 0))}

PROCESSES: Final[Mapping[str, Scenario]] = {
    "three messages, killed twice, a reply lost": Scenario((*TWO, Send()), {"crash": 2, "lost": 1}),
    "two threads, killed, a reply lost": Scenario((*TWO_THREADS, Send()), {"crash": 1, "lost": 1}),
    "a zombie, a reply lost": Scenario(ONE, {"zombie": 1, "lost": 1}, TOOL),
    "a zombie and its successor killed": Scenario(TWO, {"zombie": 1, "crash": 1}),
    "a tool, killed twice, a reply lost": Scenario(TWO, {"crash": 2, "lost": 1}, TOOL),
    "connections cut": Scenario(TWO, {"drop": 2, "crash": 1}),
    "a connection half-open": Scenario(TWO, {"half": 1, "crash": 1}),
    "SIGTERM twice, killed": Scenario(TWO, {"drain": 2, "crash": 1}, attempts=2),
}

CHAINS: Final[Mapping[str, Scenario]] = {
    "ask, killed, a reply lost": Scenario(ONE, {"crash": 1, "lost": 1}, ASK, agents=2),
    "ask, a zombie": Scenario(ONE, {"zombie": 1}, ASK, agents=2),
    "ask twice, killed": Scenario(ONE, {"crash": 1}, ASK_TWICE, agents=2),
    "ask two agents": Scenario(ONE, {}, ASK_TWO, agents=3),
    "two people ask in two threads": Scenario(TWO_THREADS, {}, ASK, agents=2),
    "ask, and a person joins": Scenario(THEN_NOTICE, {"lost": 1}, ASK, agents=2),
    "ask, deadlines": Scenario(ONE, {"deadline": 2, "crash": 1}, ASK, agents=2),
    "ask, one deleted": Scenario(ONE, {"delete": 1, "crash": 1}, ASK, agents=2, victim=1),
    "ask, the asker deleted": Scenario(ONE, {"delete": 1, "crash": 1}, ASK, agents=2),
    "ask, suspended": Scenario(ONE, {"pause": 1, "crash": 1}, ASK, agents=2),
    "ask, cancelled": Scenario(ONE, {"cancel": 1, "crash": 1}, ASK, agents=2),
    "ask, the model refuses": Scenario(ONE, {"broken": 1}, ASK, agents=2),
    "ask, one terminated": Scenario(ONE, {"terminate": 1, "crash": 1}, ASK, agents=2, victim=1),
    "ask, the asker terminated": Scenario(ONE, {"terminate": 1}, ASK, agents=2),
    "a chain of three": Scenario(ONE, {}, CHAIN, agents=3),
    "asked back": Scenario(ONE, {}, CIRCLE, agents=2),
    "asked back, killed": Scenario(ONE, {"crash": 1}, CIRCLE, agents=2),
    "two ask each other": Scenario((Send(), Send(1)), {}, CROSSED, agents=2),
    "the one asked is suspended for good": Scenario(
        ONE, {"pause": 1}, ASK, agents=2, victim=1, deadlines=True, heals=False
    ),
    "an agent asks itself": Scenario(ONE, {"crash": 1}, SELF),
    "an early reply, killed, a reply lost": Scenario(ONE, {"crash": 1, "lost": 1}, EARLY, agents=2),
    "full inboxes": Scenario((Send(), Send(1)), {}, CROSSED, 2, cap=1),
}

CONTROL: Final[Mapping[str, Scenario]] = {
    "suspended, killed, a reply lost": Scenario(TWO, {"pause": 1, "crash": 1, "lost": 1, "drop": 1}),
    "evicted twice, killed": Scenario(TWO, {"evict": 2, "crash": 1, "lost": 1}),
    "woken with nothing to do": Scenario(ONE, {"wake": 1, "crash": 1, "lost": 1}),
    "terminated, killed, a reply lost": Scenario(TWO, {"terminate": 1, "crash": 1, "lost": 1}),
    "terminated, then suspended": Scenario(ONE, {"terminate": 1, "pause": 1}),
    "cancelled": Scenario(TWO, {"cancel": 1, "crash": 1, "lost": 1}, TOOL),
    "the model refuses, killed": Scenario(TWO, {"broken": 1, "crash": 1, "lost": 1}),
    "the model refuses, suspended": Scenario(ONE, {"broken": 1, "pause": 1, "evict": 1}),
    "the model refuses, terminated": Scenario(ONE, {"broken": 1, "terminate": 1, "crash": 1}),
    "one slot": Scenario((Send(), Send(1)), {"crash": 1}, {}, 2, pool=1, evicts=True),
    "one slot, ask": Scenario(ONE, {"crash": 1}, ASK, 2, pool=1, evicts=True),
    "one slot, held by an agent in error": Scenario(
        (Send(), Send(1)), {"broken": 1}, {}, 2, pool=1, evicts=True, heals=False, lives=6
    ),
    "deleted, created again, a reply lost": Scenario(TWO, {"delete": 1, "lost": 1, "crash": 1}),
    "deleted, a zombie": Scenario(TWO, {"delete": 1, "zombie": 1}),
    "delayed, full, a reply lost": Scenario(A_LATER_B, {"lost": 1, "crash": 1}, cap=1),
    "delayed, deleted": Scenario(A_LATER_B, {"delete": 1, "lost": 1}),
    "delayed, terminated": Scenario(A_LATER_B, {"terminate": 1, "lost": 1}),
    "full, killed, a reply lost": Scenario((*TWO, Send()), {"lost": 1, "crash": 1}, cap=1),
    "the status follows": Scenario(ONE, {"crash": 1, "opcrash": 1, "pause": 1}, status=True),
}

MIXED: Final[Mapping[str, Scenario]] = {
    "suspended, a deadline, a reply lost": Scenario(TWO, {"pause": 1, "deadline": 1, "lost": 1}, TOOL),
    "deleted, a deadline": Scenario(TWO, {"delete": 1, "deadline": 1}),
    "evicted, the model refuses, killed": Scenario(TWO, {"evict": 1, "broken": 1, "crash": 1}),
    "SIGTERM, the model refuses, killed": Scenario(TWO, {"drain": 1, "broken": 1, "crash": 1}, attempts=1),
    "connections broken and half-open, evicted": Scenario(TWO, {"drop": 1, "half": 1, "evict": 1}),
    "one slot, woken, evicted": Scenario(
        (Send(), Send(1)), {"wake": 1, "evict": 1}, {}, 2, pool=1, evicts=True
    ),
    "one slot, suspended, killed": Scenario(
        (Send(), Send(1)), {"pause": 1, "crash": 1}, {}, 2, pool=1, evicts=True
    ),
    "one slot, ask, the model refuses": Scenario(ONE, {"broken": 1}, ASK, 2, pool=1, evicts=True),
    "one slot, ask, SIGTERM, a reply lost": Scenario(
        ONE, {"drain": 1, "lost": 1}, ASK, 2, pool=1, evicts=True
    ),
    "names stay taken, deleted, killed": Scenario(TWO, {"delete": 1, "crash": 1}, graves=True),
}

HIBERNATION: Final[Mapping[str, Scenario]] = {
    "woken, evicted, killed": Scenario(ONE, {"wake": 1, "evict": 1, "crash": 1}),
    "woken twice, evicted, a reply lost": Scenario(ONE, {"wake": 2, "evict": 1, "lost": 1}),
    "woken, deleted": Scenario(ONE, {"wake": 1, "delete": 1, "evict": 1}),
    "woken, evicted, suspended": Scenario(ONE, {"wake": 1, "evict": 1, "pause": 1}),
    "woken, evicted, terminated": Scenario(ONE, {"wake": 1, "evict": 1, "terminate": 1}),
    "configured, evicted, a reply lost": Scenario(TWO, {"configure": 2, "evict": 1, "lost": 1}),
    "configured, killed, connections cut": Scenario(ONE, {"configure": 1, "crash": 1, "drop": 1}),
    "configured, the model refuses": Scenario(ONE, {"configure": 1, "broken": 1, "evict": 1}),
    "delayed, woken, evicted": Scenario(A_LATER_B, {"wake": 1, "evict": 1}),
    "rings are lost, killed": Scenario(TWO, {"deaf": 1, "crash": 1}),
    "rings are lost, woken, the operator restarts": Scenario(ONE, {"deaf": 1, "wake": 1, "opcrash": 1}),
    "approved, rings are lost, evicted": Scenario(ONE, {"deaf": 1, "evict": 1}, APPROVE),
    "approved, woken, a deadline": Scenario(ONE, {"wake": 1, "deadline": 1, "evict": 1}, APPROVE),
    "one slot, rings are lost": Scenario(BOTH, {"deaf": 1}, {}, 2, pool=1, evicts=True),
    "one slot, the operator restarts": Scenario(BOTH, {"opcrash": 1}, {}, 2, pool=1, evicts=True),
    "one slot, woken, the operator restarts": Scenario(
        BOTH, {"wake": 1, "opcrash": 1}, {}, 2, pool=1, evicts=True
    ),
    "one slot, foreign pods, killed": Scenario(BOTH, {"foreign": 2, "crash": 1}, {}, 2, pool=1, evicts=True),
    "one slot, evicted, a reply lost": Scenario(BOTH, {"evict": 1, "lost": 1}, {}, 2, pool=1, evicts=True),
    "one slot, two turns each": Scenario((*BOTH, Send(), Send(1)), {}, {}, 2, pool=1, evicts=True, lives=4),
    "one slot, a delayed message": Scenario((Send(delayed=True), Send(1)), {}, {}, 2, pool=1, evicts=True),
    "one slot, deleted": Scenario(BOTH, {"delete": 1}, {}, 2, pool=1, evicts=True),
    "one slot, ask, rings are lost": Scenario(ONE, {"deaf": 1}, ASK, 2, pool=1, evicts=True),
    "one slot, a chain of three": Scenario(ONE, {}, CHAIN, 3, pool=1, evicts=True),
    "one slot, three agents": Scenario((*BOTH, Send(2)), {}, {}, 3, pool=1, evicts=True, lives=3),
    "two slots, three agents": Scenario((*BOTH, Send(2)), {}, {}, 3, pool=2, evicts=True),
    "two operators, one slot, one restarts": Scenario(BOTH, {"opcrash": 1}, {}, 2, 2, pool=1, evicts=True),
}

POISON: Final[Mapping[str, Scenario]] = {
    "poison first": Scenario(TWO, attempts=1, poison=frozenset({"m1"})),
    "poison second": Scenario((*TWO, Send()), {"lost": 1}, attempts=1, poison=frozenset({"m2"})),
    "poison joins": Scenario(TWO, {}, TOOLS, attempts=1, poison=frozenset({"m2"}), lives=4),
    "poison joins, a reply lost": Scenario(TWO, {"lost": 1}, TOOL, attempts=2, poison=frozenset({"m2"})),
    "poison in one of two threads, ask": Scenario(
        TWO_THREADS, {}, ASK, agents=2, attempts=1, poison=frozenset({"m2"})
    ),
    "poison while an answer is owed": Scenario(
        THEN_NOTICE, {}, ASK, agents=2, attempts=1, poison=frozenset({"m2"})
    ),
    "a poisonous reply": Scenario(ONE, {}, ASK, agents=2, attempts=1, poison=frozenset({"re:A/m1/0"})),
    "a poisonous reply and its notice": Scenario(
        ONE, {}, ASK, agents=2, attempts=1, poison=frozenset({"re:A/m1/0", "dead:re:A/m1/0"})
    ),
    "buried by three kills": Scenario(TWO, {"crash": 3, "lost": 1}, TOOL, attempts=1),
    "buried while an answer is owed": Scenario(ONE, {"crash": 2}, ASK, agents=2, attempts=1),
    "buried in error": Scenario(ONE, {"broken": 1, "crash": 2}, attempts=1),
}

DISK: Final[Mapping[str, Scenario]] = {
    "Redis loses its tail": Scenario(TWO, {"rollback": 2}, TOOL),
    "Redis loses its tail, killed": Scenario(ONE, {"rollback": 2, "crash": 1}, TOOL),
    "Redis loses its tail, a zombie": Scenario(ONE, {"rollback": 2, "zombie": 1}),
    "Redis loses its tail, a reply lost": Scenario(ONE, {"rollback": 2, "lost": 1}, TOOL),
    "Redis loses its tail, evicted, terminated": Scenario(ONE, {"rollback": 2, "evict": 1, "terminate": 1}),
    "Redis loses its tail, the model refuses": Scenario(ONE, {"rollback": 2, "broken": 1}),
    "Redis loses its tail, joined": Scenario(THEN_NOTICE, {"rollback": 2}, TOOL),
}

BUDGETS: Final[Mapping[str, Scenario]] = {
    "a budget, killed twice, a reply lost": Scenario(ONE, {"crash": 2, "lost": 1}, TOOL, budget=3),
    "a budget that is used up, killed": Scenario(TWO, {"crash": 1, "lost": 1}, TOOL, budget=2),
    "a budget, two replies lost": Scenario(TWO, {"lost": 2}, TOOL, budget=9),
    "a budget, a zombie": Scenario(ONE, {"zombie": 1, "lost": 1}, budget=2),
    "a budget, midnight, a clock that lags": Scenario(TWO, {"midnight": 1, "lag": 1, "crash": 1}, budget=1),
    "a budget, cancelled, SIGTERM": Scenario(ONE, {"cancel": 1, "drain": 1}, TOOL, budget=2),
    "a budget, buried": Scenario(TWO, {"crash": 2, "midnight": 1}, attempts=1, budget=1),
    "a budget, Redis loses its tail": Scenario(ONE, {"rollback": 2}, budget=1),
    "a budget, calls that break off, a reply lost": Scenario(ONE, {"torn": 2, "lost": 1}, TOOL, budget=4),
    "a budget, a call that breaks off, killed": Scenario(ONE, {"torn": 1, "crash": 1}, budget=3),
    "a budget that a call that breaks off uses up": Scenario(ONE, {"torn": 1, "midnight": 1}, budget=1),
    "a budget, a call that breaks off, cancelled": Scenario(ONE, {"torn": 1, "cancel": 1}, budget=3),
}

TRIMMED: Final[Mapping[str, Scenario]] = {
    "trimmed, killed, a reply lost": Scenario((*TWO, Send()), {"crash": 1, "lost": 1}, trims=True),
    "trimmed, a tool, killed": Scenario(TWO, {"crash": 2}, TOOL, trims=True),
    "trimmed, two threads, a reply lost": Scenario((*TWO_THREADS, Send()), {"lost": 1}, TOOL, trims=True),
    "trimmed, a zombie": Scenario(TWO, {"zombie": 1}, trims=True),
    "trimmed, Redis loses its tail": Scenario(TWO, {"rollback": 2}, TOOL, trims=True),
    "trimmed, buried": Scenario(TWO, {"crash": 2}, TOOL, attempts=1, trims=True),
    "trimmed, deleted": Scenario(TWO, {"delete": 1, "crash": 1}, trims=True),
}

APPROVALS: Final[Mapping[str, Scenario]] = {
    "approved": Scenario(ONE, {}, APPROVE),
    "approved, killed, a reply lost": Scenario(ONE, {"crash": 1, "lost": 1}, APPROVE),
    "approved, killed twice": Scenario(ONE, {"crash": 2}, APPROVE),
    "approved, a zombie": Scenario(ONE, {"zombie": 1}, APPROVE),
    "approved, SIGTERM, a reply lost": Scenario(ONE, {"drain": 1, "lost": 1}, APPROVE),
    "denied, killed, a reply lost": Scenario(ONE, {"crash": 1, "lost": 1}, APPROVE, people=("deny",)),
    "two people decide": Scenario(ONE, {"crash": 1, "lost": 1}, APPROVE, people=("approve", "deny")),
    "a person and the deadline": Scenario(ONE, {"deadline": 1, "crash": 1, "lost": 1}, APPROVE),
    "nobody decides": Scenario(ONE, {"crash": 1}, APPROVE, people=(), deadlines=True),
    "approved, evicted, suspended": Scenario(ONE, {"evict": 1, "pause": 1, "lost": 1}, APPROVE),
    "approved, connections cut": Scenario(ONE, {"drop": 1, "half": 1}, APPROVE),
    "approved, deleted": Scenario(ONE, {"delete": 1, "crash": 1, "deadline": 1}, APPROVE),
    "approved, terminated": Scenario(ONE, {"terminate": 1, "crash": 1, "deadline": 1}, APPROVE),
    "approved, cancelled": Scenario(ONE, {"cancel": 1, "crash": 1}, APPROVE),
    "approved, the model refuses": Scenario(ONE, {"broken": 1, "crash": 1}, APPROVE),
    "approved, a person writes": Scenario(THEN_NOTICE, {"lost": 1}, APPROVE_THEN_TOOL),
    "two approvals in two threads": Scenario(TWO_THREADS, {}, APPROVE),
    "two approvals, killed": Scenario(ONE, {"crash": 1}, APPROVE_TWICE),
    "two approvals, two people": Scenario(ONE, {}, APPROVE_TWICE, people=("approve", "deny")),
    "approved after an early reply": Scenario(ONE, {"deadline": 1, "lost": 1}, APPROVE_EARLY),
    "approved, a full inbox": Scenario(
        (Send(), Send(kind="notice"), Send(kind="notice")), {}, APPROVE, cap=1
    ),
    "asked, and the other one needs approval": Scenario(ONE, {}, ASK_APPROVE, agents=2),
    "asked, the other one needs approval, deadlines": Scenario(ONE, {"deadline": 2}, ASK_APPROVE, agents=2),
    "asked and approved": Scenario(ONE, {}, ASK_AND_APPROVE, agents=2),
    "approved, buried by kills": Scenario(ONE, {"crash": 3}, APPROVE, attempts=1),
    "approved, poison beside it": Scenario(THEN_NOTICE, {}, APPROVE, attempts=1, poison=frozenset({"m2"})),
    "a poisonous decision": Scenario(ONE, {}, APPROVE, attempts=1, poison=frozenset({"A/m1/0!decision"})),
    "a poisonous decision and its notice": Scenario(
        ONE, {}, APPROVE, attempts=1, poison=frozenset({"A/m1/0!decision", "dead:A/m1/0!decision"})
    ),
    "approved, one slot": Scenario((Send(), Send(1)), {}, APPROVE, 2, pool=1, evicts=True),
    "approved, the operator restarts": Scenario(ONE, {"opcrash": 1, "deadline": 1, "crash": 1}, APPROVE),
    "approved, two operators": Scenario(ONE, {"deadline": 2}, APPROVE, operators=2),
    "approved, the status follows": Scenario(ONE, {"deadline": 1, "crash": 1}, APPROVE, status=True),
    "approved, trimmed": Scenario(ONE, {"crash": 1, "lost": 1}, APPROVE, trims=True),
    "approved, the budget is used up": Scenario(ONE, {"crash": 1, "lost": 1}, APPROVE, budget=2),
    "approved, Redis loses its tail": Scenario(ONE, {"rollback": 2}, APPROVE),
}

QUESTIONS: Final[Mapping[str, Scenario]] = {
    "a call asks, killed, a reply lost": Scenario(ONE, {"crash": 1, "lost": 1}, ELICIT),
    "a call asks two people": Scenario(ONE, {"lost": 1}, ELICIT, people=("approve", "deny")),
    "a call asks and nobody answers": Scenario(ONE, {"crash": 1}, ELICIT, people=()),
    "a call asks, a zombie": Scenario(ONE, {"zombie": 1, "lost": 1}, ELICIT),
    "a call asks, connections cut": Scenario(ONE, {"drop": 1, "half": 1}, ELICIT),
    "a call asks, SIGTERM": Scenario(ONE, {"drain": 1, "crash": 1}, ELICIT),
    "a call asks, cancelled": Scenario(ONE, {"cancel": 1, "lost": 1}, ELICIT),
    "a call asks, suspended, evicted": Scenario(ONE, {"pause": 1, "evict": 1}, ELICIT),
    "a call asks, terminated": Scenario(ONE, {"terminate": 1, "crash": 1, "lost": 1}, ELICIT),
    "a call asks, deleted": Scenario(ONE, {"delete": 1, "crash": 1}, ELICIT),
    "a call asks, buried": Scenario(ONE, {"crash": 2}, ELICIT, attempts=1),
    "two calls ask": Scenario(ONE, {"crash": 1}, ELICIT_TWICE),
    "a call asks, the status follows": Scenario(ONE, {"crash": 1}, ELICIT, status=True),
    "a call asks, two operators": Scenario(ONE, {"crash": 1}, ELICIT, operators=2, stale=True),
    "a call asks, Redis loses its tail": Scenario(ONE, {"rollback": 2}, ELICIT),
}

POSTS: Final = (Send(kind="post", mentions=(0,)), Send(kind="post"), Send(kind="post", mentions=(0,)))
CALLED: Final = (Send(kind="post"), Send(kind="post", mentions=(0,)))
LATE_CALL: Final = (Send(kind="post"), Send(kind="post", mentions=(1,)))
CALL_ASKS: Final[Plans] = {(0, True): (("ask", 1),)}
CALL_TOOL: Final[Plans] = {(0, True): (("tool", 0),)}
CALL_POSTS: Final[Plans] = {(0, True): (("post", 1),)}
CALL_BACK: Final[Plans] = {(0, True): (("post", 1),), (1, False): (("post", 0),)}

GROUPS: Final[Mapping[str, Scenario]] = {
    "a group, killed, a reply lost": Scenario(POSTS, {"crash": 1, "lost": 1}, members=(0,)),
    "a group, a tool, mentioned while at work": Scenario(
        POSTS, {"crash": 1, "lost": 1}, CALL_TOOL, members=(0,)
    ),
    "a group, a zombie": Scenario(CALLED, {"zombie": 1, "lost": 1}, members=(0,)),
    "a group that wakes all": Scenario(
        (Send(kind="post"),), {"crash": 1}, {}, 2, members=(0, 1), wake_all=True
    ),
    "a group that wakes all, a reply lost": Scenario(
        (Send(kind="post"),), {"lost": 1}, CALL_POSTS, 2, members=(0, 1), wake_all=True
    ),
    "two mentioned": Scenario(
        (Send(kind="post", mentions=(0, 1)), Send(kind="post", mentions=(1,))), {}, {}, 2, members=(0, 1)
    ),
    "mentioned, and asks": Scenario(CALLED, {"crash": 1}, CALL_ASKS, 2, members=(0,)),
    "mentioned twice, and asks": Scenario(
        (Send(kind="post", mentions=(0,)), Send(kind="post", mentions=(0,))), {}, CALL_ASKS, 2, members=(0,)
    ),
    "mentioned, and posts": Scenario(CALLED, {"crash": 1, "lost": 1}, CALL_POSTS, 2, members=(0, 1)),
    "mentioned back": Scenario(CALLED, {}, CALL_BACK, 2, members=(0, 1)),
    "somebody joins": Scenario(LATE_CALL, {"join": 1, "crash": 1}, {}, 2, victim=1, members=(0,)),
    "somebody joins, and all are woken": Scenario(
        (Send(kind="post"),), {"join": 1}, {}, 2, victim=1, members=(0,), wake_all=True
    ),
    "a member leaves and returns": Scenario(POSTS, {"leave": 1, "join": 1}, {}, members=(0,)),
    "a member leaves, killed": Scenario(POSTS, {"leave": 1, "crash": 1}, {}, members=(0,)),
    "a member is deleted": Scenario(POSTS, {"delete": 1, "crash": 1}, {}, members=(0,)),
    "a member is deleted, a deadline": Scenario(CALLED, {"delete": 1, "deadline": 1}, {}, members=(0,)),
    "a member is terminated": Scenario(POSTS, {"terminate": 1, "crash": 1, "lost": 1}, members=(0,)),
    "a member is suspended, cancelled": Scenario(CALLED, {"pause": 1, "cancel": 1}, CALL_TOOL, members=(0,)),
    "a group is deleted": Scenario(POSTS, {"ungroup": 1, "crash": 1}, members=(0,)),
    "a group is deleted, a reply lost": Scenario(CALLED, {"ungroup": 1, "lost": 1}, members=(0,)),
    "a mention, deadlines": Scenario(CALLED, {"deadline": 2, "crash": 1}, members=(0,)),
    "a mention, buried by kills": Scenario(POSTS, {"crash": 2}, attempts=1, members=(0,)),
    "a poisonous mention": Scenario(
        POSTS, {"lost": 1}, attempts=1, poison=frozenset({"@A:m1"}), members=(0,)
    ),
    "a mention beside a request": Scenario((*CALLED, Send()), {"crash": 1}, members=(0,)),
    "full inboxes of members": Scenario((Send(kind="notice"), *POSTS), {}, cap=1, members=(0,)),
    "a group, Redis loses its tail": Scenario(CALLED, {"rollback": 2, "crash": 1}, members=(0,)),
    "a group, SIGTERM, evicted": Scenario(CALLED, {"drain": 1, "evict": 1}, members=(0,)),
}

FAMILY: Final = Scenario(ONE, {}, CREATE, agents=2, children=frozenset({1}), tasks=frozenset({1}))
A_TASK: Final = Scenario(ONE, tasks=frozenset({0}))

CHILDREN: Final[Mapping[str, Scenario]] = {
    "a child, the operator dies twice": FAMILY._replace(faults={"opcrash": 2}),
    "a child, the operator dies, a reply lost": FAMILY._replace(faults={"opcrash": 1, "lost": 1}),
    "a child, killed": FAMILY._replace(faults={"crash": 2}),
    "a child, a zombie": FAMILY._replace(faults={"zombie": 1}),
    "a child is deleted, the operator dies": FAMILY._replace(faults={"delete": 1, "opcrash": 1}, victim=1),
    "a child is terminated": FAMILY._replace(faults={"terminate": 1, "opcrash": 1}, victim=1),
    "a child is suspended, deadlines": FAMILY._replace(
        faults={"pause": 1}, victim=1, deadlines=True, heals=False
    ),
    "a child, its parent is deleted, the operator dies": FAMILY._replace(faults={"delete": 1, "opcrash": 1}),
    "a child, its parent is terminated, the operator dies": FAMILY._replace(
        faults={"terminate": 1, "opcrash": 1}
    ),
    "a child, deadlines": FAMILY._replace(faults={"deadline": 2}),
    "a child that is buried": FAMILY._replace(
        faults={"opcrash": 1}, attempts=1, poison=frozenset({"A/m1/0"})
    ),
    "a child asks its parent back": FAMILY._replace(plans={**CREATE, (1, False): (("ask", 0),)}),
    "a child of that name exists": FAMILY._replace(plans=CREATE_TWICE, faults={"opcrash": 1}),
    "two children": FAMILY._replace(
        plans=CREATE_TWO, agents=3, children=frozenset({1, 2}), tasks=frozenset({1, 2})
    ),
    "a child, one slot": FAMILY._replace(pool=1, evicts=True),
    "two parents and their children, one slot": Scenario(
        BOTH,
        {},
        {(0, True): (("create", 2),), (1, True): (("create", 3),)},
        agents=4,
        pool=1,
        evicts=True,
        children=frozenset({2, 3}),
        tasks=frozenset({2, 3}),
    ),
    "a child of a child": FAMILY._replace(
        plans={**CREATE, (1, False): (("create", 2),)},
        agents=3,
        children=frozenset({1, 2}),
        tasks=frozenset({1, 2}),
    ),
    "a Task, three messages, a reply lost": A_TASK._replace(
        sends=(*TWO_THREADS, Send(kind="notice")), faults={"lost": 1}
    ),
    "a Task, a delayed message, killed": A_TASK._replace(
        sends=(Send(delayed=True), Send()), faults={"crash": 1}
    ),
    "a Task asks, killed, a deadline": A_TASK._replace(
        plans=ASK, agents=2, faults={"crash": 1, "deadline": 1}
    ),
    "a Task, approved, killed": A_TASK._replace(plans=APPROVE, faults={"crash": 1, "deadline": 1}),
    "a Task is buried": A_TASK._replace(faults={"crash": 2}, attempts=1),
    "a Task, cancelled, suspended": A_TASK._replace(faults={"cancel": 1, "pause": 1}),
    "a Task, evicted, SIGTERM": A_TASK._replace(sends=TWO, faults={"evict": 1, "drain": 1}),
    "a Task, terminated, deleted": A_TASK._replace(faults={"terminate": 1, "delete": 1}),
    "a Task, the status follows": A_TASK._replace(faults={"crash": 1}, status=True),
}

OPERATORS: Final[Mapping[str, Scenario]] = {
    "the operator restarts, killed": Scenario(TWO, {"opcrash": 1, "crash": 1}),
    "two operators": Scenario(TWO, {"crash": 1}, operators=2, stale=True),
    "two operators, one restarts": Scenario(ONE, {"opcrash": 1, "crash": 1}, operators=2, stale=True),
    "two operators, names stay taken": Scenario(ONE, {"crash": 1}, operators=2, graves=True),
    "two operators, names stay taken, stale": Scenario(
        TWO, {"crash": 1}, operators=2, stale=True, graves=True
    ),
    "two operators, suspended, one restarts": Scenario(ONE, {"pause": 1, "opcrash": 1}, operators=2),
    "two operators, one slot, killed": Scenario(
        (Send(), Send(1)), {"crash": 1}, {}, 2, 2, pool=1, evicts=True
    ),
    "two operators, one slot": Scenario((Send(), Send(1)), {}, {}, 2, 2, pool=1, evicts=True),
    "two operators, a zombie": Scenario(ONE, {"zombie": 1}, operators=2, stale=True),
}

LONG: Final[Mapping[str, Scenario]] = {
    "a child, two operators": FAMILY._replace(operators=2),
    "a child, two operators, one dies": FAMILY._replace(faults={"opcrash": 1}, operators=2),
    "a child, killed, the operator dies, a reply lost": FAMILY._replace(
        faults={"crash": 1, "opcrash": 1, "lost": 1}
    ),
    "two children, the operator dies": FAMILY._replace(
        plans=CREATE_TWO,
        agents=3,
        children=frozenset({1, 2}),
        tasks=frozenset({1, 2}),
        faults={"opcrash": 1},
    ),
    "two zombies, a reply lost": Scenario(TWO, {"zombie": 2, "lost": 1}),
    "a tool, a zombie, killed": Scenario(TWO, {"zombie": 1, "crash": 1}, TOOL),
    "killed three times, two replies lost": Scenario((*TWO, Send()), {"crash": 3, "lost": 2}),
    "ask twice, a zombie": Scenario(ONE, {"zombie": 1}, ASK_TWICE, agents=2),
    "ask twice, killed, a reply lost": Scenario(ONE, {"crash": 1, "lost": 1}, ASK_TWICE, agents=2),
    "ask two agents, killed": Scenario(ONE, {"crash": 1}, ASK_TWO, agents=3),
    "two people ask in two threads, killed": Scenario(TWO_THREADS, {"crash": 1}, ASK, agents=2),
    "ask, deadlines, a reply lost": Scenario(ONE, {"deadline": 2, "lost": 1}, ASK, agents=2),
    "ask, the asker terminated, two messages": Scenario(TWO, {"terminate": 1}, ASK, agents=2),
    "asked back by the one of two that was asked first": Scenario(ONE, {}, CIRCLE_TWO, agents=3),
    "asked back, a reply lost, a deadline": Scenario(ONE, {"lost": 1, "deadline": 1}, CIRCLE, agents=2),
    "a ring of three is ended by a deadline": Scenario(ONE, {}, RING, agents=3, deadlines=True),
    "full inboxes, a reply lost": Scenario((Send(), Send(1)), {"lost": 1}, CROSSED, 2, cap=1),
    "Redis loses its tail, a tool, a zombie": Scenario(ONE, {"rollback": 2, "zombie": 1}, TOOL),
    "Redis loses its tail, ask": Scenario(ONE, {"rollback": 2}, ASK, agents=2),
    "poison, a deadline, ask": Scenario(
        TWO, {"deadline": 1}, ASK, agents=2, attempts=1, poison=frozenset({"m2"})
    ),
    "ask, terminated, a deadline, a reply lost": Scenario(
        ONE, {"terminate": 1, "deadline": 1, "lost": 1}, ASK, agents=2
    ),
    "an early reply, a deadline, killed": Scenario(ONE, {"deadline": 1, "crash": 1}, EARLY, agents=2),
    "delayed, full, ask": Scenario((Send(delayed=True), Send(), Send(1)), {}, ASK, 2, cap=1),
    "the status follows eviction, error and the end": Scenario(
        ONE, {"evict": 1, "broken": 1, "terminate": 1, "crash": 1}, status=True
    ),
    "deleted, the model refuses, a reply lost": Scenario(TWO, {"broken": 1, "delete": 1, "lost": 1}),
    "approved, killed, two zombies": Scenario(ONE, {"crash": 1, "zombie": 2}, APPROVE),
    "approved, a zombie, killed, a reply lost": Scenario(ONE, {"zombie": 1, "crash": 1, "lost": 1}, APPROVE),
    "two approvals, two people, killed, a deadline": Scenario(
        ONE, {"crash": 1, "deadline": 1}, APPROVE_TWICE, people=("approve", "deny")
    ),
    "asked, the other one needs approval, killed": Scenario(
        ONE, {"crash": 1, "lost": 1}, ASK_APPROVE, agents=2
    ),
    "asked, the other one needs approval, the asker deleted": Scenario(
        ONE, {"delete": 1, "deadline": 1}, ASK_APPROVE, agents=2
    ),
    "approved, Redis loses its tail, killed": Scenario(ONE, {"rollback": 2, "crash": 1}, APPROVE),
    "approved, suspended, evicted, the model refuses": Scenario(
        ONE, {"pause": 1, "evict": 1, "broken": 1, "crash": 1}, APPROVE
    ),
    "two calls ask, a zombie, a reply lost": Scenario(ONE, {"zombie": 1, "lost": 1}, ELICIT_TWICE),
    "a call asks, suspended, SIGTERM, killed": Scenario(ONE, {"pause": 1, "drain": 1, "crash": 1}, ELICIT),
    "Redis loses its tail, suspended": Scenario(TWO, {"rollback": 2, "pause": 1}),
    "two operators, deleted": Scenario(ONE, {"delete": 1, "crash": 1}, operators=2, stale=True),
    "two operators, ask": Scenario(ONE, {}, ASK, 2, 2),
    "two operators, restarts, a zombie": Scenario(ONE, {"opcrash": 1, "zombie": 1}, operators=2, stale=True),
    "two operators, the status follows": Scenario(ONE, {"crash": 1, "opcrash": 1}, operators=2, status=True),
}

SMALL: Final[Mapping[str, Scenario]] = {
    **PROCESSES,
    **CHAINS,
    **CONTROL,
    **MIXED,
    **HIBERNATION,
    **POISON,
    **DISK,
    **BUDGETS,
    **APPROVALS,
    **QUESTIONS,
    **TRIMMED,
    **GROUPS,
    **OPERATORS,
    **CHILDREN,
}
