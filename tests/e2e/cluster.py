"""The test cluster as the e2e tests see it: kubectl, helm and horos as processes, like a person's."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

PROJECT = Path(__file__).resolve().parents[2]
RELEASE = "horos-system"
T = TypeVar("T")


class CommandError(AssertionError):
    """A command that ended with another status than 0; carries what it printed."""

    def __init__(self, command: list[str], done: subprocess.CompletedProcess[str]) -> None:
        super().__init__(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        self.done = done


def run(*command: str, given: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        list(command), input=given, capture_output=True, text=True, check=False, timeout=400
    )
    if check and done.returncode:
        raise CommandError(list(command), done)
    return done


def kubectl(*arguments: str, given: str | None = None) -> str:
    return run("kubectl", *arguments, given=given).stdout


def horos_command() -> str:
    return str(Path(sys.executable).with_name("horos"))


def horos(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return run(horos_command(), *arguments, check=check)


def eventually(what: str, probe: Callable[[], T], seconds: float = 60) -> T:
    """Ask until the answer is true; an AssertionError or CommandError counts as not yet."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = probe()
            if last:
                return last  # type: ignore[return-value]
        except AssertionError as error:
            last = error
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what}; last: {last}")


@dataclass(frozen=True)
class Namespace:
    """One namespace of the cluster that is not the release's."""

    name: str

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        return kubectl("-n", self.name, *arguments, given=given)

    def apply(self, *manifests: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(manifests))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def all(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        chosen = ["-l", selector] if selector else []
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, *chosen, "-o", "json"))["items"]
        return found

    def pods_of(self, agent: str) -> list[dict[str, Any]]:
        """The pods of one agent that have not ended."""
        pods = self.all("pods", f"horos.dev/agent={agent}")
        return [pod for pod in pods if pod["status"].get("phase") not in {"Succeeded", "Failed"}]

    def condition(self, agent: str, kind: str) -> dict[str, Any]:
        conditions = self.get("agent", agent).get("status", {}).get("conditions", [])
        return next((one for one in conditions if one["type"] == kind), {})

    def until_ready(self, agent: str, seconds: float = 90) -> dict[str, Any]:
        """Wait until the agent is ready, and return its one pod."""
        eventually(f"{agent} ready", lambda: self.condition(agent, "Ready").get("status") == "True", seconds)
        return eventually(f"{agent} has one pod", lambda: self.pods_of(agent))[0]

    def until_seen(self, agent: str) -> None:
        """Wait until the operator has acted on the Agent as it stands now."""
        generation = self.get("agent", agent)["metadata"]["generation"]
        eventually(
            f"the edit of {agent} is seen",
            lambda: self.condition(agent, "Accepted").get("observedGeneration") == generation,
        )

    def ask(self, agent: str, text: str, *more: str) -> str:
        """Send a message with the horos command, wait, and return what it printed."""
        return horos("send", agent, text, "-n", self.name, "--wait", "--timeout", "120", *more).stdout

    @contextmanager
    def asking(self, agent: str, text: str, *more: str) -> Iterator["Asking"]:
        """Send a message with the horos command and let it wait for the answer beside the test."""
        command = [horos_command(), "send", agent, text, "-n", self.name, "--wait", "--timeout", "240", *more]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield Asking(process)
            finally:
                process.terminate()

    def kill(self, agent: str) -> str:
        """Force-delete the agent's one pod, and wait until it is another one; returns the old one's name."""
        (pod,) = self.pods_of(agent)
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        self.kubectl("delete", "pod", name, "--grace-period=0", "--force")

        def another() -> bool:
            return uid not in [each["metadata"]["uid"] for each in self.pods_of(agent)]

        eventually(f"pod {name} is gone", another)
        return str(name)

    def told(self, agent: str) -> list[dict[str, Any]]:
        """All events of an agent that are kept."""
        printed = horos("events", agent, "-n", self.name, "-o", "json", "--after", "0", "--no-follow").stdout
        return [json.loads(line) for line in printed.splitlines()]

    def records(self, agent: str, thread: str = "main") -> list[dict[str, Any]]:
        """The context of a thread."""
        found = redis("--scan", "--pattern", f"horos:*{{{self.name}}}:a:{agent}:t:{thread}:context").split()
        assert len(found) == 1, found
        return [json.loads(line) for line in redis("LRANGE", found[0], "0", "-1").splitlines() if line]

    @contextmanager
    def events(self, agent: str, *more: str) -> Iterator["Events"]:
        """Watch an agent's events as the horos command prints them."""
        command = [horos_command(), "events", agent, "-n", self.name, "-o", "json", *more]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield Events(process)
            finally:
                process.terminate()


class Asking:
    """A running `horos send --wait`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def answer(self, seconds: float = 240) -> str:
        """Wait for its end; what it printed to standard output."""
        out, err = self._process.communicate(timeout=seconds)
        assert self._process.returncode == 0, f"{self._process.returncode}: {out}{err}"
        return out

    def refusal(self, seconds: float = 240) -> str:
        """Wait for its end, which is no answer; what it printed to standard error."""
        out, err = self._process.communicate(timeout=seconds)
        assert self._process.returncode == 1, f"{self._process.returncode}: {out}{err}"
        return err


class Events:
    """A running `horos events -o json`, one event per line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.seen: list[dict[str, Any]] = []

    def until(self, what: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read on until an event fits."""
        assert self._process.stdout
        for line in self._process.stdout:
            event = json.loads(line)
            self.seen.append(event)
            if wanted(event):
                return event
        assert self._process.stderr
        raise AssertionError(
            f"the events ended before {what}: {self._process.stderr.read()}; seen {self.seen}"
        )


def redis(*arguments: str) -> str:
    """Run one Redis command as the administrator of the chart's Redis."""
    password = kubectl("-n", RELEASE, "get", "secret", "horos-redis", "-o", "jsonpath={.data.password}")
    password = base64.b64decode(password).decode()
    script = 'export REDISCLI_AUTH="$1"; shift; exec redis-cli --no-auth-warning "$@"'
    return kubectl(
        "-n", RELEASE, "exec", "horos-redis-0", "--", "sh", "-c", script, "sh", password, *arguments
    )


def images() -> dict[str, str]:
    """The references that tests/cluster/images.sh wrote."""
    loaded: dict[str, dict[str, str]] = yaml.safe_load((PROJECT / ".cluster/images.yaml").read_text())
    return loaded["images"]


def unavailable() -> str:
    """Why the cluster cannot be used here, or nothing."""
    if not os.environ.get("KUBECONFIG") or not shutil.which("kubectl"):
        return "no cluster: run tests/with-cluster.sh, or source tests/cluster/env.sh"
    if run("kubectl", "get", "--raw", "/readyz", check=False).returncode:
        return "the cluster of KUBECONFIG does not answer: run make cluster"
    return ""
