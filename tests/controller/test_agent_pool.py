"""AgentPool: who gets a slot, who waits where, who is asked to leave; and societies that it must not stop."""

import dataclasses
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as some

from horos_operator.agent_pool import TURNS, AgentPool, LivePod, Need, PodPart, PoolDecision, PoolSeen

POOL = AgentPool()


def decide(
    *needs: Need, pods: tuple[LivePod, ...] = (), limit: int | None = 1, **more: object
) -> PoolDecision:
    return POOL.decide(dataclasses.replace(PoolSeen(needs, pods, limit), **more))  # type: ignore[arg-type]


def working(agent: str, parent: str = "") -> LivePod:
    return LivePod(agent, PodPart.WORKING, parent=parent)


def idle(agent: str, since: float, *, stays: bool = False) -> LivePod:
    return LivePod(agent, PodPart.IDLE, since, stays)


def test_without_a_pool_everybody_starts() -> None:
    many = [Need(f"a{number:03}", number) for number in range(300)]
    assert decide(*many, limit=None) == PoolDecision(start=tuple(each.agent for each in many))


def test_whoever_came_first_starts_and_the_others_have_their_places() -> None:
    decided = decide(Need("late", 3), Need("early", 1), Need("middle", 2))
    assert decided == PoolDecision(start=("early",), waiting=("middle", "late"))


def test_work_goes_before_births_and_priority_before_arrival() -> None:
    birth, work = Need("birth", 1, urgent=False, priority=900), Need("work", 9)
    assert decide(birth, work) == PoolDecision(start=("work",), waiting=("birth",))
    assert decide(Need("low", 1, priority=-1), Need("high", 9, priority=1)).start == ("high",)


def test_pods_on_their_way_in_or_out_and_those_of_others_take_slots() -> None:
    leaving, starting = LivePod("x", PodPart.LEAVING), LivePod("y", PodPart.STARTING)
    assert decide(Need("a", 1), pods=(leaving, starting), limit=2).start == ()
    assert decide(Need("a", 1), granted=(("x", ""),), limit=1).start == ()
    assert decide(Need("a", 1), foreign=1, limit=1).start == ()
    assert decide(Need("a", 1), pods=(leaving,), granted=(("x", ""),), foreign=1, limit=4).start == ("a",)


def test_nobody_leaves_for_what_the_quota_counts_only_for_a_moment() -> None:
    pods = (working("x"), idle("old", 1))
    late, theirs = {"foreign": 1, "fresh": 1}, {"foreign": 1, "fresh": 0}
    assert decide(Need("a", 1), pods=pods, limit=3, **late) == PoolDecision(waiting=("a",))
    assert decide(Need("a", 1), pods=pods, limit=3, **theirs).evict == ("old",)


def test_where_a_tighter_quota_refuses_idle_ones_leave_for_work_as_if_what_runs_were_the_limit() -> None:
    pods = (working("x"), idle("old", 1), idle("new", 2))
    full = {"limit": 9, "full": True}
    assert decide(Need("a", 1), pods=pods, **full) == PoolDecision(waiting=("a",), evict=("old",))
    assert decide(Need("a", 1), pods=pods, foreign=2, **full).evict == ("old",)
    assert decide(Need("a", 1), pods=pods, foreign=2, fresh=2, **full).evict == ()
    assert decide(Need("birth", 1, urgent=False), pods=pods, **full).evict == ()
    assert decide(*(Need(f"a{each}", 1) for each in range(9)), pods=pods, **full).evict == ("old", "new")
    assert decide(Need("a", 1), **full) == PoolDecision(waiting=("a",))
    # Never more than the limit, and without a limit nothing is decided about who leaves.
    assert decide(Need("a", 1), pods=pods, limit=2, full=True) == decide(Need("a", 1), pods=pods, limit=2)
    assert decide(Need("a", 1), pods=pods, limit=None, full=True) == PoolDecision(start=("a",))


def test_a_grant_is_not_given_twice() -> None:
    assert decide(Need("a", 1), granted=(("a", ""),), limit=5) == PoolDecision()


