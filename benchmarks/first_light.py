"""Figures of the way through on the test cluster: apply → Ready, send → first delta, memory, images.

Run with the cluster up and the chart installed (make demo): `uv run python -m benchmarks.first_light`.
"""

import json
import re
import statistics
import subprocess
import time
import uuid
from collections.abc import Callable

from tests.e2e.cluster import Namespace, eventually, horos, images, kubectl, run
from tests.e2e.model import ScriptedModel

RUNS = 5


def apply(namespace: Namespace, name: str, model: ScriptedModel) -> None:
    spec = {"instructions": "Be brief.", "model": {"name": "scripted", "baseUrl": model.base_url}}
    namespace.apply(
        {"apiVersion": "horos.dev/v1alpha1", "kind": "Agent", "metadata": {"name": name}, "spec": spec}
    )


def seconds(what: Callable[[], object]) -> float:
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def apply_to_ready(namespace: Namespace, name: str, model: ScriptedModel) -> float:
    def ready() -> None:
        apply(namespace, name, model)
        namespace.kubectl("wait", "--for=condition=Ready", f"agent/{name}", "--timeout=60s")

    return seconds(ready)


def send_to_first_delta(namespace: Namespace, name: str, after: str = "0") -> tuple[float, str]:
    """By Redis' own clock: a run's id is the moment its message was stored. Also the id of its last event."""
    horos("send", name, "Hello", "-n", namespace.name)
    with namespace.events(name, "--after", after) as events:
        started = events.until("the run", lambda e: e["type"] == "RUN_STARTED")
        first = events.until("a delta", lambda e: e["type"] == "TEXT_MESSAGE_CONTENT")
        last = events.until("the end", lambda e: e["type"] == "RUN_FINISHED")
    return (milliseconds(first["eventId"]) - milliseconds(started["runId"])) / 1000, last["eventId"]


def milliseconds(stream_id: str) -> int:
    return int(stream_id.partition("-")[0])


def memory_mib(namespace: Namespace, pod: str) -> float:
    status = namespace.kubectl("exec", pod, "--", "cat", "/proc/1/status")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found.group(1)) / 1024


def image_mib(reference: str) -> float:
    done = subprocess.run(
        ["docker", "image", "inspect", "-f", "{{.Size}}", reference],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout) / 2**20


def main() -> None:
    namespace = Namespace(f"bench-{uuid.uuid4().hex[:6]}")
    kubectl("create", "namespace", namespace.name)
    try:
        model = ScriptedModel(namespace)
        model.start()
        model.play({"text": "one two three"}, repeat="last")
        figures: dict[str, object] = {}
        names = [f"agent-{number}" for number in range(RUNS)]
        ready = [apply_to_ready(namespace, name, model) for name in names]
        figures["apply to Ready, s"] = summary(ready)
        idle = [memory_mib(namespace, f"{name}-1") for name in names]
        figures["RSS claimed and idle, MiB"] = summary(idle)
        firsts = {name: send_to_first_delta(namespace, name) for name in names}
        figures["send to first delta, first turn of a pod, s"] = summary(
            [took for took, _ in firsts.values()]
        )
        later = [send_to_first_delta(namespace, name, last)[0] for name, (_, last) in firsts.items()]
        figures["send to first delta, later turn, s"] = summary(later)
        eventually("the turns are over", lambda: len(model.requests()) == 2 * RUNS)
        figures["RSS after a turn, MiB"] = summary([memory_mib(namespace, f"{name}-1") for name in names])
        figures["images, MiB"] = {name: round(image_mib(image)) for name, image in images().items()}
        print(json.dumps(figures, indent=2))
    finally:
        run("kubectl", "delete", "namespace", namespace.name, "--wait=true")


def summary(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
        "n": len(values),
    }


if __name__ == "__main__":
    main()
