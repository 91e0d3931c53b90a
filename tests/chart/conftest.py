"""Helm as a process, and what it makes of the chart."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
CHART = PROJECT / "charts" / "horos"
KUBERNETES = "1.36.0"
"""What charts are rendered for where no cluster is asked; a helm built without flags assumes 1.20."""


@dataclass(frozen=True)
class Rendered:
    """The objects of one rendering, by kind and name."""

    objects: dict[tuple[str, str], dict[str, Any]]

    def __getitem__(self, kind_and_name: tuple[str, str]) -> dict[str, Any]:
        return self.objects[kind_and_name]

    def __contains__(self, kind_and_name: tuple[str, str]) -> bool:
        return kind_and_name in self.objects

    def pods(self) -> dict[str, dict[str, Any]]:
        """The pod specs of all workloads, by the workload's name."""
        return {
            name: each["spec"]["template"]["spec"]
            for (kind, name), each in self.objects.items()
            if kind in ("Deployment", "StatefulSet")
        }

    def env(self, kind: str, name: str) -> dict[str, Any]:
        """The environment of a workload's only container: a value, or where it comes from."""
        (container,) = self[kind, name]["spec"]["template"]["spec"]["containers"]
        return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


class Helm:
    """The helm command with this chart."""

    def __init__(self, program: str) -> None:
        self._program = program

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [self._program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def manifests(self, *values: str, namespace: str = "horos-system", release: str = "horos") -> str:
        """Render the chart; `values` as for --set. Fails the test with helm's words when helm refuses."""
        done = self._template(values, namespace, release)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def render(self, *values: str, namespace: str = "horos-system", release: str = "horos") -> Rendered:
        objects = yaml.safe_load_all(self.manifests(*values, namespace=namespace, release=release))
        return Rendered({(each["kind"], each["metadata"]["name"]): each for each in objects if each})

    def model_configs(self, *values: str, known: bool = True) -> list[dict[str, Any]]:
        """The ModelConfigs that an upgrade makes, or the first install, when the kind is not `known` yet."""
        api = ("--api-versions", "horos.dev/v1alpha1/ModelConfig") if known else ()
        done = self._template(values, "horos-system", "horos", *api)
        assert done.returncode == 0, done.stderr
        objects = yaml.safe_load_all(done.stdout)
        return [each for each in objects if each and each["kind"] == "ModelConfig"]

    def refusal(self, *values: str) -> str:
        done = self._template(values, "horos-system", "horos")
        assert done.returncode != 0, f"accepted: {values}"
        return done.stderr

    def _template(
        self, values: tuple[str, ...], namespace: str, release: str, *options: str
    ) -> subprocess.CompletedProcess[str]:
        sets = [word for value in values for word in ("--set", value)]
        command = ("template", release, str(CHART), "--namespace", namespace, "--kube-version", KUBERNETES)
        return self.run(*command, *options, *sets)


def _helm_program() -> str | None:
    if found := shutil.which("helm"):
        return found
    # Where the test cluster has been built, its own helm lies in the cache.
    asked = f". {PROJECT}/tests/cluster/env.sh && command -v helm"
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=False, timeout=20)
    return done.stdout.strip() or None


@pytest.fixture(scope="session")
def helm() -> Helm:
    program = _helm_program()
    if program is None:
        message = "helm was not found: `make cluster` provides it"
        if os.environ.get("CI") == "true" or os.environ.get("HOROS_REQUIRE_CLUSTER"):
            pytest.fail(message)
        pytest.skip(f"THE CHART IS NOT TESTED: {message}")
    return Helm(program)