def test_a_parents_hundred_children_do_not_push_out_others() -> None:
    children = [Need(f"c{number:02}", 1 + number / 1000, parent="p") for number in range(100)]
    others = [Need("lone", 50), Need("niece", 60, parent="q")]
    order = decide(*children, *others, limit=0).waiting
    assert order[0] == "c00"
    assert {"lone", "niece"} <= set(order[:4])
    # Those that run count, too: every other slot goes to somebody else but for one in TURNS.
    running = tuple(working(f"r{number}", "p") for number in range(3))
    assert decide(*children, *others, pods=running, limit=5).start == ("lone", "niece")


def test_one_slot_in_turns_goes_to_whoever_waits_longest() -> None:
    child, lone = Need("child", 1, parent="p"), Need("lone", 5)
    sibling = (working("elder", "p"),)
    starts = [decide(child, lone, pods=sibling, limit=2, turn=turn).start for turn in range(TURNS)]
    assert starts == [("lone",)] * (TURNS - 1) + [("child",)]


def test_the_idle_longest_leave_when_somebody_with_work_waits() -> None:
    pods = (idle("a", 10), idle("b", 5), working("c"), idle("d", 1, stays=True))
    assert decide(Need("x", 1), pods=pods, limit=4) == PoolDecision(waiting=("x",), evict=("b",))
    two = decide(Need("x", 1), Need("y", 2), pods=pods, limit=4)
    assert two.evict == ("b", "a")
    assert decide(*(Need(str(n), n) for n in range(9)), pods=pods, limit=4).evict == ("b", "a", "d")
    assert decide(Need("x", 1), pods=pods, limit=4, evicts=False).evict == ()


def test_nobody_leaves_for_a_birth_or_when_a_slot_comes_free_by_itself() -> None:
    assert decide(Need("x", 1, urgent=False), pods=(idle("a", 1),)).evict == ()
    pods = (idle("a", 1), LivePod("b", PodPart.LEAVING))
    assert decide(Need("x", 1), pods=pods, limit=2).evict == ()
    assert decide(Need("b", 1, exiting=True), pods=pods, limit=2) == PoolDecision(waiting=("b",))
    assert decide(Need("x", 1), pods=(idle("a", 1),), limit=1, foreign=1).evict == ("a",)


def test_whoever_waits_for_its_own_last_pod_keeps_its_place_and_takes_no_slot() -> None:
    decided = decide(Need("a", 1, exiting=True), Need("b", 2), pods=(LivePod("a", PodPart.LEAVING),), limit=2)
    assert decided == PoolDecision(start=("b",), waiting=("a",))


def test_a_limit_below_use_asks_the_idle_longest_to_retire_and_starts_nobody() -> None:
    pods = (idle("a", 3), idle("b", 1), working("c"), working("d"))
    assert decide(pods=pods, limit=3) == PoolDecision(evict=("b",))
    assert decide(Need("x", 1), pods=pods, limit=2) == PoolDecision(waiting=("x",), evict=("b", "a"))
    assert decide(pods=pods, limit=0).evict == ("b", "a")


def test_a_stuck_pod_is_given_up_before_an_idle_one_leaves_and_only_if_somebody_waits() -> None:
    pods = (LivePod("stuck", PodPart.STUCK), idle("a", 1))
    assert decide(pods=pods, limit=2) == PoolDecision()
    asked = decide(Need("x", 1), pods=pods, limit=2)
    assert (asked.give_up, asked.evict) == (("stuck",), ())
    assert decide(Need("x", 1), Need("y", 2), pods=pods, limit=2).evict == ("a",)
    assert decide(Need("birth", 1, urgent=False), pods=pods, limit=2).give_up == ("stuck",)


def test_whoever_is_held_back_stands_behind_all_others_and_nobody_leaves_for_it() -> None:
    failed = Need("failed", 1, priority=9, held_back=True)
    decided = decide(failed, Need("x", 5), Need("birth", 2, urgent=False), pods=(working("w"),))
    assert decided.waiting == ("x", "birth", "failed")
    assert decide(failed, pods=(idle("a", 1),)) == PoolDecision(waiting=("failed",))
    assert decide(failed, limit=5).start == ()


