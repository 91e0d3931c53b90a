"""Our kinds as CustomResourceDefinitions; `python -m horos_api.crd` writes the files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from horos_api.agent_pools import AgentPool
from horos_api.fields import JsonSchema
from horos_api.groups import Group
from horos_api.model_config import ModelConfig
from horos_api.names import GROUP, VERSION
from horos_api.objects import Resource
from horos_api.resources import Agent
from horos_api.structural import structural_schema, without_defaults
from horos_api.tool_servers import ToolServer

CHECKOUT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Kind:
    """One of our kinds as `kubectl` meets it: its model, its names, and the columns of `kubectl get`."""

    model: type[Resource]
    name: str
    short_name: str
    columns: tuple[JsonSchema, ...]

    @property
    def plural(self) -> str:
        """The name in paths, rules and commands."""
        return f"{self.name.lower()}s"


def _column(name: str, path: str, kind: str = "string", *, wide: bool = False) -> JsonSchema:
    return {"name": name, "type": kind, "jsonPath": path} | ({"priority": 1} if wide else {})


_READY: Final = '.status.conditions[?(@.type=="Ready")]'
_ACCEPTED: Final = '.status.conditions[?(@.type=="Accepted")]'
AGENT: Final = Kind(
    model=Agent,
    name="Agent",
    short_name="ag",
    columns=(
        _column("State", ".status.state"),
        _column("Ready", f"{_READY}.status"),
        _column("Reason", f"{_READY}.reason"),
        _column("Pod", ".status.podName"),
        _column("Turns", ".status.usage.turns", "integer"),
        _column("Age", ".metadata.creationTimestamp", "date"),
        _column("Mode", ".spec.operatingMode", wide=True),
        _column("Parent", ".spec.parentName", wide=True),
        _column("Children", ".status.children", "integer", wide=True),
        _column("Approvals", ".status.approvals", "integer", wide=True),
        _column("Read", ".status.usage.promptTokens", "integer", wide=True),
        _column("Written", ".status.usage.completionTokens", "integer", wide=True),
        _column("Cost", ".status.usage.cost", wide=True),
        _column("Message", f"{_READY}.message", wide=True),
    ),
)
MODEL_CONFIG: Final = Kind(
    model=ModelConfig,
    name="ModelConfig",
    short_name="amc",
    columns=(
        _column("Model", ".spec.name"),
        _column("URL", ".spec.baseUrl"),
        _column("Accepted", f"{_ACCEPTED}.status"),
        _column("Agents", ".status.agents", "integer"),
        _column("Age", ".metadata.creationTimestamp", "date"),
        _column("Window", ".spec.contextWindowTokens", "integer", wide=True),
        _column("Secret", ".spec.apiKeySecretRef.name", wide=True),
        _column("Message", f"{_ACCEPTED}.message", wide=True),
    ),
)
TOOL_SERVER: Final = Kind(
    model=ToolServer,
    name="ToolServer",
    short_name="ats",
    columns=(
        _column("URL", ".spec.url"),
        _column("Tools", ".status.tools", "integer"),
        _column("Ready", f"{_READY}.status"),
        _column("Reason", f"{_READY}.reason"),
        _column("Agents", ".status.agents", "integer"),
        _column("Age", ".metadata.creationTimestamp", "date"),
        _column("Message", f"{_READY}.message", wide=True),
        _column("Last error", ".status.lastError", wide=True),
    ),
)
AGENT_POOL: Final = Kind(
    model=AgentPool,
    name="AgentPool",
    short_name="agp",
    columns=(
        _column("Max", ".spec.maxRunning", "integer"),
        _column("Running", ".status.running", "integer"),
        _column("Queued", ".status.queued", "integer"),
        _column("Hibernated", ".status.hibernated", "integer"),
        _column("Ready", f"{_READY}.status"),
        _column("Reason", f"{_READY}.reason"),
        _column("Age", ".metadata.creationTimestamp", "date"),
        _column("Idle", ".spec.idleSeconds", "integer", wide=True),
        _column("Message", f"{_READY}.message", wide=True),
    ),
)
GROUP_KIND: Final = Kind(
    model=Group,
    name="Group",
    short_name="agg",
    columns=(
        _column("Members", ".status.memberCount", "integer"),
        _column("Wake", ".spec.wake"),
        _column("Ready", f"{_READY}.status"),
        _column("Reason", f"{_READY}.reason"),
        _column("Age", ".metadata.creationTimestamp", "date"),
        _column("Missing", ".status.missing", wide=True),
        _column("Retain", ".spec.retainMessages", "integer", wide=True),
        _column("Message", f"{_READY}.message", wide=True),
    ),
)
KINDS: Final = (AGENT, MODEL_CONFIG, TOOL_SERVER, AGENT_POOL, GROUP_KIND)


def schema(kind: Kind) -> JsonSchema:
    """Build the schema of a whole object; its metadata is checked by Kubernetes."""
    found = structural_schema(kind.model)
    found["properties"] |= {
        "apiVersion": {
            "type": "string",
            "description": f"Group and version of this resource: {GROUP}/{VERSION}.",
        },
        "kind": {"type": "string", "description": f"The kind of this resource, which is {kind.name}."},
        "metadata": {"type": "object"},
        "status": without_defaults(found["properties"]["status"]),
    }
    return found


def definition(kind: Kind) -> dict[str, Any]:
    """Build the CustomResourceDefinition of a kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short_name],
                "categories": ["horos"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": list(kind.columns),
                    "schema": {"openAPIV3Schema": schema(kind)},
                }
            ],
        },
    }


def generated_files() -> dict[str, str]:
    """Build every generated file: its path in the checkout, and its text."""
    return {path: text for kind in KINDS for path, text in _files_of(kind).items()}


def _files_of(kind: Kind) -> dict[str, str]:
    crd = definition(kind)
    kept: JsonSchema = crd | {
        "metadata": crd["metadata"] | {"annotations": {"helm.sh/resource-policy": "keep"}}
    }
    header = "Made by `python -m horos_api.crd`; do not edit."
    return {
        f"crds/{kind.plural}.yaml": f"# {header}\n{_yaml(crd)}",
        f"charts/horos/templates/crd-{kind.plural}.yaml": (
            f"{{{{- /* {header} A template, since Helm never upgrades a crds/ folder. */ -}}}}\n"
            f"{{{{- if .Values.crds.enabled }}}}\n{_yaml(kept)}{{{{- end }}}}\n"
        ),
    }


def _yaml(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_PlainDumper, sort_keys=False, width=110, allow_unicode=True)


class _PlainDumper(yaml.SafeDumper):
    """Writes what occurs twice (the printer columns share parts) twice: anchors are hard to read."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def main() -> None:
    """Write the generated files into the checkout that this module lies in."""
    for path, text in generated_files().items():
        (CHECKOUT / path).parent.mkdir(parents=True, exist_ok=True)
        (CHECKOUT / path).write_text(text, encoding="utf-8")
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
