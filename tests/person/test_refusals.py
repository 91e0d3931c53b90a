"""Everything that can go wrong for a person: each has its exit code, says what to do, and no traceback."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from horos_api.messages import NewMessage, SendOutcome
from horos_api.names import BODY_BYTES, INBOX_CAP
from horos_bus.sender import send
from horos_gateway.app import gateway_app
from horos_gateway.settings import Settings
from tests.model_fixtures import served
from tests.person.conftest import TOKEN, Here
from tests.person.stage import Agent, Done, Running, environment, horos


@pytest.fixture
def nobody() -> Iterator[str]:
    """The URL of a port that is taken and on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def refused(done: Done, code: int, *words: str) -> None:
    assert done.code == code, done
    assert done.out == ""
    assert done.err.startswith("error: "), done.err
    assert done.err.count("\n") == 1, done.err
    for word in words:
        assert word in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("send", "ada", ""), ("the message is empty",)),
        (("send", "ada", " \n"), ("the message is empty",)),
        (("send", "ada", "x" * (BODY_BYTES + 1)), (f"{BODY_BYTES + 1} bytes", f"may have {BODY_BYTES}")),
        (("send", "Ada", "Hello"), ("'Ada' is not a DNS label",)),
        (("send", "a" * 53, "Hello"), ("53 characters; expected at most 52",)),
        (("send", "ada", "Hello", "--thread", "a b"), ("thread 'a b'",)),
        (("chat", "ada", "--thread", "-"), ("thread '-'",)),
        (("events", "ada", "--thread", ""), ("thread ''",)),
        (("describe", "a/b"), ("'a/b' is not a DNS label",)),
        (("agents", "--gateway", "localhost:80"), ("--gateway 'localhost:80' is not a URL",)),
        (("agents", "--gateway", "http://h:port"), ("--gateway 'http://h:port' is not a URL",)),
        (("agents", "--gateway", "http://[::1"), ("--gateway 'http://[::1' is not a URL",)),
        (("agents", "-n", "A_B"), ("namespace 'A_B' is not a DNS label",)),
        (("agents", "--release-namespace", "x/y"), ("namespace 'x/y' is not a DNS label",)),
        (("send", "ada", "Hello", "--id", ""), ("--id '': expected 1 to 255",)),
        (("send", "ada", "Hello", "--id", "a b"), ("--id 'a b': expected 1 to 255",)),
        (("send", "ada", "\udcff"), ("the message is not UTF-8",)),
    ],
)
async def test_what_cannot_be_right_is_refused_before_anybody_is_asked(
    arguments: tuple[str, ...], words: tuple[str, ...], nobody: str
) -> None:
    refused(await horos(*arguments, HOROS_GATEWAY=nobody), 2, *words)


@pytest.mark.parametrize(
    "arguments", [("send",), ("send", "ada"), ("talk", "ada"), ("agents", "-o", "xml"), ("agents", "--nope")]
)
async def test_wrong_usage_is_exit_code_2_and_shows_the_way(arguments: tuple[str, ...]) -> None:
    done = await horos(*arguments)
    assert done.code == 2
    assert "Usage: horos" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", "gone", "Hello"),
        ("send", "gone", "Hello", "--wait"),
        ("chat", "gone"),
        ("events", "gone"),
        ("describe", "gone"),
    ],
)
async def test_an_agent_that_does_not_exist_is_exit_code_3(here: Here, arguments: tuple[str, ...]) -> None:
    refused(await here.horos(*arguments), 3, f"no agent gone in namespace {here.namespace}")


async def test_a_wrong_token_is_exit_code_6_and_says_where_the_right_one_is(here: Here) -> None:
    done = await horos("agents", HOROS_GATEWAY=here.url, HOROS_TOKEN="wrong")
    refused(done, 6, "HOROS_TOKEN", "Secret horos-gateway")


async def test_no_token_is_exit_code_6_too(here: Here) -> None:
    refused(await horos("agents", HOROS_GATEWAY=here.url), 6, "HOROS_TOKEN")


@pytest.mark.parametrize("arguments", [("agents",), ("events", "ada"), ("chat", "ada")])
async def test_a_gateway_that_is_not_there_is_exit_code_4(nobody: str, arguments: tuple[str, ...]) -> None:
    refused(await horos(*arguments, HOROS_GATEWAY=nobody), 4, nobody, "cannot be reached", "--gateway")


async def test_a_message_is_tried_again_before_the_gateway_counts_as_gone(nobody: str) -> None:
    refused(await horos("send", "ada", "Hello", HOROS_GATEWAY=nobody), 4, "cannot be reached")


async def test_something_else_on_the_port_is_exit_code_4(scripted_model_address: str) -> None:
    done = await horos("agents", HOROS_GATEWAY=scripted_model_address)
    refused(done, 4, "something that is not a horos gateway answered with status 404")


async def test_a_gateway_without_its_redis_is_exit_code_4(nobody: str) -> None:
    url = nobody.replace("http", "redis")
    settings = Settings(redis_url=f"{url}/0", install="x", token=SecretStr(TOKEN))
    with served(gateway_app(settings)) as gateway:
        done = await horos("agents", HOROS_GATEWAY=gateway, HOROS_TOKEN=TOKEN)
    refused(done, 4, "the gateway cannot reach the message bus; try again")