NAMES = [f"agent-{number}" for number in range(12)]
PARENTS = ["", "", "p", "q"]


@some.composite
def seen(draw: some.DrawFn) -> PoolSeen:
    names = draw(some.permutations(NAMES))
    count = draw(some.integers(0, len(names)))
    needs = [
        Need(
            name,
            draw(some.integers(0, 20)),
            urgent=draw(some.booleans()),
            priority=draw(some.integers(-1, 1)),
            parent=draw(some.sampled_from(PARENTS)),
            exiting=draw(some.sampled_from([False, False, False, True])),
            held_back=draw(some.sampled_from([False, False, False, True])),
        )
        for name in names[:count]
    ]
    pods = [
        LivePod(
            name,
            draw(some.sampled_from(PodPart)),
            draw(some.integers(0, 20)),
            draw(some.booleans()),
            draw(some.sampled_from(PARENTS)),
        )
        for name in names[count : count + draw(some.integers(0, 6))]
    ]
    return PoolSeen(
        needs,
        pods,
        limit=draw(some.one_of(some.none(), some.integers(0, 8))),
        evicts=draw(some.booleans()),
        granted=[(each.agent, each.parent) for each in needs[: draw(some.integers(0, 2))]],
        foreign=draw(some.integers(0, 2)),
        turn=draw(some.integers(0, 9)),
    )


@given(seen())
@settings(max_examples=100, deadline=None)
def test_a_decision_keeps_the_limit_names_everybody_once_and_disturbs_only_the_idle(case: PoolSeen) -> None:
    decided = POOL.decide(case)
    if case.limit is not None and decided.start:
        used = len(case.pods) + len(case.granted) + case.foreign
        assert used + len(decided.start) <= case.limit
    granted = {agent for agent, _ in case.granted}
    named = sorted((*decided.start, *decided.waiting))
    assert named == sorted(each.agent for each in case.needs if each.agent not in granted)
    part = {each.agent: each.part for each in case.pods}
    assert {part[agent] for agent in decided.evict} <= {PodPart.IDLE}
    assert {part[agent] for agent in decided.give_up} <= {PodPart.STUCK}
    assert POOL.decide(case) == decided


@given(seen())
@settings(max_examples=100, deadline=None)
def test_nobody_overtakes_but_by_class_by_share_and_by_turn(case: PoolSeen) -> None:
    decided = POOL.decide(dataclasses.replace(case, limit=0, granted=()))
    of = {each.agent: each for each in case.needs}
    order = [of[name] for name in decided.waiting if not of[name].held_back]
    ranks = [(not each.urgent, -each.priority) for each in order]
    assert ranks == sorted(ranks)
    # Of siblings, and of agents without a parent, the one that came first is first.
    siblings: dict[tuple[tuple[bool, int], str], list[float]] = defaultdict(list)
    for each, rank in zip(order, ranks, strict=True):
        siblings[rank, each.parent].append(each.since)
    assert all(since == sorted(since) for since in siblings.values())


@given(seen())
@settings(max_examples=60, deadline=None)
def test_a_birth_delays_nobody_who_has_work(case: PoolSeen) -> None:
    # Whoever waits for its own last pod gets the slot of that one, which the drawn pods know nothing of.
    needs = [dataclasses.replace(each, exiting=False) for each in case.needs]
    case = dataclasses.replace(case, needs=needs, granted=())
    urgent = {each.agent for each in needs if each.urgent}
    without = dataclasses.replace(case, needs=[each for each in needs if each.urgent])
    decided, alone = POOL.decide(case), POOL.decide(without)
    assert [name for name in decided.start if name in urgent] == list(alone.start)
    # A birth may have a stuck pod given up; nobody is asked to leave for it.
    assert set(alone.evict) >= set(decided.evict)


