"""The guards of the protocol by name, and the rules of one run: what is taken away, and the limits."""

from enum import StrEnum
from typing import NamedTuple


class Guard(StrEnum):
    """One precaution. A trap is the protocol without it."""

    WORK_IS_RECOMPUTED = "every script recomputes membership in `work`"
    EXIT_IS_NOTICED = "the operator looks again when a pod is gone"
    RETRY_CARRIES_UID = "a client's retry carries the uid that its first try saw"
    CLAIM_CHANGES_NO_UID = "claim with another uid gets GONE"
    READ_INSIDE = "the inbox is read only inside fenced scripts"
    TOKEN = "the fence is a token that no two lives share"
    INDEX = "turn and index are checked by append and commit"
    CONFIRMATION_WAKES = "the confirmation of a subscription counts as a wake"
    SUBSCRIBE_FIRST = "subscribe before the first look"
    SEEN_AFTER_OK = "a mid is remembered only when the message was accepted"
    FENCE = "the scripts of a turn check the holder"
    REAP = "the operator clears the holder of a dead process"
    WAIT_KEPT_UNTIL_COMMIT = "a reply's entry in `waits` goes with the commit that acknowledges it"
    OWES_WHILE_OPEN = "a turn that leaves requests open in its thread owes"
    DEBT_AT_TAKE = "a debt given back with its message leaves `owed`"
    JOINED_ACKNOWLEDGED = "commit acknowledges the joined messages too"
    JOINED_BY_RECORD = "append returns only what has no user record yet"
    JOINED_ON_DUP = "append returns it on DUP as well"
    ASKED_ONCE = "a reply is accepted only while its entry says asked"
    EXPIRE_NEEDS_DEBT = "expire answers only what is still owed or asked"
    DEADLINES = "what is owed and what was asked has a deadline"
    WAITS_EXPIRE = "a request has a deadline where it was asked, not only where it is owed"
    EVICT_IS_CLEARED = "retire, reap and claim clear `evict`"
    EVICT_IN_ERROR = "an agent in error can be evicted with its turn open"
    WAKE_IS_CLEARED = "claim clears `wake`"
    ERROR_COUNTS_NOT = "a claim in error counts no attempt: nobody was working on the turn"
    FIRST_COME = "room goes to whoever has been in `work` for longest"
    WAKE_WHEN_ASLEEP = "wake is set only while nobody holds the agent"
    ERROR_IS_WORK = "an agent in error counts as work"
    FAIL_KEEPS_TURN = "fail leaves turn and inputs in place"
    DELETE_BOUNCES_OWED = "delete answers what is owed, not only what lies in the inbox"
    TERMINATE_CLOSES_TURN = "terminate closes the open turn"
    TERMINATED_REFUSES = "a terminated agent accepts nothing"
    TERMINATED_IS_FINAL = "pause and resume leave a terminated agent alone"
    POISON_NARROWS = "the first alone, before anything is buried"
    ALONE_STAYS_ALONE = "nothing joins a turn that was narrowed"
    UNHEARD_GO_BACK = "what joined and was not heard goes back before anything is buried"
    BURY_ENDS_CHAIN = "bury with nothing open left ends what is owed in the thread"
    DUE_STAYS_WHEN_FULL = "a due message stays in `later` while the inbox is full"
    DUE_BOUNCES = "a due request whose agent is gone gets an error"
    DELAYED_IS_SEEN = "the mid of a delayed message is remembered when it is accepted"
    REPLY_BEYOND_CAP = "a reply never meets the cap"
    CANCEL_NAMES_TURN = "cancel names the turn it means"
    THREAD_RUN = "a turn takes messages of one thread"
    DEBT_OF_THREAD = "what is open and owed counts for each thread by itself"
    REAP_LOOKS_AGAIN = "reap only after an uncached look at the pod"
    REAP_COMPARES = "reap clears the holder only if it is still the one that was found dead"
    TICKET = "claim is a compare-and-set on the epoch"
    NAME_TAKEN_IS_LOOKED_AT = "a 409 on create is looked at"
    CREATE_NAMES_EPOCH = "a pod is named for its epoch, and its claim names it too"
    DIRTY = "reap marks the agent dirty"
    ASKED_BACK = "what was asked back is answered, though the first request is open"
    CHARGED_FIRST = "a model call is charged before it is asked"
    RESERVED_IS_REPLACED = "usage takes the place of what was reserved for it"
    DEAD_HAVE_PAID = "claim leaves what a dead process had reserved charged"
    DAY_FORWARD = "a clock that lags does not bring a day back"
    TRIM_KEEPS_INDEX = "what is dropped of a thread still counts in its indexes"
    ASKED_BACK_BEFORE = "only a request from before is no reason to wait: one asked later is"


class Rules(NamedTuple):
    """The protocol of one run: all guards but those in `without`."""

    without: frozenset[Guard] = frozenset()
    cap: int = 99
    attempts: int = 99
    budget: int = 0
    trims: bool = False

    def keep(self, guard: Guard) -> bool:
        """Whether this guard is in place."""
        return guard not in self.without
