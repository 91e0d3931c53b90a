"""Groups as the operator remembers them, who belongs to one, and what is to be done about it. Pure."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson
from pydantic import ValidationError

from horos_api.conditions import ConditionType, Reason
from horos_api.groups import GroupSpec
from horos_api.mentions import MEMBERS_AT_MOST
from horos_api.names import FINALIZER
from horos_operator.facts import AgentFacts, first_problem, order_of, owning_agent
from horos_operator.verdict import Verdict, condition_entry, no, yes

NAMED_AT_MOST: Final = 5
"""How many names a message tells; all of those that are missing stand in `status.missing`."""


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """A Group as the API server last showed it. `spec` is None when it cannot be understood.

    `owner_uid` is the Agent that an ownerReference names, '' without; `order` the order that it was made for.
    """

    namespace: str
    name: str
    uid: str
    version: int
    generation: int
    deleting: bool
    finalizers: tuple[str, ...]
    spec: GroupSpec | None
    problem: str
    status: Mapping[str, Any]
    owner_uid: str = ""
    order: str = ""


def group_facts(body: Mapping[str, Any]) -> GroupFacts:
    """Read a Group; a spec that pydantic refuses becomes `problem`, with the field named."""
    metadata = body["metadata"]
    spec, problem = None, ""
    try:
        spec = GroupSpec.model_validate(body.get("spec") or {}, by_alias=True, by_name=False)
    except ValidationError as error:
        problem = first_problem(error)
    return GroupFacts(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        generation=int(metadata.get("generation", 0)),
        deleting="deletionTimestamp" in metadata,
        finalizers=tuple(metadata.get("finalizers") or ()),
        spec=spec,
        problem=problem,
        status=body.get("status") or {},
        owner_uid=owning_agent(metadata),
        order=order_of(metadata),
    )


@dataclass(frozen=True, slots=True)
class Membership:
    """Who belongs to a group now. `members` gives each one's uid, `missing` who is named and not there.

    `left_out` is how many more fit the spec than a group may have.
    """

    members: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    left_out: int = 0


def those_there(agents: Iterable[AgentFacts]) -> dict[str, AgentFacts]:
    """Who can belong to groups, by name: the Agents of a namespace that are not being deleted."""
    return {each.name: each for each in agents if not each.deleting}


def membership(spec: GroupSpec, there: Mapping[str, AgentFacts]) -> Membership:
    """Find the members among those that are there: who is named goes before who is selected."""
    named = sorted(name for name in spec.members if name in there)
    wanted = spec.member_selector.match_labels.items() if spec.member_selector else None
    chosen = [] if wanted is None else [name for name, each in there.items() if wanted <= each.labels.items()]
    fitting = list(dict.fromkeys([*named, *sorted(chosen)]))
    return Membership(
        members={name: there[name].uid for name in sorted(fitting[:MEMBERS_AT_MOST])},
        missing=tuple(sorted(set(spec.members) - there.keys())),
        left_out=max(0, len(fitting) - MEMBERS_AT_MOST),
    )


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """Everything that is known of a group. `belongs` is None where the spec cannot be read.

    `on_bus` is the uid that has the name on the bus, '' for none; `projected` the digest of what this
    operator has told the bus, '' when it does not remember; `problem` is empty when the bus could be asked.
    """

    group: GroupFacts
    belongs: Membership | None
    on_bus: str = ""
    projected: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """From now on the Group is not gone before its keys are."""


@dataclass(frozen=True, slots=True)
class DeleteKeys:
    """Drop what the bus has under the name for this uid."""

    uid: str


@dataclass(frozen=True, slots=True)
class Project:
    """Tell the bus who belongs to the group. `new`: it does not know the group yet."""

    belongs: Membership
    digest: str
    new: bool


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Nothing of it is left on the bus: let it go."""


GroupAction: TypeAlias = AddFinalizer | DeleteKeys | Project | RemoveFinalizer


def plan(seen: GroupSeen) -> tuple[GroupAction, ...]:
    """Say what to do, in this order. After all of it is done, the next plan is empty."""
    group = seen.group
    if group.deleting:
        if FINALIZER not in group.finalizers or seen.problem:
            return ()
        return DeleteKeys(group.uid), RemoveFinalizer()
    if seen.belongs is None or group.spec is None:
        return ()  # what an earlier spec meant stays as it is
    steps: list[GroupAction] = [] if FINALIZER in group.finalizers else [AddFinalizer()]
    if seen.problem:
        return tuple(steps)
    if seen.on_bus not in ("", group.uid):
        steps.append(DeleteKeys(seen.on_bus))
    digest = digest_of(group, seen.belongs)
    new = seen.on_bus != group.uid
    if new or seen.projected != digest:
        steps.append(Project(seen.belongs, digest, new))
    return tuple(steps)


def digest_of(group: GroupFacts, belongs: Membership) -> str:
    """Name what the bus is to know of a group, so that it is told only when it changes."""
    assert group.spec is not None
    told = [group.uid, group.spec.wake, group.spec.retain_messages, sorted(belongs.members.items())]
    return hashlib.sha256(orjson.dumps(told)).hexdigest()


def group_status(seen: GroupSeen, now: float) -> dict[str, Any]:
    """Build the status. Of a spec that cannot be read, the members are still those of the one before it."""
    if seen.belongs is None:
        kept = {"members": [], "memberCount": 0, "missing": [], **seen.group.status}
        told = {name: kept[name] for name in ("members", "memberCount", "missing")}
    else:
        members, missing = list(seen.belongs.members), list(seen.belongs.missing)
        told = {"members": members, "memberCount": len(members), "missing": missing}
    return {**told, "conditions": [condition_entry(ConditionType.READY, _ready(seen), seen.group, now)]}


def _ready(seen: GroupSeen) -> Verdict:
    belongs = seen.belongs
    if belongs is None:
        return no(Reason.INVALID_SPEC, seen.group.problem)
    if seen.problem:
        return no(Reason.BUS_UNAVAILABLE, seen.problem)
    if not belongs.members:
        nobody = f"no member exists: {in_short(belongs.missing)}"
        return no(Reason.NO_MEMBERS, nobody if belongs.missing else "no Agent is selected")
    if belongs.left_out:
        limit = f"a group has at most {MEMBERS_AT_MOST} members"
        return no(Reason.TOO_MANY_MEMBERS, f"{limit}; {belongs.left_out} that fit are left out, last by name")
    if belongs.missing:
        return yes(Reason.MEMBERS_MISSING, f"not there (yet): {in_short(belongs.missing)}")
    return yes(Reason.MEMBERS_PRESENT, "every member exists")


def in_short(names: Sequence[str]) -> str:
    """List the first names, and how many more there are."""
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return ", ".join(names[:NAMED_AT_MOST]) + more
