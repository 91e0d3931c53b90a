"""The environment of an agent's process: what its container would have, and what it needs of this machine."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from horos_api.names import Env
from horos_operator.facts import SERVER_SECRET
from horos_operator.local.data import DataFolders
from horos_operator.local.store import Body

OF_THE_MACHINE: Final = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "PYTHONPATH", "VIRTUAL_ENV"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
        *("http_proxy", "https_proxy", "no_proxy", "all_proxy"),
        *("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    }
)
"""What programs need to run here. Nothing else of a person's environment: keys in it are not the agents'."""
_OF_THE_MACHINE_TOO: Final = ("LC_", "XDG_")
_REFERENCE: Final = re.compile(r"\$(\$|\(([-._a-zA-Z][-._a-zA-Z0-9]*)\))")


class MissingValueError(Exception):
    """A Secret, a ConfigMap or a key in it does not exist; the message names it and says how to mend it."""


@dataclass(frozen=True, slots=True)
class Values:
    """Where variables come from: the Secrets, the ConfigMaps, and the environment of this process."""

    secrets: DataFolders
    config_maps: DataFolders
    machine: Mapping[str, str]


def container_environment(pod: Body, values: Values) -> dict[str, str]:
    """Build the variables of a pod's one container. Raises MissingValueError.

    The health port is left out: all processes share the machine's ports, so each needs another one.
    """
    environment = {name: value for name, value in values.machine.items() if _is_of_the_machine(name)}
    # As in the agent's image, `python` is the one that has horos and what it needs.
    environment["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]
    )
    for each in pod["spec"]["containers"][0].get("env") or ():
        if each["name"] == Env.HEALTH_PORT:
            continue
        if "valueFrom" in each:
            environment[each["name"]] = _from(each["valueFrom"], pod, values)
        else:
            environment[each["name"]] = _expanded(each.get("value") or "", environment)
    return environment


def mounted_secrets(pod: Body) -> frozenset[str]:
    """Name the Secrets that the pod mounts for its tool servers."""
    volumes = pod["spec"].get("volumes") or ()
    return frozenset(
        each["secret"]["secretName"] for each in volumes if each["name"].startswith(SERVER_SECRET)
    )


def _is_of_the_machine(name: str) -> bool:
    return name in OF_THE_MACHINE or name.startswith(_OF_THE_MACHINE_TOO)


def _from(source: Mapping[str, Any], pod: Body, values: Values) -> str:
    if "fieldRef" in source:
        return str(pod["metadata"][source["fieldRef"]["fieldPath"].removeprefix("metadata.")])
    secret = source.get("secretKeyRef")
    folders, ref = (values.secrets, secret) if secret else (values.config_maps, source["configMapKeyRef"])
    namespace = pod["metadata"]["namespace"]
    found = folders.value(namespace, ref["name"], ref["key"])
    if found is None:
        raise MissingValueError(folders.missing(namespace, ref["name"], ref["key"]))
    return found


def _expanded(value: str, known: Mapping[str, str]) -> str:
    """Put in variables that stand before, as kubelet does: `$(NAME)`; `$$` is a dollar."""

    def put_in(found: re.Match[str]) -> str:
        if found[1] == "$":
            return "$"
        return known.get(found[2], found[0])

    return _REFERENCE.sub(put_in, value)
