"""Servers that misbehave, over stdio: what the model reads of it, what is reported, and that work goes on."""

import asyncio
import re
import sys
import time
from pathlib import Path

import pytest

from horos_api.server_report import STDERR_BYTES, ServerState
from tests.mcp.conftest import MakeRaw
from tests.mcp.hands import hands
from tests.mcp.raw_stdio import LEGACY, MODERN
from tests.mcp.recording import RawStdio, eventually, is_there

ERAS = pytest.mark.parametrize("era", [LEGACY, MODERN])
UNKNOWN = "unknown whether it took effect"


@ERAS
@pytest.mark.parametrize(
    ("tool", "says", "lives"),
    [
        ("die", r"ended with exit code 9.*unknown|unknown.*exit code 9", 2),
        ("hang", r"did not finish within 1 s.*may have taken effect", 1),
        ("garbage", r"did not finish within 1 s.*may have taken effect", 1),
        ("wrong", r"cannot be understood", 1),
        ("error", r"it is broken inside", 1),
        ("fail", r"there is no such thing", 1),
        ("drift", r"Unknown tool: drift", 1),
    ],
)
async def test_what_goes_wrong_in_a_call_is_a_result_and_the_next_call_works(
    raw: MakeRaw, era: str, tool: str, says: str, lives: int
) -> None:
    server = raw({"era": era, "tools": [tool, "echo"]})
    async with hands(settings={"timeout": 1}, raw=server.command) as agent:
        result = await agent.call(f"raw__{tool}")
        assert result.startswith("error:")
        assert re.search(says, result, re.DOTALL | re.IGNORECASE), result
        assert "pydantic" not in result, "what our libraries say is nothing for a model"
        assert await agent.call("raw__echo", text="next") == "next"
        assert agent.report().state is ServerState.CONNECTED
    assert len(server.pids) == lives
    assert len(server.calls(tool)) == 1, "it was tried once"


@ERAS
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("die", r"exit code 9"),
        ("hang", r"did not answer within 1 s"),
        ("garbage", r"did not answer within 1 s"),
        ("wrong", r"tools"),
        ("error", r"it is broken inside"),
    ],
)
async def test_what_goes_wrong_in_the_list_is_reported_and_tried_again(
    raw: MakeRaw, era: str, fault: str, says: str
) -> None:
    server = raw({"era": era, "on": {"tools/list": fault}}, {"era": era})
    async with hands(settings={"timeout": 1}, wait=False, raw=server.command) as agent:
        await agent.becomes(ServerState.CONNECTED)
        report = agent.report()
        assert re.search(says, report.error), report.error
        assert report.error_at > 0
        assert agent.told, "watchers are told"
        assert await agent.call("raw__echo", text="now") == "now"
    assert len(server.pids) == 2


@ERAS
async def test_a_server_that_dies_while_it_is_asked_for_its_changed_list_comes_back(
    raw: MakeRaw, era: str
) -> None:
    server = raw({"era": era, "tools": ["grow", "echo"], "on_later": {"tools/list": "die"}}, {"era": era})
    async with hands(raw=server.command) as agent:
        await agent.call("raw__grow", name="fresh")
        await eventually(lambda: len(server.pids) == 2, "it is started again")
        await agent.becomes(ServerState.CONNECTED)
        assert agent.names() == ["raw__echo"]
        assert await agent.call("raw__echo", text="now") == "now"


async def test_a_server_that_never_says_anything_holds_nobody_up(raw: MakeRaw) -> None:
    mute = raw({"on": {"server/discover": "hang", "initialize": "hang"}})
    server = raw()
    async with hands(settings={"timeout": 2}, wait=False, mute=mute.command, raw=server.command) as agent:
        await agent.becomes(ServerState.CONNECTED)
        assert await agent.call("raw__echo", text="hi") == "hi"
        assert agent.report("mute").state is ServerState.CONNECTING
        await agent.becomes(ServerState.FAILED, "mute")
        assert "did not answer within 2 s" in agent.report("mute").error


async def test_a_server_that_dies_at_its_start_is_reported_with_its_last_words(raw: MakeRaw) -> None:
    server = raw({"dies_at_start": "panic: no licence key in LICENCE"})
    async with hands(wait=False, raw=server.command) as agent:
        await agent.becomes(ServerState.FAILED)
        report = agent.report()
        assert "exit code 3" in report.error
        assert "panic: no licence key in LICENCE" in report.stderr
        assert "raw__echo" not in agent.names()
        await eventually(lambda: len(server.pids) >= 3, "it is tried again and again")