@given(seen())
@settings(max_examples=60, deadline=None)
def test_once_it_is_done_there_is_nothing_more_to_decide(case: PoolSeen) -> None:
    decided = POOL.decide(case)
    leaving = {*decided.evict, *decided.give_up}
    parent_of = {each.agent: each.parent for each in case.needs}
    after = dataclasses.replace(
        case,
        pods=[
            dataclasses.replace(each, part=PodPart.LEAVING) if each.agent in leaving else each
            for each in case.pods
        ],
        granted=[*case.granted, *((name, parent_of[name]) for name in decided.start)],
        turn=case.turn + len(decided.start),
    )
    again = POOL.decide(after)
    assert (again.start, again.evict, again.give_up) == ((), (), ())
    assert sorted(again.waiting) == sorted(decided.waiting)
    if not any(each.exiting for each in case.needs):
        assert again.waiting == decided.waiting


@given(some.data(), some.integers(1, 3), some.integers(0, TURNS))
@settings(max_examples=50, deadline=None)
def test_nobody_starves_whatever_comes_later_at_its_priority_or_below(
    data: some.DataObject, limit: int, turn: int
) -> None:
    """Each step one pod ends and up to two agents come, of whom all could be favourites of the shares."""
    parent = some.sampled_from(PARENTS)
    before = [Need(f"before-{n}", n, parent=data.draw(parent)) for n in range(data.draw(some.integers(0, 4)))]
    needs = [*before, Need("patient", 10, parent=data.draw(parent))]
    pods = [working(f"old-{number}", "p") for number in range(limit)]
    granted = 0
    for step in range(TURNS * (len(before) + 1)):
        # An elder sibling of the patient one may go on for ever, as long as any slot changes hands at all.
        pods.pop(0)
        for number in range(data.draw(some.integers(0, 2))):
            coming = Need(f"new-{step}-{number}", 11 + step, priority=data.draw(some.integers(-1, 0)))
            needs.append(dataclasses.replace(coming, parent=data.draw(parent)))
        decided = POOL.decide(PoolSeen(needs, pods, limit, turn=turn + granted))
        granted += len(decided.start)
        of = {each.agent: each for each in needs}
        pods += [working(name, of[name].parent) for name in decided.start]
        needs = [each for each in needs if each.agent not in decided.start]
        if "patient" in decided.start:
            return
    raise AssertionError(f"still waiting after {granted} grants")


class Society:
    """Agents that ask their children and answer when all of those have answered, on so many slots."""

    def __init__(self, families: dict[str, tuple[str, ...]], limit: int) -> None:
        self.children = families
        self.parent_of = {child: parent for parent, of in families.items() for child in of}
        self.limit = limit
        self.moment = 0
        self.work: dict[str, float] = dict.fromkeys(families, 0.0)
        self.open = {parent: set(of) for parent, of in families.items()}
        self.asked: set[str] = set()
        self.answered: list[str] = []
        self.pods: dict[str, float] = {}
        self.leaving: set[str] = set()

    def step(self) -> None:
        self.moment += 1
        for agent in self.leaving:
            del self.pods[agent]
        self.leaving = set()
        decided = POOL.decide(PoolSeen(self._needs(), self._live(), self.limit, turn=self.moment))
        self.leaving = set(decided.evict)
        for agent in decided.start:
            self.pods[agent] = self.moment
        assert len(self.pods) <= self.limit
        for agent in sorted(self.pods):
            if agent in self.work and agent not in self.leaving:
                del self.work[agent]
                self._turn(agent)
                self.pods[agent] = self.moment

    def _needs(self) -> list[Need]:
        absent = {agent: since for agent, since in self.work.items() if agent not in self.pods}
        return [Need(agent, since, parent=self.parent_of.get(agent, "")) for agent, since in absent.items()]

    def _live(self) -> list[LivePod]:
        return [
            LivePod(
                agent,
                PodPart.WORKING if agent in self.work else PodPart.IDLE,
                since,
                parent=self.parent_of.get(agent, ""),
            )
            for agent, since in self.pods.items()
        ]

    def _turn(self, agent: str) -> None:
        if agent in self.children and agent not in self.asked:
            self.asked.add(agent)
            self.work.update(dict.fromkeys(self.children[agent], self.moment))
        elif agent in self.parent_of:
            self.answered.append(agent)
            self.open[self.parent_of[agent]].discard(agent)
            self.work.setdefault(self.parent_of[agent], self.moment)
        if agent in self.children and not self.open[agent] and agent not in self.answered:
            self.answered.append(agent)


