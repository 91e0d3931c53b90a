"""The protocol with one guard taken away, where the checker finds the disaster at once."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tests.protocol.configurations import (
    A_TASK,
    APPROVE,
    APPROVE_THEN_TOOL,
    ASK,
    ASK_TWICE,
    BOTH,
    CALLED,
    CIRCLE,
    CROSSED,
    EARLY,
    ELICIT,
    FAMILY,
    LATE_CALL,
    ONE,
    POSTS,
    THEN_NOTICE,
    TOOL,
    TOOLS,
    TWO,
    TWO_THREADS,
)
from tests.protocol.guards import Guard
from tests.protocol.scenario import Scenario, Send


class Trap(NamedTuple):
    """What is missing, where that shows, and a part of what the checker must say."""

    without: Guard
    scenario: Scenario
    finds: str


LATE: Final = (Send(delayed=True), Send(delayed=True))

CLASSIC: Final[Mapping[str, Trap]] = {
    "H1": Trap(Guard.WORK_IS_RECOMPUTED, Scenario(TWO), "only a timer"),
    "H2": Trap(Guard.EXIT_IS_NOTICED, Scenario(TWO), "only a timer"),
    "H3": Trap(Guard.RETRY_CARRIES_UID, Scenario((Send(kind="notice"),), {"delete": 1, "lost": 1}), "I1"),
    "H4": Trap(Guard.CLAIM_CHANGES_NO_UID, Scenario(TWO, {"delete": 1}), "nowhere"),
    "H5": Trap(Guard.READ_INSIDE, Scenario(TWO, {"zombie": 1}), "only a timer"),
    "H6": Trap(Guard.READ_INSIDE, Scenario(ONE, {"lost": 1}), "only a timer"),
    "H7": Trap(Guard.TOKEN, Scenario(ONE, {"rollback": 2, "zombie": 1}), "only a timer"),
    "H7b": Trap(Guard.INDEX, Scenario(ONE, {"rollback": 2}, TOOL), ""),
    "H8": Trap(Guard.INDEX, Scenario(ONE, {"lost": 1}, ASK, agents=2), "twice"),
    "H9": Trap(Guard.CONFIRMATION_WAKES, Scenario(TWO, {"drop": 1}), "only a timer"),
    "H10": Trap(Guard.SUBSCRIBE_FIRST, Scenario(TWO), "only a timer"),
    "H11": Trap(Guard.SEEN_AFTER_OK, Scenario(TWO, cap=1), "nowhere"),
    "H12": Trap(Guard.FENCE, Scenario(ONE, {"zombie": 1}, TOOL), ""),
    "H13": Trap(Guard.REAP, Scenario(ONE, {"crash": 1}), "nothing can happen"),
}

ANSWERS: Final[Mapping[str, Trap]] = {
    "W1": Trap(Guard.WAIT_KEPT_UNTIL_COMMIT, Scenario(ONE, {}, ASK_TWICE, agents=2), "part"),
    "W2": Trap(Guard.OWES_WHILE_OPEN, Scenario(ONE, {}, ASK, agents=2), "part"),
    "W3": Trap(Guard.DEBT_OF_THREAD, Scenario(TWO_THREADS, {}, ASK, agents=2), "another thread"),
    "W4": Trap(Guard.ASKED_ONCE, Scenario(ONE, {"deadline": 1}, ASK, agents=2), "twice"),
    "W5": Trap(Guard.EXPIRE_NEEDS_DEBT, Scenario(ONE, {"deadline": 1}, ASK, agents=2), "deadline"),
    "W6": Trap(Guard.DELETE_BOUNCES_OWED, Scenario(ONE, {"delete": 1}, ASK, agents=2), "nothing can happen"),
    "W7": Trap(Guard.REPLY_BEYOND_CAP, Scenario((Send(), Send(1)), {}, CROSSED, 2, cap=1), ""),
    "W13": Trap(
        Guard.DEADLINES,
        Scenario(ONE, {"pause": 1}, ASK, agents=2, victim=1, deadlines=True, heals=False),
        "nothing can happen",
    ),
    "W14": Trap(
        Guard.WAITS_EXPIRE,
        Scenario(ONE, {"pause": 1}, ASK, agents=2, victim=1, deadlines=True, heals=False),
        "nothing can happen",
    ),
    "W9": Trap(Guard.JOINED_ACKNOWLEDGED, Scenario(TWO, {}, TOOL), ""),
    "W10": Trap(Guard.JOINED_BY_RECORD, Scenario(TWO, {}, TOOLS), "told twice"),
    "W11": Trap(Guard.JOINED_ON_DUP, Scenario(TWO, {"lost": 1}, TOOL), "before it was heard"),
    "W15": Trap(Guard.ASKED_BACK, Scenario(ONE, {}, CIRCLE, agents=2), "nothing can happen"),
    "W16": Trap(Guard.ASKED_BACK_BEFORE, Scenario(ONE, {}, CIRCLE, agents=2), "part"),
    "W12": Trap(Guard.THREAD_RUN, Scenario(TWO_THREADS, {}), "another thread"),
}

BURYING: Final[Mapping[str, Trap]] = {
    "P1": Trap(Guard.POISON_NARROWS, Scenario(TWO, attempts=1, poison=frozenset({"m2"})), "not it"),
    "P2": Trap(
        Guard.ALONE_STAYS_ALONE,
        Scenario(TWO, {}, TOOLS, attempts=1, poison=frozenset({"m2"}), lives=4),
        "used up",
    ),
    "P5": Trap(
        Guard.UNHEARD_GO_BACK, Scenario(TWO, {}, TOOL, attempts=1, poison=frozenset({"m2"})), "not it"
    ),
    "P3": Trap(
        Guard.DEBT_AT_TAKE, Scenario(TWO, attempts=1, poison=frozenset({"m2"})), "before it was heard"
    ),
    "P4": Trap(
        Guard.BURY_ENDS_CHAIN,
        Scenario(ONE, {}, ASK, agents=2, attempts=1, poison=frozenset({"re:A/m1/0", "dead:re:A/m1/0"})),
        "",
    ),
}

CONTROLLING: Final[Mapping[str, Trap]] = {
    "C1": Trap(Guard.EVICT_IS_CLEARED, Scenario(ONE, {"evict": 1}), "more often"),
    "C2": Trap(
        Guard.EVICT_IN_ERROR,
        Scenario((Send(), Send(1)), {"broken": 1}, {}, 2, pool=1, evicts=True, heals=False),
        "no way without faults",
    ),
    "C3": Trap(Guard.WAKE_IS_CLEARED, Scenario(ONE, {"wake": 1}), "only a timer"),
    "C13": Trap(Guard.WAKE_WHEN_ASLEEP, Scenario(ONE, {"wake": 1}), "only a timer"),
    "C15": Trap(Guard.WAKE_WHILE_LEAVING, Scenario(ONE, {"wake": 1, "evict": 1}), "was asked to come"),
    "C14": Trap(Guard.ERROR_COUNTS_NOT, Scenario(ONE, {"broken": 1, "crash": 2}, attempts=1), "went from"),
    "C4": Trap(Guard.ERROR_IS_WORK, Scenario(ONE, {"broken": 1}), "only a timer"),
    "C5": Trap(Guard.FAIL_KEEPS_TURN, Scenario(ONE, {"broken": 1}), ""),
    "C6": Trap(Guard.TERMINATE_CLOSES_TURN, Scenario(ONE, {"terminate": 1}), "left"),
    "C7": Trap(Guard.TERMINATED_REFUSES, Scenario(ONE, {"terminate": 1}), "left"),
    "C8": Trap(Guard.TERMINATED_IS_FINAL, Scenario(ONE, {"terminate": 1, "pause": 1}), "went from"),
    "C9": Trap(Guard.CANCEL_NAMES_TURN, Scenario(TWO, {"cancel": 1}, TOOL), "cancel"),
    "C10": Trap(Guard.DUE_STAYS_WHEN_FULL, Scenario(LATE, cap=1), "nowhere"),
    "C11": Trap(Guard.DUE_BOUNCES, Scenario((Send(delayed=True),), {"delete": 1}), "nothing can happen"),
    "C12": Trap(Guard.DELAYED_IS_SEEN, Scenario((Send(delayed=True),), {"lost": 1}), "I1"),
}

OPERATING: Final[Mapping[str, Trap]] = {
    "O5": Trap(
        Guard.FIRST_COME,
        Scenario((Send(), Send(1)), {"broken": 1}, {}, 2, pool=1, evicts=True, heals=False, lives=6),
        "used up",
    ),
    "O1": Trap(Guard.REAP_LOOKS_AGAIN, Scenario(ONE, {}, operators=2, stale=True), "alive"),
    "O6": Trap(Guard.REAP_COMPARES, Scenario(ONE, {"crash": 1}, operators=2), "alive"),
    "O7": Trap(Guard.TICKET, Scenario(ONE, {"zombie": 1}, lives=2), "used up"),
    "O2": Trap(Guard.NAME_TAKEN_IS_LOOKED_AT, Scenario(ONE, {"crash": 1}, graves=True), ""),
    "O3": Trap(Guard.CREATE_NAMES_EPOCH, Scenario(ONE, {"crash": 1}, operators=2), "two live"),
    "O4": Trap(Guard.DIRTY, Scenario(ONE, {"crash": 1}, status=True), "dirty"),
}

ONE_SLOT: Final = Scenario(BOTH, {}, {}, 2, pool=1, evicts=True)

HIBERNATING: Final[Mapping[str, Trap]] = {
    "R1": Trap(Guard.RETIRE_LOOKS, Scenario(TWO), "only a timer"),
    "R2": Trap(Guard.EVICT_WAKES, ONE_SLOT, "only a timer"),
    "R3": Trap(Guard.EVICT_THE_IDLE, ONE_SLOT._replace(lives=2), "used up"),
    "R4": Trap(Guard.ROOM_IS_MADE, ONE_SLOT, "only a timer"),
    "R5": Trap(Guard.PLACE_IS_KEPT, ONE_SLOT, "only a timer"),
    "R10": Trap(Guard.IDLE_RINGS, ONE_SLOT, "only a timer"),
    "R11": Trap(Guard.TOLD_FIRST, ONE_SLOT, "only a timer"),
    "R6": Trap(Guard.REFUSED_WAITS, ONE_SLOT._replace(faults={"foreign": 1}), "only a timer"),
    "R7": Trap(Guard.LISTS_AT_START, ONE_SLOT._replace(faults={"opcrash": 1}), "only a timer"),
    "R8": Trap(Guard.LISTS_AFTER_LOSS, Scenario(ONE, {"deaf": 1}), "only a timer"),
    "R9": Trap(Guard.CONFIG_WAKES, Scenario(ONE, {"configure": 1}), "new config"),
}

KEEPING: Final[Mapping[str, Trap]] = {
    "B1": Trap(Guard.CHARGED_FIRST, Scenario(ONE, {"crash": 1}, budget=1), "is charged for 0"),
    "B2": Trap(Guard.RESERVED_IS_REPLACED, Scenario(ONE, {}, budget=2), "is charged for 2"),
    "B3": Trap(Guard.DEAD_HAVE_PAID, Scenario(ONE, {"crash": 1}, budget=2), "is charged for 1"),
    "B4": Trap(
        Guard.DAY_FORWARD, Scenario(TWO, {"midnight": 1, "lag": 1, "crash": 1}, budget=1), "2 times on a day"
    ),
    "B5": Trap(Guard.TRIES_COUNT, Scenario(ONE, {"torn": 1}, budget=3), "2 times and is charged for 1"),
    "B6": Trap(Guard.CHARGE_ONCE, Scenario(ONE, {"torn": 1, "lost": 1}, budget=3), "is charged for 2"),
    "T1": Trap(Guard.TRIM_KEEPS_INDEX, Scenario(TWO, {}, trims=True), "got 4 records and counts 2"),
}

DECIDING: Final[Mapping[str, Trap]] = {
    "A1": Trap(Guard.APPROVAL_HOLDS, Scenario(ONE, {}, APPROVE), "part"),
    "A2": Trap(Guard.APPROVAL_KEPT, Scenario(ONE, {}, APPROVE), "part"),
    "A3": Trap(Guard.DECIDED_ONCE, Scenario(ONE, {}, APPROVE, people=("approve", "deny")), "decided twice"),
    "A4": Trap(Guard.EXPIRE_NEEDS_PENDING, Scenario(ONE, {"deadline": 1}, APPROVE), "decided twice"),
    "A5": Trap(
        Guard.APPROVALS_EXPIRE, Scenario(ONE, {}, APPROVE, people=(), deadlines=True), "nothing can happen"
    ),
    "A6": Trap(Guard.DECISION_BEYOND_CAP, Scenario(THEN_NOTICE, {}, APPROVE, cap=1), "nothing can happen"),
    "A7": Trap(Guard.DECISION_OWN_TURN, Scenario(ONE, {}, APPROVE_THEN_TOOL), "has not run it"),
    "A8": Trap(Guard.CALL_WITH_RECORD, Scenario(ONE, {"crash": 1}, APPROVE), "has not run it"),
    "A9": Trap(Guard.CALL_AHEAD, Scenario(ONE, {"crash": 1}, APPROVE), "started twice"),
    "A10": Trap(
        Guard.BURIED_DECISION_TOLD,
        Scenario(ONE, {}, APPROVE, attempts=1, poison=frozenset({"A/m1/0!decision"})),
        "nobody was told",
    ),
    "A11": Trap(Guard.APPROVALS_END, Scenario(ONE, {"terminate": 1}, APPROVE), "left"),
    "A12": Trap(Guard.DIRTY_APPROVALS, Scenario(ONE, {}, APPROVE, status=True), "dirty"),
    "E1": Trap(Guard.QUESTION_OF_TURN, Scenario(ONE, {}, ELICIT), "its call is over"),
    "E2": Trap(Guard.QUESTION_REAPED, Scenario(ONE, {"crash": 1}, ELICIT), "its call is over"),
    "E3": Trap(Guard.QUESTION_RETIRED, Scenario(ONE, {"drain": 1}, ELICIT), "its call is over"),
    "E4": Trap(Guard.QUESTION_NEEDS_TURN, Scenario(ONE, {"terminate": 1}, ELICIT), ""),
    "E5": Trap(Guard.ANSWER_WAKES, Scenario(ONE, {}, ELICIT), "only a timer"),
    "E6": Trap(Guard.WITHDRAW_TELLS, Scenario(ONE, {}, ELICIT), "has not heard it"),
    "E7": Trap(Guard.WITHDRAW_KEEPS, Scenario(ONE, {"lost": 1}, ELICIT), "has not heard it"),
    "E8": Trap(Guard.LOST_IS_OVER, Scenario(ONE, {"rollback": 2}, ELICIT), "only a timer"),
}

MENTIONED: Final = (Send(kind="post", mentions=(0,)),)

GATHERING: Final[Mapping[str, Trap]] = {
    "G1": Trap(Guard.MENTION_OWED, Scenario(MENTIONED, members=(0,)), "nothing can happen"),
    "G2": Trap(Guard.PLACE_MOVES, Scenario(POSTS, members=(0,)), "had (2, 3) to read"),
    "G3": Trap(Guard.PLACE_MOVES_WITH_COMMIT, Scenario(CALLED, {"crash": 1}, members=(0,)), "to read"),
    "G4": Trap(Guard.READ_UP_TO_POINTER, Scenario(POSTS, members=(0,)), "A read (1, 2"),
    "G5": Trap(Guard.READ_FROM_THE_LAST, Scenario(POSTS, members=(0,)), "A read (1, 2, 3)"),
    "G6": Trap(
        Guard.READ_BEHIND_JOIN,
        Scenario(LATE_CALL, {"join": 1}, {}, 2, victim=1, members=(0,)),
        "B read (1, 2) and had (2,)",
    ),
    "G7": Trap(
        Guard.JOINED_ONCE, Scenario(CALLED, {"join": 1}, {}, 2, victim=1, members=(0,)), "A read (2,) and had"
    ),
    "G8": Trap(Guard.LEAVING_FORGETS, Scenario(MENTIONED, {"leave": 1}, members=(0,)), "has left"),
    "G9": Trap(Guard.LEFT_HAS_NO_PLACE, Scenario(MENTIONED, {"leave": 1}, members=(0,)), "has left"),
    "G10": Trap(Guard.GROUP_ENDS_PLACES, Scenario(MENTIONED, {"ungroup": 1}, members=(0,)), "has left"),
    "G11": Trap(
        Guard.ANSWER_OF_ITS_GROUP, Scenario(MENTIONED, {"ungroup": 1}, members=(0,)), "another group"
    ),
    "G12": Trap(
        Guard.ANSWERS_ARE_QUIET,
        Scenario((Send(kind="post"),), {}, {}, 2, members=(0, 1), wake_all=True),
        "answers an answer",
    ),
    "G13": Trap(Guard.BOUNCED_ONCE, Scenario(MENTIONED, {"terminate": 1}, members=(0,)), "twice"),
    "G14": Trap(Guard.POSTED_ONCE, Scenario(MENTIONED, {"lost": 1}, members=(0,)), "I1: m1 is in 2 places"),
}

RAISING: Final[Mapping[str, Trap]] = {
    "N1": Trap(Guard.ORDER_ONCE, FAMILY._replace(faults={"lost": 1}), "I1"),
    "N2": Trap(Guard.ORDER_WAITS, FAMILY, "part"),
    "N3": Trap(Guard.TASK_IS_WAITED_FOR, FAMILY, "heard an error"),
    "N4": Trap(Guard.ORDER_STAYS, FAMILY._replace(faults={"terminate": 1, "opcrash": 1}), ""),
    "N5": Trap(Guard.NO_CHILD_IS_TOLD, FAMILY._replace(faults={"delete": 1}, victim=1), "nothing can happen"),
    "N6": Trap(Guard.OWN_CHILD_IS_KNOWN, FAMILY._replace(faults={"opcrash": 1}), ""),
    "N7": Trap(Guard.TASK_ENDS, FAMILY, ""),
    "N8": Trap(Guard.TASK_ENDS_BURIED, A_TASK._replace(faults={"crash": 1}, attempts=0), ""),
    "N9": Trap(Guard.TASK_HAS_ANSWERED, A_TASK._replace(sends=(Send(kind="notice"), Send())), "not asked"),
    "N10": Trap(Guard.TASK_INBOX, A_TASK._replace(sends=TWO_THREADS), "left"),
    "N11": Trap(Guard.TASK_OWES, A_TASK._replace(plans=EARLY, agents=2), "ended and waits"),
    "N12": Trap(Guard.TASK_DELAYED, A_TASK._replace(sends=(Send(delayed=True), Send())), "accepted"),
}

TRAPS: Final[Mapping[str, Trap]] = {
    **CLASSIC,
    **ANSWERS,
    **BURYING,
    **CONTROLLING,
    **OPERATING,
    **HIBERNATING,
    **KEEPING,
    **DECIDING,
    **GATHERING,
    **RAISING,
}
