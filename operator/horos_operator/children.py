"""Whether an agent may have the child that it asks for, and the Agent that this is. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from horos_api.money import billionths
from horos_api.names import ANNOTATION_ORDER, API_VERSION, BODY_BYTES, FINALIZER, LABEL_ROOT
from horos_api.resources import AgentSpec, BuiltinTool, OperatingMode, SecretKeyRef
from horos_bus.operating import SocietyOrder
from horos_operator.agent_factory import AgentFactory, CreateAgentOptions
from horos_operator.facts import AgentFacts
from horos_operator.family import Line, budget_of, lives, owner_reference, too_deep
from horos_operator.inheritance import ChildWish, child_spec, first_wrong, wish_of
from horos_operator.models import Configs


@dataclass(frozen=True, slots=True)
class Nursery:
    """Where the child would be born: its parent with the parent's line, and the parent's children so far.

    `configs` are the ModelConfigs of the namespace.
    """

    parent: AgentFacts
    line: Line
    siblings: Collection[AgentFacts]
    configs: Configs

    @property
    def root(self) -> str:
        """The oldest ancestor of the child."""
        return self.line.root or self.parent.name


@dataclass(frozen=True, slots=True)
class Birth:
    """It may be: the Agent to create."""

    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """It may not be; `text` is for the model that asked: which field, its value, and what is expected."""

    text: str


@dataclass(frozen=True, slots=True)
class _Case:
    wish: ChildWish
    order: SocietyOrder
    nursery: Nursery
    asker: AgentSpec
    factory: AgentFactory

    @property
    def parent(self) -> AgentFacts:
        return self.nursery.parent


_Check: TypeAlias = Callable[[_Case], str | None]


def birth(order: SocietyOrder, nursery: Nursery, factory: AgentFactory) -> Birth | Refusal:
    """Decide about an order to create an agent. Whether the name is free is for the API server to say."""
    parent = nursery.parent
    try:
        wish = wish_of(order)
    except ValueError as error:
        return Refusal(str(error))
    if parent.spec is None:
        return Refusal(f"the spec of {parent.name} cannot be read: {parent.problem}")
    case = _Case(wish, order, nursery, parent.spec, factory)
    problem = next((text for check in _CHECKS if (text := check(case))), None)
    return Refusal(problem) if problem else _manifest(case)


def _same_name(case: _Case) -> str | None:
    if case.wish.name == case.order.name:
        return None
    return f"name {case.wish.name!r}: expected {case.order.name!r}, which is the name that was asked for"


def _task_fits(case: _Case) -> str | None:
    size = len(case.wish.task.encode())
    return f"task: expected at most {BODY_BYTES} bytes, not {size}" if size > BODY_BYTES else None


def _parent_works(case: _Case) -> str | None:
    parent, mode = case.parent, case.asker.operating_mode
    if mode is not OperatingMode.RUNNING or not lives(parent):
        state = "being deleted" if parent.deleting else mode.value if lives(parent) else "over"
        return f"{parent.name} is {state}; expected a parent that is Running"
    trouble = case.nursery.line.trouble
    return trouble[1] if trouble else None


def _may_have_children(case: _Case) -> str | None:
    if BuiltinTool.CREATE_AGENT in case.asker.tools.builtin:
        return None
    return f"{case.parent.name} may create no agents; expected create_agent among its spec.tools.builtin"


def _depth(case: _Case) -> str | None:
    line = Line((case.parent, *case.nursery.line.ancestors))
    ancestor = too_deep(line)
    if ancestor is None:
        return None
    distance = line.ancestors.index(ancestor) + 1
    return (
        f"name {case.wish.name!r}: it would be generation {distance} below {ancestor.name}; expected at most"
        f" {budget_of(ancestor).depth} (budget.depth of {ancestor.name}): do it yourself, or ask others"
    )


def _fan_out(case: _Case) -> str | None:
    most, now = case.asker.budget.children, sum(map(lives, case.nursery.siblings))
    if now < most:
        return None
    return (
        f"name {case.wish.name!r}: {case.parent.name} has {now} children; expected fewer than {most}"
        " (budget.children): end one with terminate_agent, or wait until one has done its task"
    )


def _tools(case: _Case) -> str | None:
    own = case.asker.tools.builtin
    more = [tool.value for tool in case.wish.tools or () if tool not in own]
    if not more:
        return None
    return f"tools {_listed(more)}: expected only tools that {case.parent.name} has: {_listed(own)}"


def _servers(case: _Case) -> str | None:
    own = [each.name for each in case.asker.tools.servers]
    more = [name for name in case.wish.servers or () if name not in own]
    if not more:
        return None
    return f"servers {_listed(more)}: expected only servers that {case.parent.name} has: {_listed(own)}"


def _model(case: _Case) -> str | None:
    name = case.wish.model
    if name is None:
        return None
    if name not in case.nursery.configs:
        return f"modelConfig {name!r}: expected one of {_listed(sorted(case.nursery.configs))}"
    more = _keys(case, child_spec(case.wish, case.asker)) - _keys(case, case.asker)
    if not more:
        return None
    secret = min(each.name for each in more)
    return f"modelConfig {name!r}: it uses Secret {secret}, and {case.parent.name} does not; expected no more"


def _keys(case: _Case, spec: AgentSpec) -> set[SecretKeyRef]:
    models = case.factory.wanted(spec, case.nursery.configs).models
    return {each.key for each in models.all if each.key is not None}


def _tokens(case: _Case) -> str | None:
    said, most = case.wish.tokens_per_day, case.asker.budget.tokens_per_day
    if said is None or most is None or said <= most:
        return None
    return f"tokensPerDay {said}: expected at most {most}, as {case.parent.name} has"


def _cost(case: _Case) -> str | None:
    said, most = case.wish.cost_per_day, case.asker.budget.cost_per_day
    if said is None or most is None or billionths(said) <= billionths(most):
        return None
    return f"costPerDay {said}: expected at most {most}, as {case.parent.name} has"


def _fits_the_schema(case: _Case) -> str | None:
    """The same schema as for a person's manifest: names, lengths, amounts."""
    try:
        case.factory.agent(_options(case))
    except ValidationError as error:
        return first_wrong(error)
    return None


