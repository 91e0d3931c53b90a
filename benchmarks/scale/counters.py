"""How much the cluster had to write, as the API server itself counts it."""

import re
from collections import Counter
from typing import Final

from tests.e2e.cluster import kubectl

_LINE: Final = re.compile(r"^apiserver_request_total\{(?P<labels>.*)\} (?P<count>\S+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"})


def writes() -> Counter[str]:
    """Count what was written since the API server began, by `VERB resource/subresource`; refused ones too."""
    found: Counter[str] = Counter()
    for line in _LINE.finditer(kubectl("get", "--raw", "/metrics")):
        labels = dict(_LABEL.findall(line["labels"]))
        if labels["verb"] in _WRITES:
            resource = "/".join(filter(None, (labels["resource"], labels["subresource"])))
            found[f"{labels['verb']} {resource}"] += int(float(line["count"]))
    return found


def between(before: Counter[str], after: Counter[str]) -> dict[str, int]:
    """What was written in between, the most frequent first."""
    return dict((after - before).most_common())
