"""`horos run` from Enter to the end: answers, memory, Ctrl-C, other commands, what keeps it from starting."""

import asyncio
import contextlib
import json
import os
import pty
import signal
import socket
from pathlib import Path

import pytest

from tests.examples.stories import connected
from tests.person.stage import HOROS, environment, horos
from tests.run.conftest import PROJECT, SECONDS, Society, Workshop, children_in
from tests.run.test_redis_server import process_of

HELLO = str(PROJECT / "examples/hello.yaml")
HEAD = "apiVersion: horos.dev/v1alpha1\n"


async def test_the_answer_alone_goes_to_standard_output(workshop: Workshop) -> None:
    await workshop.model.load({"text": "Hello. I am a script.", "chunkSize": 5})
    done = await workshop.run(HELLO, "--ask", "Who are you?")
    assert (done.code, done.out) == (0, "Hello. I am a script.\n"), done.err
    told = done.err.splitlines()
    assert "you → hello  Who are you?" in told
    assert "hello  Hello. I am a script." in told
    assert "\x1b" not in done.err, "no colours where nobody looks"
    assert not children_in(workshop.path)


async def test_a_second_run_remembers(workshop: Workshop) -> None:
    await workshop.model.load({"text": "Hello, Ada."}, {"text": "You are Ada."})
    assert (await workshop.run(HELLO, "--ask", "I am Ada.")).out == "Hello, Ada.\n"
    assert (await workshop.run(HELLO, "--ask", "Who am I?")).out == "You are Ada.\n"
    *_, last = await workshop.model.requests()
    said = [(each["role"], each["content"]) for each in last["body"]["messages"][1:]]
    assert said == [("user", "I am Ada."), ("assistant", "Hello, Ada."), ("user", "Who am I?")]


async def test_ctrl_c_lets_it_finish_and_ends_everything(workshop: Workshop) -> None:
    await workshop.model.load({"text": "Good morning."}, {"text": "Still here."})
    society = await workshop.start(HELLO)
    await society.says("horos chat hello")
    sent = await society.horos("send", "hello", "Hi", "--wait")
    assert (sent.code, sent.out) == (0, "Good morning.\n"), sent.err
    society.interrupt()
    done = await society.end()
    assert (done.code, done.out) == (0, "")
    assert "finishing what runs; Ctrl-C again ends it at once" in done.err
    assert not children_in(workshop.path)
    assert (await workshop.run(HELLO, "--ask", "And now?")).out == "Still here.\n"


async def test_a_second_ctrl_c_ends_it_at_once(workshop: Workshop) -> None:
    """The model never ends its answer, so the turn would last for ever."""
    await workshop.model.load({"chunks": ["One", {"text": " two", "hold": True}]})
    society = await workshop.start(HELLO, "--ask", "Count.", "-o", "json")
    await society.tells(lambda event: event["type"] == "TEXT_MESSAGE_CONTENT")
    society.interrupt()
    await society.says("Ctrl-C again")
    society.interrupt()
    assert (await society.end()).code == 130
    await gone(workshop.path)


async def test_a_second_ctrl_c_gives_the_terminal_back(workshop: Workshop) -> None:
    await workshop.model.load({"chunks": ["One", {"text": " two", "hold": True}]})
    terminal, side = pty.openpty()
    model = ("--model-url", workshop.model.base_url, "--model-name", "scripted")
    process = await asyncio.create_subprocess_exec(
        *(str(HOROS), "run", HELLO, "--ask", "Count.", *model),
        cwd=workshop.path,
        env=environment(TERM="xterm-256color"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=side,
        start_new_session=True,
    )
    workshop.running.append(Society(process, workshop.data))
    os.close(side)
    seen = b""
    async with asyncio.timeout(SECONDS):
        for wanted in (b"One", b"Ctrl-C again"):
            while wanted not in seen:
                seen += await asyncio.to_thread(os.read, terminal, 4096)
            process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
    with contextlib.suppress(OSError):  # what a terminal says at its end
        while more := os.read(terminal, 4096):
            seen += more
    os.close(terminal)
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l"), "the cursor is there again"


async def test_killed_outright_it_leaves_nothing_running_and_the_next_run_goes_on(workshop: Workshop) -> None:
    await workshop.model.load({"chunks": ["One", {"text": " two", "hold": True}]}, {"text": "One two three."})
    society = await workshop.start(HELLO, "-o", "json")
    await society.says("horos chat hello")
    sent = await society.horos("send", "hello", "Count.")
    assert sent.code == 0, sent.err
    await society.tells(lambda event: event["type"] == "TEXT_MESSAGE_CONTENT")
    society.process.kill()
    await society.end()
    await gone(workshop.path)
    again = await workshop.start(HELLO, "-o", "json")
    reply = await again.tells(lambda event: event.get("name") == "reply")
    assert reply["value"]["text"] == "One two three."
    again.interrupt()
    await again.end()


async def test_a_redis_that_is_killed_comes_back_and_nothing_is_lost(workshop: Workshop) -> None:
    await workshop.model.load({"text": "Before."}, {"text": "After."})
    society = await workshop.start(HELLO)
    await society.says("horos chat hello")
    assert (await society.horos("send", "hello", "One.", "--wait")).out == "Before.\n"
    os.kill(process_of(workshop.data), signal.SIGKILL)
    await society.says("Redis ended by itself (status -9) and is started again")
    sent = await society.horos("send", "hello", "Two.", "--wait")
    assert (sent.code, sent.out) == (0, "After.\n"), sent.err
    *_, last = await workshop.model.requests()
    assert [each["content"] for each in last["body"]["messages"][1:]] == ["One.", "Before.", "Two."]
    society.interrupt()
    assert (await society.end()).code == 0


def hidden(folder: Path, *modules: str) -> dict[str, str]:
    """Variables under which Python does not find these modules, as where they are not installed."""
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "class Finder:\n"
        "    def find_spec(name, path=None, target=None):\n"
        f"        return None if name in {modules!r} else PathFinder.find_spec(name, path, target)\n"
        "sys.meta_path[sys.meta_path.index(PathFinder)] = Finder\n"
    )
    return {"PYTHONPATH": str(folder)}