_CHECKS: Final[Sequence[_Check]] = (
    _same_name,
    _task_fits,
    _parent_works,
    _may_have_children,
    _depth,
    _fan_out,
    _tools,
    _servers,
    _fits_the_schema,
    _model,
    _tokens,
    _cost,
)


def _options(case: _Case) -> CreateAgentOptions:
    return CreateAgentOptions(
        name=case.wish.name,
        namespace=case.parent.namespace,
        spec=child_spec(case.wish, case.asker),
        parent_name=case.parent.name,
    )


def _manifest(case: _Case) -> Birth:
    made = case.factory.agent(_options(case)).to_manifest()
    return Birth(
        {
            "apiVersion": API_VERSION,
            "kind": "Agent",
            "metadata": {
                "name": case.wish.name,
                "namespace": case.parent.namespace,
                "labels": {LABEL_ROOT: case.nursery.root},
                "annotations": {ANNOTATION_ORDER: case.order.mid},
                "finalizers": [FINALIZER],
                "ownerReferences": [owner_reference(case.parent, controller=True)],
            },
            "spec": made["spec"],
        }
    )


def ending(order: SocietyOrder, asker: AgentFacts | None, child: AgentFacts | None) -> str | None:
    """Say why an agent may not end another one; None when it may: only its parent can."""
    if asker is None:
        return f"{order.agent} is gone"
    if asker.spec is None or BuiltinTool.TERMINATE_AGENT not in asker.spec.tools.builtin:
        return f"{asker.name} may end no agents; expected terminate_agent among its spec.tools.builtin"
    if child is None:
        return f"name {order.name!r}: expected a child of {asker.name}, and there is no agent of this name"
    if child.owner_uid != asker.uid:
        return f"name {order.name!r}: expected a child of {asker.name}; only its parent can end an agent"
    return None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
