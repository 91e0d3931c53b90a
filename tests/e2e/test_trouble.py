"""What goes wrong around an agent, what its conditions say, and that it heals without touching the Agent."""

from typing import Any

from tests.e2e.cluster import Namespace, eventually, horos
from tests.e2e.conftest import ApplyAgent
from tests.e2e.model import ScriptedModel


def until_not_ready(namespace: Namespace, name: str, reason: str, seconds: float = 90) -> str:
    def because() -> dict[str, Any] | None:
        ready = namespace.condition(name, "Ready")
        return ready if ready.get("status") == "False" and ready.get("reason") == reason else None

    found = eventually(f"{name} is not ready because of {reason}", because, seconds)
    return str((found or {})["message"])


def secret(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def test_a_missing_secret_is_named_and_creating_it_heals(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"match": {"key": "right"}, "text": "unlocked"})
    agent("sam", model={"apiKeySecretRef": {"name": "llm-key", "key": "apiKey"}})
    message = until_not_ready(namespace, "sam", "SecretMissing")
    assert "llm-key" in message
    namespace.apply(secret("llm-key", other="x"))
    message = eventually(
        "the missing key is named",
        lambda: (m := until_not_ready(namespace, "sam", "SecretMissing")) and "apiKey" in m and m,
    )
    assert "llm-key" in str(message)
    namespace.apply(secret("llm-key", apiKey="right"))
    namespace.until_ready("sam", 120)
    assert "unlocked" in namespace.ask("sam", "Hello")


def test_an_image_that_cannot_be_pulled_is_named(namespace: Namespace, agent: ApplyAgent) -> None:
    agent("ian", image="registry.invalid/nothing:1")
    assert "registry.invalid/nothing:1" in until_not_ready(namespace, "ian", "ImagePullFailed")


def test_a_pod_that_fits_nowhere_says_so_and_an_edit_heals_it(
    namespace: Namespace, agent: ApplyAgent
) -> None:
    agent("una", nodeSelector={"no-such-label": "anywhere"})
    until_not_ready(namespace, "una", "Unschedulable")
    agent("una", nodeSelector=None)
    namespace.until_ready("una")


def test_a_container_that_crashes_says_why(namespace: Namespace, agent: ApplyAgent) -> None:
    agent("cora", env=[{"name": "PYTHONHOME", "value": "/nowhere"}])
    assert "encodings" in until_not_ready(namespace, "cora", "ContainerCrashed")


def test_a_key_that_the_model_refuses_is_said_and_the_message_kept(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"fault": {"status": 401}}, {"text": "now I may"})
    agent("kim")
    namespace.until_ready("kim")
    horos("send", "kim", "Hello", "-n", namespace.name)
    until_not_ready(namespace, "kim", "ModelRefusesKey")
    assert namespace.get("agent", "kim")["status"]["state"] == "error"
    agent("kim", instructions="A new version of the configuration.")
    eventually("the kept message is answered", lambda: len(model.requests()) == 2)
    namespace.until_ready("kim")


def test_a_message_for_nobody_and_an_empty_one_are_refused(namespace: Namespace, agent: ApplyAgent) -> None:
    agent("ben")
    namespace.until_ready("ben")
    empty = horos("send", "ben", "", "-n", namespace.name, check=False)
    assert (empty.returncode, "empty" in empty.stderr) == (2, True), empty.stderr
    nobody = horos("send", "nobody", "Hello", "-n", namespace.name, check=False)
    assert (nobody.returncode, "nobody" in nobody.stderr) == (3, True), nobody.stderr