async def test_without_the_local_model_the_person_is_told_what_to_do(workshop: Workshop) -> None:
    done = await (await workshop.start_bare(HELLO, **hidden(workshop.path, "xllamacpp"))).end()
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {HELLO}, document 1 (Agent hello): spec.model: no model to ask: ")
    assert "install horos[model]" in done.err
    assert not workshop.data.exists()


async def test_where_only_the_command_is_installed_the_person_is_told_so(workshop: Workshop) -> None:
    done = await (await workshop.start_bare(HELLO, **hidden(workshop.path, "starlette"))).end()
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: horos run needs starlette: install horos[local]\n"


async def test_an_interrupted_question_has_its_own_exit_code(workshop: Workshop) -> None:
    await workshop.model.load({"chunks": ["One", {"text": " two", "hold": True}]})
    society = await workshop.start(HELLO, "--ask", "Count.", "-o", "json")
    await society.tells(lambda event: event["type"] == "TEXT_MESSAGE_CONTENT")
    society.interrupt()
    await society.says("finishing what runs")
    assert (await society.end()).code == 130


async def test_other_commands_work_against_it(workshop: Workshop) -> None:
    society = await workshop.start(HELLO)
    await society.says("horos chat hello")
    listed = await society.horos("agents", "-o", "json")
    assert [each["name"] for each in json.loads(listed.out)] == ["hello"]
    described = await society.horos("describe", "hello")
    assert described.code == 0, described.err
    society.interrupt()
    await society.end()


async def test_an_answer_that_does_not_come_in_time_is_given_up(workshop: Workshop) -> None:
    await workshop.model.load({"text": "too late", "holdStart": True})
    done = await workshop.run(HELLO, "--ask", "Hello?", "--timeout", "3")
    assert (done.code, done.out) == (5, "")
    assert "error: hello has not answered within 3 s" in done.err


async def test_events_go_to_standard_output_as_json_with_the_answer_last(workshop: Workshop) -> None:
    await workshop.model.load({"text": "Hello."})
    done = await workshop.run(HELLO, "--ask", "Hi", "-o", "json")
    *events, last = [json.loads(line) for line in done.out.splitlines()]
    assert last == {"agent": "hello", "namespace": "default", "answer": "Hello."}
    assert {event["agent"] for event in events} == {"hello"}
    kinds = [event["type"] for event in events]
    assert {"RUN_STARTED", "TEXT_MESSAGE_CONTENT"} <= set(kinds)
    assert "RUN_FINISHED" in kinds, "it is written with the answer, and may be read only after it"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["gone.yaml"], 2, "gone.yaml: cannot be read: No such file or directory"),
        (
            [HELLO, HELLO],
            2,
            f"{HELLO}, document 1 (Agent hello): metadata.name: Agent hello of namespace default",
        ),
        ([HELLO, "--agent", "bob"], 2, "--agent bob: expected an agent of the files, or a group: hello"),
        ([HELLO, "--ask", " "], 2, "the message is empty"),
        ([HELLO, "-n", "A_b"], 2, "--namespace: namespace 'A_b' is not a DNS label"),
        ([HELLO, "--model-url", "ftp://x"], 2, "--model-url and --model-name go together"),
        (
            [HELLO, "--model-url", "ftp://x", "--model-name", "x"],
            2,
            "--model-url 'ftp://x': expected http://",
        ),
        ([HELLO, "--data", "/sys/.horos"], 1, "the data folder /sys/.horos cannot be written: "),
    ],
)
async def test_what_cannot_be_run_is_refused_before_anything_starts(
    workshop: Workshop, arguments: list[str], code: int, said: str
) -> None:
    data = [] if "--data" in arguments else ["--data", str(workshop.data)]
    done = await horos("run", *arguments, *data)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("error: ")
    assert said in done.err
    assert not (workshop.data / "redis").exists()


