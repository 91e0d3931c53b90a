"""The processes that are pods: what they are given, and what is told of those that do not live."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from horos_operator.local.data import DataFolders
from horos_operator.local.environment import MissingValueError, Values, container_environment
from horos_operator.local.kinds import CONFIG_MAP, SECRET
from tests.local.conftest import Ground, Stage, agent, agents_processes, eventually

MACHINE = {
    "PATH": "/bin",
    "HOME": "/home/ada",
    "LC_ALL": "C",
    "OPENAI_API_KEY": "a person's own",
    "HOROS_OPERATOR_X": "1",
}


def built(folder: Path, env: list[dict[str, Any]]) -> dict[str, str]:
    secrets, config_maps = (DataFolders(folder, kind, MACHINE) for kind in (SECRET, CONFIG_MAP))
    secrets.write("research", "llm", {"key": b"secret"})
    config_maps.write("research", "tone", {"word": b"soft"})
    pod = {
        "metadata": {"namespace": "research", "uid": "u1", "name": "ada-1"},
        "spec": {"containers": [{"env": env}]},
    }
    environment = container_environment(pod, Values(secrets, config_maps, MACHINE))
    environment.pop("PATH")
    return environment


def test_a_process_gets_its_container_s_variables_and_of_the_machine_what_it_needs(tmp_path: Path) -> None:
    assert built(
        tmp_path,
        [
            {"name": "TOKEN", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "llm", "key": "key"}}},
            {"name": "TONE", "valueFrom": {"configMapKeyRef": {"name": "tone", "key": "word"}}},
            {"name": "PLACE", "value": "$(HOME)/x $(LATER) $$(HOME) $(TONE)"},
            {"name": "LATER", "value": ""},
            {"name": "HOROS_HEALTH_PORT", "value": "8080"},
        ],
    ) == {
        "HOME": "/home/ada",
        "LC_ALL": "C",
        "TOKEN": "u1",
        "KEY": "secret",
        "TONE": "soft",
        "PLACE": "/home/ada/x $(LATER) $(HOME) soft",
        "LATER": "",
    }


def test_what_is_missing_is_named_with_the_place_to_put_it(tmp_path: Path) -> None:
    for source, said in (
        ({"secretKeyRef": {"name": "none", "key": "k"}}, 'secret "none" not found: put the value into'),
        ({"secretKeyRef": {"name": "llm", "key": "k"}}, "couldn't find key k in Secret research/llm: put"),
        ({"configMapKeyRef": {"name": "none", "key": "k"}}, 'configmap "none" not found: put the value into'),
    ):
        try:
            built(tmp_path, [{"name": "X", "valueFrom": source}])
        except MissingValueError as error:
            assert said in str(error)
        else:
            raise AssertionError(f"{source} was found")


async def test_a_missing_secret_is_named_and_mends_by_itself_when_it_comes(ground: Ground) -> None:
    await ground.model.load({"text": "I have a key."}, apiKey="right", repeat="last")
    model = {
        "name": "scripted",
        "baseUrl": ground.model.base_url,
        "apiKeySecretRef": {"name": "llm", "key": "k"},
    }
    async with ground.operator() as stage:
        await stage.operator.apply([agent("ada", model=model)])
        await eventually(
            "SecretMissing", lambda: stage.condition("ada", "Ready").get("reason") == "SecretMissing"
        )
        problem = stage.operator.problems()["default/ada"]
        assert str(ground.folder / "secrets/default/llm/k") in problem and "HOROS_SECRET_LLM_K" in problem
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "llm"},
            "stringData": {"k": "right"},
        }
        await stage.operator.apply([secret])
        assert await stage.ask("ada", "have you?") == "I have a key."
        await eventually("no problem any more", lambda: not stage.operator.problems())


async def test_the_environment_stands_in_for_a_secret(ground: Ground) -> None:
    await ground.model.load({"text": "I have a key."}, apiKey="right", repeat="last")
    ref = {"name": "llm", "key": "api-key"}
    model = {"name": "scripted", "baseUrl": ground.model.base_url, "apiKeySecretRef": ref}
    async with ground.operator(HOROS_SECRET_LLM_API_KEY="right") as stage:
        await stage.operator.apply([agent("ada", model=model)])
        assert await stage.ask("ada", "have you?") == "I have a key."


async def test_a_process_that_cannot_live_says_why_in_the_condition(ground: Ground) -> None:
    async with ground.operator() as stage:
        await stage.operator.apply([agent("ada", env=[{"name": "PYTHONHOME", "value": "/nowhere"}])])
        await eventually(
            "crashed", lambda: stage.condition("ada", "Ready").get("reason") == "ContainerCrashed"
        )
        problem = stage.operator.problems()["default/ada"]
        assert "ended with exit code 1" in problem and "encodings" in problem
        log = (ground.folder / "logs/default/ada.log").read_text()
        assert "encodings" in log


async def test_a_process_that_does_not_leave_in_time_is_killed(ground: Ground) -> None:
    """A stopped process does not hear that it is to leave; its slot comes free all the same."""
    await ground.model.load({"text": "yes"}, repeat="last")
    async with ground.operator() as stage:
        await stage.operator.apply([agent("ada", idleSeconds=0)])
        assert await stage.ask("ada", "there?") == "yes"
        (process,) = agents_processes(os.getpid())
        os.kill(process, signal.SIGSTOP)
        assert await stage.operator.delete("Agent", "default", "ada")
        await eventually("its process is gone", lambda: not agents_processes(os.getpid()))
        await eventually("so is its pod", lambda: _no_pod(stage))
        assert stage.operator.object("Agent", "default", "ada") is None


async def _no_pod(stage: Stage) -> bool:
    return not await stage.operator.cluster.pods()


async def test_nothing_of_an_ended_process_is_left_in_the_folder(ground: Ground) -> None:
    await ground.model.load({"text": "yes"}, repeat="last")
    async with ground.operator() as stage:
        await stage.operator.apply([agent("ada", idleSeconds=1)])
        assert await stage.ask("ada", "there?") == "yes"
        assert len(list((ground.folder / "pods").iterdir())) == 1
        await eventually("nothing is left", lambda: not list((ground.folder / "pods").iterdir()))


def test_who_runs_agents_here_imports_neither_kopf_nor_kubernetes() -> None:
    code = (
        "import sys, horos_operator.local.operator; print({'kopf', 'kubernetes', 'yaml'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