def test_parents_that_wait_for_their_children_make_room_for_them_in_a_pool_of_one() -> None:
    families = {"p": ("p-a", "p-b", "p-c"), "q": ("q-a",)}
    society = Society(families, limit=1)
    for _ in range(60):
        society.step()
    assert sorted(society.answered) == ["p", "p-a", "p-b", "p-c", "q", "q-a"]
    assert society.work == {}


class Tree(Society):
    """A society whose children are Tasks that are not there before they are ordered, and have children, too.

    Whoever is ordered needs a pod as a birth until the operator has settled, then for its task; who has
    answered leaves by itself.
    """

    def __init__(self, families: dict[str, tuple[str, ...]], limit: int) -> None:
        super().__init__(families, limit)
        self.work = {agent: 0.0 for agent in families if agent not in self.parent_of}
        self.born: dict[str, float] = {}

    def step(self) -> None:
        ordered = dict(self.born)
        super().step()
        for agent, since in ordered.items():
            del self.born[agent]
            self.work[agent] = since
        self.leaving |= {agent for agent in self.pods if agent in self.parent_of and agent in self.answered}

    def _needs(self) -> list[Need]:
        births = [
            Need(agent, since, urgent=False, parent=self.parent_of[agent])
            for agent, since in self.born.items()
            if agent not in self.pods
        ]
        return [*super()._needs(), *births]

    def _turn(self, agent: str) -> None:
        if agent not in self.asked and self.children.get(agent):
            self.asked.add(agent)
            self.born.update(dict.fromkeys(self.children[agent], float(self.moment)))
        elif not self.open.get(agent) and agent not in self.answered:
            self.answered.append(agent)
            if parent := self.parent_of.get(agent):
                self.open[parent].discard(agent)
                self.work.setdefault(parent, self.moment)


def everybody(families: dict[str, tuple[str, ...]]) -> list[str]:
    return sorted({*families, *(child for of in families.values() for child in of)})


def test_two_parents_in_a_pool_of_one_raise_children_wait_for_them_and_are_both_answered() -> None:
    families = {"p": ("p-a", "p-b", "p-c"), "q": ("q-a", "q-b"), "q-a": ("q-a-x",)}
    tree = Tree(families, limit=1)
    for _ in range(120):
        tree.step()
    assert sorted(tree.answered) == everybody(families)
    assert (tree.work, tree.born) == ({}, {})
    assert {agent for agent in tree.pods if agent in tree.parent_of} == set()


@given(some.integers(1, 3), some.lists(some.lists(some.integers(0, 3), min_size=1, max_size=4), max_size=4))
@settings(max_examples=25, deadline=None)
def test_every_tree_ends_answered_on_any_pool(limit: int, shape: list[list[int]]) -> None:
    families: dict[str, tuple[str, ...]] = {}
    for i, grandchildren in enumerate(shape):
        families[f"p{i}"] = tuple(f"p{i}-{k}" for k in range(len(grandchildren)))
        for k, count in enumerate(grandchildren):
            families[f"p{i}-{k}"] = tuple(f"p{i}-{k}-{n}" for n in range(count))
    tree = Tree(families, limit)
    for _ in range(20 * len(everybody(families)) + 20):
        tree.step()
    assert sorted(tree.answered) == everybody(families)


@given(some.integers(1, 4), some.lists(some.integers(1, 6), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None)
def test_every_society_ends_answered_on_any_pool(limit: int, sizes: list[int]) -> None:
    families = {f"p{i}": tuple(f"p{i}-{k}" for k in range(size)) for i, size in enumerate(sizes)}
    society = Society(families, limit)
    for _ in range(10 * sum(size + 1 for size in sizes) + 20):
        society.step()
    assert len(society.answered) == sum(size + 1 for size in sizes)
