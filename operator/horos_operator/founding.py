"""Whether an agent may found the group that it asks for, and the Group that this is. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from horos_api.fields import ApiModel
from horos_api.groups import Group
from horos_api.mentions import Wake
from horos_api.names import ANNOTATION_ORDER, API_VERSION, FINALIZER
from horos_api.resources import BuiltinTool
from horos_bus.operating import SocietyOrder
from horos_operator.children import Refusal
from horos_operator.facts import AgentFacts
from horos_operator.family import owner_reference
from horos_operator.groups import GroupFacts
from horos_operator.inheritance import first_wrong

GROUPS_AT_MOST: Final = 32
"""How many groups an agent may own: each is an object of the cluster, and a stream of its own."""


class GroupWish(ApiModel):
    """What an agent says of the group that it wants: the arguments of its tool `create_group`."""

    name: str
    members: tuple[str, ...] = ()
    wake: Wake = Wake.MENTIONED


@dataclass(frozen=True, slots=True)
class Founding:
    """It may be: the Group to create."""

    manifest: Mapping[str, Any]


def founding(
    order: SocietyOrder, asker: AgentFacts | None, groups: Iterable[GroupFacts]
) -> Founding | Refusal:
    """Decide about an order to create a group. Whether the name is free is for the API server to say."""
    if asker is None or asker.deleting or asker.spec is None:
        return Refusal(f"{order.agent} is gone, or cannot be read")
    if BuiltinTool.CREATE_GROUP not in asker.spec.tools.builtin:
        return Refusal(
            f"{asker.name} may create no groups; expected create_group among its spec.tools.builtin"
        )
    owned = sum(each.owner_uid == asker.uid and not each.deleting for each in groups)
    if owned >= GROUPS_AT_MOST:
        return Refusal(f"{asker.name} owns {owned} groups; expected fewer than {GROUPS_AT_MOST}")
    try:
        wish = GroupWish.model_validate_json(order.body, by_alias=True, by_name=False)
        return Founding(_manifest(order, asker, wish))
    except ValidationError as error:
        return Refusal(first_wrong(error))


def _manifest(order: SocietyOrder, asker: AgentFacts, wish: GroupWish) -> dict[str, Any]:
    spec = {"members": list(wish.members), "wake": wish.wake.value}
    metadata = {"name": order.name, "namespace": asker.namespace}
    # Validated as a person's would be: names, and how many.
    made = Group.from_manifest({"metadata": metadata, "spec": spec}).to_manifest()
    return {
        "apiVersion": API_VERSION,
        "kind": "Group",
        "metadata": {
            **metadata,
            "annotations": {ANNOTATION_ORDER: order.mid},
            "finalizers": [FINALIZER],
            "ownerReferences": [owner_reference(asker, controller=True)],
        },
        "spec": made["spec"],
    }