async def test_only_the_end_of_much_stderr_is_kept(raw: MakeRaw) -> None:
    server = raw({"dies_at_start": "é" * 10_000 + " the end"})
    async with hands(wait=False, raw=server.command) as agent:
        await agent.becomes(ServerState.FAILED)
        kept = agent.report().stderr
    assert kept.rstrip().endswith("the end")
    assert STDERR_BYTES - 10 < len(kept.encode()) <= STDERR_BYTES


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("no-such-program-anywhere",), "no-such-program-anywhere"),
        (("/etc/passwd",), "/etc/passwd"),
        ((sys.executable, "-c", "print('no server')"), "exit code 0"),
    ],
)
async def test_a_program_that_is_no_server_is_reported(command: tuple[str, ...], says: str) -> None:
    async with hands(wait=False, raw=command) as agent:
        await agent.becomes(ServerState.FAILED)
        assert says in agent.report().error


async def test_what_is_printed_between_the_messages_does_no_harm_and_is_kept(raw: MakeRaw) -> None:
    server = raw({"tools": ["garbage", "echo"]})
    async with hands(settings={"timeout": 1}, raw=server.command) as agent:
        await agent.call("raw__garbage")
        assert await agent.call("raw__echo", text="hi") == "hi"
        assert "Segmentation fault, says the server" in agent.report().stderr


@ERAS
async def test_ten_megabytes_arrive_whole(raw: MakeRaw, era: str) -> None:
    server = raw({"era": era, "tools": ["big"]})
    async with hands(raw=server.command) as agent:
        assert await agent.call("raw__big", size=10_000_000) == "x" * 10_000_000
        assert agent.report().state is ServerState.CONNECTED


@ERAS
async def test_ten_megabytes_of_arguments_arrive_whole(raw: MakeRaw, era: str) -> None:
    server = raw({"era": era})
    text = "ä" * 5_000_000
    async with hands(raw=server.command) as agent:
        assert await agent.call("raw__echo", text=text) == text


async def test_two_tools_of_one_name_are_told_apart_by_leaving_one_out(raw: MakeRaw) -> None:
    server = raw({"tools": ["read.file", "read_file", "other"]})
    async with hands(raw=server.command) as agent:
        assert agent.names() == ["raw__other", "raw__read_file"]
        report = agent.report()
        assert (report.hidden, report.tools) == (1, ("raw__other", "raw__read_file"))
        assert "read_file" in report.error
        assert "read.file" in report.error
        assert await agent.call("raw__read_file", a=1) == 'read.file {"a": 1}'


async def test_two_servers_may_have_tools_of_one_name(raw: MakeRaw) -> None:
    one, two = raw({"tools": ["pid"]}), raw({"tools": ["pid"]})
    async with hands(one=one.command, two=two.command) as agent:
        assert agent.names() == ["one__pid", "two__pid"]
        assert await agent.call("one__pid") == str(one.pids[0])
        assert await agent.call("two__pid") == str(two.pids[0])


async def test_long_and_foreign_names_are_made_fit_and_still_reach_their_tool(raw: MakeRaw) -> None:
    long, foreign = "an_extremely_long_name_" * 5, "größe/messen now"
    server = raw({"tools": [long, long + "2", foreign]})
    async with hands(raw=server.command) as agent:
        names = agent.names()
        assert len(names) == 3
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names)
        assert {await agent.call(name) for name in names} == {
            f"{long} {{}}",
            f"{long}2 {{}}",
            f"{foreign} {{}}",
        }


@ERAS
async def test_a_list_that_changes_every_tenth_of_a_second_is_followed_without_haste(
    raw: MakeRaw, era: str
) -> None:
    server = raw({"era": era, "tools": ["echo"], "changes_seconds": 0.1})
    async with hands(raw=server.command) as agent:
        began = time.monotonic()
        seen: set[str] = set()
        while time.monotonic() - began < 3:
            seen |= set(agent.names())
            assert await agent.call("raw__echo", text="hi") == "hi"
            await asyncio.sleep(0.02)
        assert len(seen) >= 3, "the list is followed"
    assert len(server.said("tools/list")) <= 8, "and not asked for with each change"
    assert len(server.pids) == 1


