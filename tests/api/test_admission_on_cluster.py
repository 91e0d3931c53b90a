"""A LocalCluster lets in what the API server lets in: metadata, and what a spec may become."""

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from horos_api.resources import OperatingMode
from horos_operator.cluster import RefusedError
from horos_operator.kube.connection import KubeError
from horos_operator.local.admission import admitted, refused, refused_change
from tests.api.conftest import REFUSED, ApiServer, as_json
from tests.api.specs import LABEL_KEYS, LABELS, NAMES, SPECS, changed_specs

pytestmark = pytest.mark.cluster

ON_THE_CLUSTER = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ODD = st.sampled_from(
    ["", "a b", "-a", "a-", "a/b/c", "/a", "a/", "A.b_c", "ä", "n" * 63, "n" * 64, "a..b/c", "B/c"]
)
KEYS = st.one_of(LABEL_KEYS, ODD)
VALUES = st.one_of(LABELS, ODD)


def agent(metadata: dict[str, Any], spec: Any = None) -> dict[str, Any]:
    return {"apiVersion": "horos.dev/v1alpha1", "kind": "Agent", "metadata": metadata, "spec": spec or {}}


def refusal_here(document: dict[str, Any]) -> str | None:
    try:
        admitted([document], "default")
    except RefusedError as error:
        return error.message
    return None


@ON_THE_CLUSTER
@given(
    name=NAMES,
    labels=st.dictionaries(KEYS, VALUES, max_size=3),
    annotations=st.dictionaries(KEYS, st.text(max_size=20), max_size=3),
)
@example(name="ada", labels={"a": "b" * 64}, annotations={})
@example(name="ada", labels={}, annotations={"x" * 254 + "/a": "b"})
def test_metadata_gets_the_same_verdict_from_both(
    api_server: ApiServer, name: str, labels: dict[str, str], annotations: dict[str, str]
) -> None:
    document = agent({"name": name, "labels": labels, "annotations": annotations})
    by_server, here = api_server.refusal(document), refusal_here(document)
    assert (by_server is None) == (here is None), (
        f"{as_json(document)}\nAPI server: {by_server or 'accepted'}\nhere: {here or 'accepted'}"
    )


MODES = st.sampled_from([each.value for each in OperatingMode])
PARENTS = st.sampled_from(["", "lead", "other"])


@settings(ON_THE_CLUSTER, max_examples=60)
@given(
    before=SPECS,
    after=st.one_of(SPECS, changed_specs(SPECS)),
    modes=st.tuples(MODES, MODES),
    parents=st.tuples(PARENTS, PARENTS),
)
def test_a_change_gets_the_same_verdict_from_both(
    api_server: ApiServer, before: Any, after: Any, modes: tuple[str, str], parents: tuple[str, str]
) -> None:
    assume(isinstance(after, dict))
    specs = [
        {**spec, "operatingMode": mode, "parentName": parent}
        for spec, mode, parent in zip((before, after), modes, parents, strict=True)
    ]
    there, wanted = (agent({"name": "changing"}, spec) for spec in specs)
    assert not refused("agents", there)
    by_server = server_says(api_server, there, wanted)
    here = refused_change("agents", there, wanted)
    assert (by_server is None) == (not here), (
        f"{as_json(specs)}\nAPI server: {by_server or 'accepted'}\nhere: {here or 'accepted'}"
    )


def server_says(api_server: ApiServer, there: dict[str, Any], wanted: dict[str, Any]) -> str | None:
    """Create an Agent, and ask whether it may become another one."""
    path = f"/apis/{api_server.group}/v1alpha1/namespaces/default/agents"
    version = {"apiVersion": f"{api_server.group}/v1alpha1"}
    stored = api_server.request("POST", path, there | version)
    try:
        # As kubectl replace does; the version is the one that is stored.
        metadata = stored["metadata"]
        changed = wanted | version | {"metadata": metadata}
        strict = f"{path}/changing?dryRun=All&fieldValidation=Strict"
        api_server.request("PUT", strict, changed)
    except KubeError as error:
        if error.status not in REFUSED:
            raise
        return error.message
    finally:
        api_server.request("DELETE", f"{path}/changing")
    return None
