"""Which answers of the API server mean that a quota has no room, as it words them."""

import pytest

from horos_operator.cluster import NameTakenError, OutdatedError, RefusedError
from horos_operator.kube.connection import KubeError
from horos_operator.kube.quota_errors import no_room
from horos_operator.kube.requests import translated

FORBIDDEN = 'pods "ada-1" is forbidden: '


@pytest.mark.parametrize(
    ("status", "reason", "message", "why"),
    [
        (
            403,
            "Forbidden",
            f"{FORBIDDEN}exceeded quota: horos-agents, requested: pods=1, used: pods=2, limited: pods=2",
            "ResourceQuota horos-agents has no room for another pod",
        ),
        (
            403,
            "Forbidden",
            f"{FORBIDDEN}status unknown for quota: horos-agents, resources: pods",
            "ResourceQuota horos-agents is not counted yet",
        ),
        (
            409,
            "Conflict",
            'Operation cannot be fulfilled on resourcequotas "horos-agents": the object has been modified;'
            " please apply your changes to the latest version and try again",
            "ResourceQuota horos-agents is being counted for others",
        ),
        (
            500,
            "InternalError",
            "Internal error occurred: resource quota evaluation timed out",
            "the API server is too busy to count its ResourceQuotas",
        ),
    ],
)
def test_a_quota_that_has_no_room_is_told_apart(status: int, reason: str, message: str, why: str) -> None:
    found = no_room(KubeError(status, reason, message))
    assert found is not None
    assert found.why == why


@pytest.mark.parametrize(
    ("status", "reason", "message", "kind"),
    [
        (409, "AlreadyExists", 'pods "resourcequotas" already exists', NameTakenError),
        (409, "AlreadyExists", 'resourcequotas "horos-agents" already exists', NameTakenError),
        (409, "Conflict", "the object has been modified", OutdatedError),
        (403, "Forbidden", f"{FORBIDDEN}violates PodSecurity", RefusedError),
        (403, "Forbidden", f"{FORBIDDEN}failed quota: cpu: must specify limits.cpu", RefusedError),
    ],
)
def test_other_refusals_mean_what_they_meant(status: int, reason: str, message: str, kind: type) -> None:
    error = KubeError(status, reason, message)
    assert no_room(error) is None
    assert type(translated(error)) is kind