async def test_a_start_of_many_seconds_is_waited_for_while_the_agent_works(raw: MakeRaw) -> None:
    """Longer than the SDK waits for `server/discover` (10 s), after which the introduction follows."""
    old, new, prompt = raw(), raw(), raw()
    for slow, era in ((old, LEGACY), (new, MODERN)):
        RawStdio.told(slow.folder, {"era": era, "waits_for": str(slow.folder / "gate")})
    began = time.monotonic()
    async with hands(wait=False, old=old.command, new=new.command, raw=prompt.command) as agent:
        await agent.becomes(ServerState.CONNECTED)
        while time.monotonic() - began < 11:
            assert await agent.call("raw__echo", text="meanwhile") == "meanwhile"
            assert agent.names() == ["raw__echo"]
            await asyncio.sleep(0.1)
        (old.folder / "gate").touch()
        (new.folder / "gate").touch()
        for name in ("old", "new"):
            await agent.becomes(ServerState.CONNECTED, name)
            assert await agent.call(f"{name}__echo", text=name) == name
    assert (len(old.pids), len(new.pids)) == (1, 1), "nobody lost patience"


async def test_a_server_that_dies_again_and_again_is_started_with_pauses_between(raw: MakeRaw) -> None:
    server = raw({"dies_at_start": "no"})
    began = time.monotonic()
    async with hands(wait=False, raw=server.command) as agent:
        await eventually(lambda: len(server.pids) >= 5, "five lives")
        assert agent.report().state is ServerState.FAILED
    # Four pauses of up to 0.5, 1, 2 and 4 s, at random: together longer but once in 60,000 runs.
    assert time.monotonic() - began > 0.2


async def test_closing_ends_whatever_a_server_has_started_even_what_ignores_the_end(
    raw: MakeRaw, tmp_path: Path
) -> None:
    deaf = tmp_path / "deaf.py"
    deaf.write_text("import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)\n")
    server = raw({"tools": ["child"]})
    async with hands(wait=False, deaf=(sys.executable, "-IS", str(deaf)), raw=server.command) as agent:
        await agent.becomes(ServerState.CONNECTED)
        grandchild = int(await agent.call("raw__child"))
        assert is_there(grandchild)
    await eventually(lambda: not is_there(grandchild), "the grandchild ends")


async def test_a_child_gets_the_environment_of_its_spec_and_nothing_of_the_agents(
    raw: MakeRaw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOROS_TOKEN", "s3cret")
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    server = raw({"tools": ["environment"]})
    async with hands(settings={"env": {"MODE": "quiet"}}, raw=server.command) as agent:
        seen = await agent.call("raw__environment")
    assert '"MODE": "quiet"' in seen
    assert "s3cret" not in seen


async def test_arguments_that_do_not_fit_never_reach_the_server(raw: MakeRaw) -> None:
    server = raw()
    async with hands(raw=server.command) as agent:
        result = await agent.call("raw__echo", texts="x")
    assert "wrong arguments for raw__echo" in result
    assert not server.said("tools/call")


async def test_tools_that_are_not_allowed_are_neither_offered_nor_callable(raw: MakeRaw) -> None:
    server = raw({"tools": ["get_a", "get_b", "set_a"]})
    async with hands(settings={"allow": ("get_*",)}, raw=server.command) as agent:
        assert agent.names() == ["raw__get_a", "raw__get_b"]
        assert agent.report().hidden == 1
        assert "there is no tool named 'raw__set_a'" in await agent.call("raw__set_a")
    assert not server.said("tools/call")


async def test_an_idempotent_tool_is_tried_again_when_its_server_dies(raw: MakeRaw) -> None:
    server = raw(
        {"tools": ["die"], "idempotent": ["die"]}, {"tools": ["die"], "idempotent": ["die"], "plain": True}
    )
    async with hands(raw=server.command) as agent:
        result = await agent.call("raw__die")
    assert result.startswith("die {}")
    assert len(server.calls("die")) == 2
    keys = [
        {name: value for name, value in call["params"]["_meta"].items() if "ey" in name}
        for call in server.calls("die")
    ]
    assert keys[0] == keys[1]
    assert keys[0]