async def test_a_full_inbox_is_exit_code_1(here: Here, ada: Agent) -> None:
    for number in range(INBOX_CAP):
        assert await send(here.bus, NewMessage(to="ada", body="x", mid=f"m-{number}")) is SendOutcome.OK
    refused(await here.horos("send", "ada", "one more"), 1, f"{INBOX_CAP} messages wait for agent ada")


async def test_an_event_id_that_is_none_is_exit_code_1(here: Here, ada: Agent) -> None:
    refused(
        await here.horos("events", "ada", "--after", "x", "--no-follow"), 1, "error: event id 'x': expected"
    )


async def test_input_that_is_not_utf_8_is_refused(here: Here, ada: Agent) -> None:
    for command in (("send", "ada", "-"), ("chat", "ada")):
        running = await here.start(*command)
        assert running.process.stdin
        running.process.stdin.write(b"\xff\xfe\n")
        done = await running.end("")
        assert (done.code, "Traceback" in done.err) == (2, False), done
        assert "not UTF-8" in done.err


async def test_a_token_from_a_file_may_end_its_line(here: Here) -> None:
    done = await horos("agents", "-n", here.namespace, HOROS_GATEWAY=here.url, HOROS_TOKEN=f"{TOKEN}\n")
    assert done.code == 0, done
    refused(await horos("agents", HOROS_GATEWAY=here.url, HOROS_TOKEN="a\nb"), 2, "HOROS_TOKEN holds")


async def test_without_a_kubeconfig_the_way_is_shown() -> None:
    refused(await horos("agents"), 4, "no kubeconfig found", "KUBECONFIG", "--gateway")


async def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "config")
    refused(await horos("agents", KUBECONFIG=missing), 4, f"kubeconfig {missing} does not exist")


@pytest.mark.parametrize("text", ["[", "just text", "clusters: []", "current-context: gone\ncontexts: []"])
async def test_a_kubeconfig_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    config = tmp_path / "config"
    config.write_text(text)
    refused(await horos("agents", KUBECONFIG=str(config)), 4, f"kubeconfig {config} cannot be used")


KUBECONFIG = """
current-context: here
clusters: [{name: c, cluster: {server: "http://127.0.0.1:PORT"}}]
users: [{name: u, user: {token: t}}, {name: p, user: {exec: {
  apiVersion: client.authentication.k8s.io/v1, command: /nonexistent/plugin}}}]
contexts: [{name: here, context: {cluster: c, user: u}}, {name: plugin, context: {cluster: c, user: p}}]
"""


@pytest.fixture
def kubeconfig(tmp_path: Path, nobody: str) -> str:
    config = tmp_path / "config"
    config.write_text(KUBECONFIG.replace("PORT", nobody.rpartition(":")[2]))
    return str(config)


async def test_a_cluster_that_does_not_answer_is_exit_code_4(kubeconfig: str, nobody: str) -> None:
    refused(await horos("agents", KUBECONFIG=kubeconfig), 4, f"the API server {nobody} cannot be reached")


async def test_a_context_that_does_not_exist_is_named(kubeconfig: str) -> None:
    done = await horos("agents", "--context", "other", KUBECONFIG=kubeconfig)
    refused(done, 4, "other", f"kubeconfig {kubeconfig} cannot be used")


async def test_a_credential_plugin_that_fails_is_named(kubeconfig: str) -> None:
    done = await horos("agents", "--context", "plugin", KUBECONFIG=kubeconfig)
    refused(done, 4, "/nonexistent/plugin")


async def test_a_script_that_is_none_names_the_field(tmp_path: Path) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("replies: [{txt: hello}]")
    done = await horos("model-script", str(script))
    assert done.code == 2
    assert str(script) in done.err
    assert "txt" in done.err


async def test_a_script_is_served_until_ctrl_c(tmp_path: Path) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("replies: [{text: hello}]")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = await Running.start("model-script", str(script), "--port", str(port), environment=environment())
    assert running.process.stderr
    said = await running.process.stderr.readline()
    assert f"http://127.0.0.1:{port}/v1".encode() in said
    running.process.send_signal(signal.SIGINT)
    assert (await running.end()).code in {0, 130}


async def test_a_script_needs_an_address_that_is_free(tmp_path: Path, nobody: str) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("replies: [{text: hello}]")
    taken = nobody.rpartition(":")[2]
    refused(await horos("model-script", str(script), "--port", taken), 1, f"127.0.0.1:{taken}", "--port")
    refused(await horos("model-script", str(script), "--host", "no.such.host.invalid"), 1, "--host")


async def test_the_version_is_told() -> None:
    done = await horos("version")
    assert (done.code, done.out.split()[0]) == (0, "horos")


async def test_help_names_every_command_and_the_exit_codes() -> None:
    done = await horos("--help")
    for command in ("agents", "send", "chat", "events", "describe", "model-script", "version"):
        assert f"  {command} " in done.out
    assert "Exit codes: 0 done" in done.out
    assert "..." not in done.out.partition("Commands:")[2], (
        "each command is summed up in a sentence that fits"
    )
    for command in ("agents", "send", "chat", "events", "describe", "model-script", "version"):
        assert "Exit codes: 0 done" in (await horos(command, "--help")).out
