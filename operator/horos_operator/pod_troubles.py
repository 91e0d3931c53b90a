"""What kubelet says of a pod that does not start or has ended, turned into a reason and a sentence."""

import re
from collections.abc import Collection
from typing import Final

from horos_api.conditions import Reason
from horos_api.names import SECRET_BUS
from horos_api.resources import AgentSpec, SecretKeyRef
from horos_operator.facts import PodFacts
from horos_operator.models import Models

_IMAGE: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_NO_TROUBLE: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
# Kubelet alternates between the error and the back-off, which quotes it; the condition shall stay the same.
_BACK_OFF: Final = re.compile(r'^Back-off pulling image "[^"]*"(: (ErrImagePull: )?)?')
_NO_SUCH_SECRET: Final = re.compile(r'secret "(?P<name>[^"]+)" not found')
_NO_SUCH_KEY: Final = re.compile(
    r"couldn't find key (?P<key>\S+) in (?P<kind>Secret|ConfigMap) \S+/(?P<name>\S+)"
)
_NO_SUCH_CONFIG_MAP: Final = re.compile(r'configmap "(?P<name>[^"]+)" not found')

Trouble = tuple[Reason, str]


def waiting_trouble(pod: PodFacts, refs: Collection[SecretKeyRef]) -> Trouble | None:
    """Say what keeps a pod from starting, or None when nothing does; `refs` are the keys it wants."""
    if pod.waiting_reason in _NO_TROUBLE:
        return None
    if pod.waiting_reason in _IMAGE:
        message = _BACK_OFF.sub("", pod.waiting_message) or pod.waiting_message or pod.waiting_reason
        return Reason.IMAGE_PULL_FAILED, message
    return _missing(pod, refs) or (
        Reason.CONTAINER_STUCK,
        f"{pod.waiting_reason}: {pod.waiting_message}".rstrip(": "),
    )


def is_waiting_in_vain(pod: PodFacts) -> bool:
    """Whether something that is not there keeps a pod from starting: a node, an image, a Secret."""
    stuck = pod.waiting_reason not in _NO_TROUBLE or bool(pod.unschedulable)
    return stuck and not pod.running and not pod.dead


def lacks_bus_secret(pod: PodFacts) -> bool:
    """Whether a pod waits for the Secret that the operator makes, or for a key of it."""
    message = pod.waiting_message
    found = _NO_SUCH_SECRET.search(message) or _NO_SUCH_KEY.search(message)
    return found is not None and found["name"] == SECRET_BUS


def last_words(pod: PodFacts) -> str:
    """Say how a pod ended, with the end of its log."""
    ended = pod.ended
    if ended is None:
        return f"pod {pod.name} failed"
    code = f" with exit code {ended.exit_code}" if ended.exit_code >= 0 else ""
    cause = f" ({ended.reason})" if ended.reason not in {"", "Error"} else ""
    words = f": {ended.message}" if ended.message else ""
    return f"pod {pod.name} ended{code}{cause}{words}"


def _missing(pod: PodFacts, refs: Collection[SecretKeyRef]) -> Trouble | None:
    message = pod.waiting_message
    if found := _NO_SUCH_SECRET.search(message):
        name = found["name"]
        if name == SECRET_BUS:
            return Reason.SECRET_MISSING, f'Secret "{name}" is gone; the operator makes it again'
        keys = sorted({ref.key for ref in refs if ref.name == name})
        quoted = " and ".join(f'"{key}"' for key in keys)
        wanted = f" with key {quoted}" if keys else ""
        return Reason.SECRET_MISSING, f'Secret "{name}" does not exist; create it{wanted}'
    if found := _NO_SUCH_KEY.search(message):
        reason = Reason.SECRET_MISSING if found["kind"] == "Secret" else Reason.CONFIG_MAP_MISSING
        return reason, f'{found["kind"]} "{found["name"]}" has no key "{found["key"]}"; add it'
    if found := _NO_SUCH_CONFIG_MAP.search(message):
        return Reason.CONFIG_MAP_MISSING, f'ConfigMap "{found["name"]}" does not exist; create it'
    return None


def secret_refs(spec: AgentSpec, models: Models) -> list[SecretKeyRef]:
    """List the keys of Secrets that an agent's pod wants: those of its models and of its own variables."""
    sources = (variable.value_from for variable in spec.env)
    return [
        *(each.key for each in models.all if each.key),
        *(each.secret_key_ref for each in sources if each and each.secret_key_ref),
    ]
