"""The answers by which the API server says that a ResourceQuota has no room, told apart from all others."""

import re
from typing import Final

from horos_operator.cluster import NoRoomError
from horos_operator.kube.connection import KubeError

_EXCEEDED: Final = re.compile(r"exceeded quota: (?P<name>[^\s,]+)")
_UNKNOWN: Final = re.compile(r"status unknown for quota: (?P<name>[^\s,]+)")
_CONFLICT: Final = re.compile(r'resourcequotas "(?P<name>[^"]+)"')
_SLOW: Final = "resource quota evaluation timed out"


def no_room(error: KubeError) -> NoRoomError | None:
    """Say which quota refused, in words that stay the same while the counts change; None: none did.

    Quotas are counted in the API server by optimistic writes: a burst ends in conflicts (409) on the quota,
    and one that is new has no count yet (403). Neither has anything to do with the pod.
    """
    message = error.message
    if error.status == 403 and (found := _EXCEEDED.search(message)):
        return NoRoomError(message, f"ResourceQuota {found['name']} has no room for another pod")
    if error.status == 403 and (found := _UNKNOWN.search(message)):
        return NoRoomError(message, f"ResourceQuota {found['name']} is not counted yet")
    if error.status == 409 and error.reason != "AlreadyExists" and (found := _CONFLICT.search(message)):
        return NoRoomError(message, f"ResourceQuota {found['name']} is being counted for others")
    if error.status == 500 and _SLOW in message:
        return NoRoomError(message, "the API server is too busy to count its ResourceQuotas")
    return None
