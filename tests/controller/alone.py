"""The test cluster without another operator that would serve the same Agents, and with today's CRDs."""

from collections.abc import Iterator
from contextlib import contextmanager

from horos_api.crd import KINDS
from tests.e2e.cluster import PROJECT, RELEASE, kubectl, run


@contextmanager
def alone_on_cluster() -> Iterator[None]:
    """Stop the release's operator beside the block, if there is one."""
    for kind in KINDS:
        _install_definition(kind.plural)
    other = ("-n", RELEASE, "scale", "deployment/horos-operator")
    released = run("kubectl", *other, "--replicas=0", check=False).returncode == 0
    try:
        yield
    finally:
        if released:
            kubectl(*other, "--replicas=1")
            kubectl("-n", RELEASE, "rollout", "status", "deployment/horos-operator", "--timeout=120s")


def _install_definition(plural: str) -> None:
    """Bring the CRD to what it is today, in a way that lets the chart adopt it later.

    A cluster that lives longer than a checkout has the one of an older release.
    """
    file = str(PROJECT / f"crds/{plural}.yaml")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", file)
    name = f"{plural}.horos.dev"
    kubectl("label", "--overwrite", "crd", name, "app.kubernetes.io/managed-by=Helm")
    kubectl("annotate", "--overwrite", "crd", name, "meta.helm.sh/release-name=horos",
            f"meta.helm.sh/release-namespace={RELEASE}")  # fmt: skip
