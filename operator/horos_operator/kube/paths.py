"""Where the API server keeps what: paths of objects and of the lists that they are in."""

from horos_api.names import GROUP, VERSION


def own_path(namespace: str, kind: str, name: str) -> str:
    """Name an object of one of our kinds."""
    return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{kind.lower()}s/{name}"


def core_path(namespace: str, resource: str, name: str = "") -> str:
    """Name an object of Kubernetes' own, or with no name all of them in the namespace."""
    return f"/api/v1/namespaces/{namespace}/{resource}" + (f"/{name}" if name else "")