async def test_a_log_that_cannot_be_written_is_named(workshop: Workshop) -> None:
    log = workshop.data / "horos.log"
    log.mkdir(parents=True)
    done = await workshop.run(HELLO)
    assert (done.code, done.out, done.err) == (
        1,
        "",
        f"error: the log {log} cannot be written: Is a directory\n",
    )


async def test_a_port_that_is_taken_is_named(workshop: Workshop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = await workshop.run(HELLO, "--port", port)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(
        f"error: port {port} of 127.0.0.1 cannot be listened on: Address already in use"
    )
    assert done.err.endswith("choose another --port, or 0 for a free one\n")
    assert not children_in(workshop.path)


async def test_a_folder_in_use_is_named_with_the_process_that_uses_it(workshop: Workshop) -> None:
    society = await workshop.start(HELLO)
    await society.says("horos chat hello")
    done = await workshop.run(HELLO)
    assert done.code == 1
    assert f"is in use by another `horos run` (process {society.process.pid})" in done.err
    society.interrupt()
    assert (await society.end()).code == 0


async def test_what_keeps_an_agent_from_working_is_told(workshop: Workshop) -> None:
    file = workshop.write(HEAD + "kind: Agent\nmetadata: {name: ada}\nspec:\n  model: {configName: shared}\n")
    society = await workshop.start(file)
    line = await society.says("cannot work")
    assert line.startswith("ada  ! cannot work: ")
    assert "shared" in line
    society.interrupt()
    assert (await society.end()).code == 0


async def test_a_person_decides_about_calls_as_in_a_cluster(workshop: Workshop) -> None:
    clerk = (PROJECT / "examples/tool-user.yaml").read_text()
    file = workshop.write(clerk.replace("timeoutSeconds: 20", "approval: Always"))
    call = {"name": "clock__time_between", "arguments": {"begin": "21:40", "end": "06:15"}}
    await workshop.model.load({"toolCalls": [call]}, {"text": "I asked."}, {"find": "[0-9]+ h [0-9]+ min"})
    society = await workshop.start(file, "-o", "json")
    await society.says("horos chat clerk")
    async with asyncio.timeout(SECONDS):
        while not connected((await society.horos("tools", "clerk", "-o", "json")).out):
            continue
    assert (await society.horos("send", "clerk", "How long?", "--id", "q")).code == 0
    asked = await society.tells(lambda event: event.get("name") == "approval")
    approved = await society.horos("approve", asked["value"]["id"])
    assert approved.code == 0, approved.err
    reply = await society.tells(lambda event: event.get("name") == "reply")
    assert reply["value"]["text"] == "8 h 35 min"
    society.interrupt()
    assert (await society.end()).code == 0


async def test_a_pool_of_one_gives_its_slot_from_one_to_the_other(workshop: Workshop) -> None:
    pool = HEAD + "kind: AgentPool\nmetadata: {name: default}\nspec: {maxRunning: 1}\n"
    agents = "---\n".join(
        HEAD + f"kind: Agent\nmetadata: {{name: {name}}}\nspec: {{}}\n" for name in ("a", "b")
    )
    await workshop.model.load({"text": "Here."}, repeat="last")
    society = await workshop.start(workshop.write(f"{pool}---\n{agents}"))
    await society.says("horos chat a")
    for name in ("a", "b", "a"):
        sent = await society.horos("send", name, "Hello?", "--wait")
        assert (sent.code, sent.out) == (0, "Here.\n"), sent.err
    found = json.loads((await society.horos("pool", "-o", "json")).out)
    assert found["live"]["maxRunning"] == 1, found
    society.interrupt()
    assert (await society.end()).code == 0


async def gone(folder: Path) -> None:
    """Wait until no process is left of a run that was ended at once."""
    async with asyncio.timeout(60):
        while children_in(folder):  # noqa: ASYNC110 - they are nobody's children any more
            await asyncio.sleep(0.05)
