"""The credentials in one namespace's Secret open that namespace's part of Redis and nothing else."""

import base64
import subprocess

from tests.e2e.cluster import RELEASE, Namespace, eventually, redis, run
from tests.e2e.conftest import ApplyAgent
from tests.e2e.model import ScriptedModel


def redis_as(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    inside = ["redis-cli", "--no-auth-warning", "-u", url, *arguments]
    return run("kubectl", "-n", RELEASE, "exec", "horos-redis-0", "--", *inside, check=False)


def test_the_credentials_of_a_namespace_read_its_own_keys_only(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"text": "secret"})
    agent("ivy")
    namespace.until_ready("ivy")
    data = eventually("the Secret is there", lambda: namespace.get("secret", "horos-bus")["data"])
    url, prefix = (base64.b64decode(data[key]).decode() for key in ("url", "prefix"))
    foreign = prefix.replace(namespace.name, "somebody-else")
    redis("SET", f"{foreign}a:eve:config", "theirs")
    try:
        assert redis_as(url, "HGET", f"{prefix}a:ivy:state", "uid").stdout.strip()
        for command in (
            ["GET", f"{foreign}a:eve:config"],
            ["SET", f"{foreign}a:eve:config", "mine"],
            ["PUBLISH", f"{foreign}a:eve:wake", "m"],
            ["KEYS", "*"],
            ["ACL", "LIST"],
            ["CONFIG", "GET", "*"],
            ["FLUSHALL"],
        ):
            assert "NOPERM" in redis_as(url, *command).stdout, command
        assert redis("GET", f"{foreign}a:eve:config").strip() == "theirs"
    finally:
        redis("DEL", f"{foreign}a:eve:config")
