"""`make demo` in the cluster: a real model answers through operator, pod, Redis and gateway, or it fails."""

import json
import os
import subprocess

from tests.e2e.cluster import PROJECT, RELEASE, Namespace, horos, kubectl, redis


def demo(namespace: Namespace, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOROS_DEMO_NAMESPACE": namespace.name, **settings}
    command = ["make", "--no-print-directory", "demo"]
    return subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=500
    )


def test_the_demo_prints_an_answer_whose_run_is_in_the_events_and_in_the_context(
    namespace: Namespace,
) -> None:
    done = demo(namespace)
    assert done.returncode == 0, done.stderr
    answer = done.stdout.strip().splitlines()[-1]
    assert len(answer) > 3
    events = [
        json.loads(line)
        for line in horos(
            "events", "hello", "-n", namespace.name, "--after", "0", "--no-follow", "-o", "json"
        ).stdout.splitlines()
    ]
    run = next(event["runId"] for event in events if event["type"] == "RUN_FINISHED")
    text = "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")
    assert answer in text
    prefix = redis("--scan", "--pattern", f"horos:*{{{namespace.name}}}:a:hello:t:main:context").strip()
    records = [json.loads(line) for line in redis("LRANGE", prefix, "0", "-1").splitlines()]
    assert [record["role"] for record in records] == ["user", "assistant"]
    assert {record["run"] for record in records} == {run}


def test_horos_in_the_current_context_is_taken_where_there_is_no_cluster_of_ours(
    namespace: Namespace,
) -> None:
    done = demo(namespace, HOROS_CLUSTER="none")
    assert done.returncode == 0, done.stderr
    assert "has horos: the agent goes there" in done.stderr
    assert len(done.stdout.strip()) > 3


def test_without_the_model_the_demo_fails(namespace: Namespace) -> None:
    try:
        done = demo(namespace, HOROS_DEMO_VALUES="localModel.replicas=0", HOROS_DEMO_SECONDS="15")
        assert done.returncode != 0
        assert done.stdout.strip() == ""
        assert "15 s" in done.stderr
    finally:
        kubectl("-n", RELEASE, "scale", "deployment/horos-model", "--replicas=1")
        kubectl("-n", RELEASE, "rollout", "status", "deployment/horos-model", "--timeout=120s")
