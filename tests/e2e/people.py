"""People with rights of their own, who ask the API server whether it lets them."""

import json
import subprocess
from typing import Any

import yaml

from tests.e2e.cluster import Namespace, run


def role(name: str, *rules: dict[str, Any]) -> list[dict[str, Any]]:
    """A Role, and who has it: the service account of the same name."""
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
    subjects = [{"kind": "ServiceAccount", "name": name}]
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
        {**head, "kind": "Role", "rules": list(rules)},
        {**head, "kind": "RoleBinding", "roleRef": ref, "subjects": subjects},
    ]


class Person:
    """Somebody with rights of his own; every change is a server-side dry run, so that nothing is left."""

    def __init__(self, namespace: Namespace, user: str) -> None:
        self._command = ("kubectl", "-n", namespace.name, "--as", user)

    def creates(self, *manifests: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        given = yaml.safe_dump_all(manifests)
        return run(*self._command, "create", "--dry-run=server", "-f", "-", given=given, check=False)

    def patches(self, kind: str, name: str, change: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        words = ("patch", kind, name, "--type=merge", "--dry-run=server", "-p", json.dumps(change))
        return run(*self._command, *words, check=False)


def service_account(namespace: Namespace, name: str) -> Person:
    return Person(namespace, f"system:serviceaccount:{namespace.name}:{name}")
