"""What stands at the edges of the process: its environment, its probes, its address of Redis."""

import asyncio

import pytest

from horos_operator.credentials import with_credentials
from horos_operator.health import Health, serve_health
from horos_operator.settings import Settings, SettingsError

NEEDED = {
    "HOROS_OPERATOR_INSTALL": "test",
    "HOROS_OPERATOR_NAMESPACE": "horos-system",
    "HOROS_OPERATOR_REDIS_URL": "redis://redis:6379/0",
    "HOROS_OPERATOR_AGENT_IMAGE": "horos/agent:1",
}


def test_the_least_environment_is_enough() -> None:
    settings = Settings.from_environment({**NEEDED, "PATH": "/bin", "HOROS_OPERATOR_MODEL_NAME": ""})
    assert settings.redis_bundled is False
    assert settings.watched_namespaces == ()
    assert settings.agent_priority_class == "horos-agents"


def test_everything_can_be_said() -> None:
    more = {
        "HOROS_OPERATOR_REDIS_BUNDLED": "true",
        "HOROS_OPERATOR_NAMESPACES": "a, b",
        "HOROS_OPERATOR_AGENT_PRIORITY_CLASS": "",
        "HOROS_OPERATOR_MODEL_CONTEXT_WINDOW_TOKENS": "2048",
    }
    settings = Settings.from_environment({**NEEDED, **more})
    assert settings.redis_bundled is True
    assert settings.watched_namespaces == ("a", "b")
    assert settings.agent_priority_class == ""
    assert settings.model_context_window_tokens == 2048


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"HOROS_OPERATOR_INSTALL": ""}, "HOROS_OPERATOR_INSTALL"),
        ({"HOROS_OPERATOR_REDIS_URL": "http://x"}, "HOROS_OPERATOR_REDIS_URL"),
        ({"HOROS_OPERATOR_HTTP_PORT": "many"}, "HOROS_OPERATOR_HTTP_PORT"),
        ({"HOROS_OPERATOR_LOG_LEVEL": "LOUD"}, "HOROS_OPERATOR_LOG_LEVEL.*'DEBUG', 'INFO'"),
        ({"HOROS_OPERATOR_TYPO": "1"}, "HOROS_OPERATOR_TYPO"),
    ],
)
def test_a_bad_variable_is_named(change: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Settings.from_environment({**NEEDED, **change})


@pytest.mark.parametrize(
    ("url", "user", "password", "expected"),
    [
        ("redis://r:6379/0", "default", "a/b@c", "redis://default:a%2Fb%40c@r:6379/0"),
        ("redis://old:word@r:6379/2", "new", "pass", "redis://new:pass@r:6379/2"),
        ("rediss://old:word@r", "", "", "rediss://r"),
        ("redis://r", "", "word", "redis://:word@r"),
    ],
)
def test_credentials_replace_those_of_a_url(url: str, user: str, password: str, expected: str) -> None:
    assert with_credentials(url, user, password) == expected


async def asked(port: int, path: str) -> tuple[int, str]:
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split(" ")[1]), body.strip()


async def test_the_probes_follow_the_sweeps() -> None:
    now = 0.0
    health = Health(lambda: now, silence_seconds=60)
    server = await serve_health(health, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        assert await asked(port, "/healthz") == (200, "ok")
        assert await asked(port, "/readyz") == (503, "the first sweep is not done")
        health.swept()
        assert await asked(port, "/readyz") == (200, "ok")
        health.attempted("Redis cannot be reached")
        assert await asked(port, "/readyz") == (503, "Redis cannot be reached")
        now = 61.0
        silent = "no sweep came through for 61 s; the last problem: Redis cannot be reached"
        assert await asked(port, "/healthz") == (503, silent)
        health.swept()
        now += 60
        health.stuck("Redis does not accept the credentials")
        assert (await asked(port, "/healthz"))[0] == 200
        assert await asked(port, "/readyz") == (503, "Redis does not accept the credentials")
        now += 1
        assert (await asked(port, "/healthz"))[0] == 503
        assert (await asked(port, "/other"))[0] == 404
    finally:
        server.close()
        await server.wait_closed()
