"""The end of a runtime's process: quick, and nothing that was to be done is left out."""

import os
import subprocess
import sys

import pytest

from horos_api.names import Env
from horos_runtime.lifetime import ExitCode
from tests.runtime.stage import Stage

HEAD = "import atexit, os, sys, threading, time\nfrom horos_runtime.departure import leave\n"



def ended(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", HEAD + program], capture_output=True, text=True, timeout=60, check=False
    )


def test_it_runs_what_was_registered_writes_what_was_printed_and_frees_nothing() -> None:
    program = """
kept = Slow()
atexit.register(lambda: print("farewell"))
print("printed", end=", ")
leave(3)
"""
    done = ended(program)
    assert (done.returncode, done.stdout, done.stderr) == (3, "printed, farewell\n", "")


def test_a_thread_that_python_waits_for_is_waited_for() -> None:
    program = """
asked = threading.Event()

def work():
    asked.wait()
    print("done")

atexit.register(lambda: print("farewell"))
threading.Thread(target=work).start()
threading.Timer(0.01, asked.set).start()
leave(3)
"""
    assert (done := ended(program)).returncode == 3, done.stderr
    assert done.stdout == "done\nfarewell\n"


def test_a_thread_that_python_does_not_wait_for_is_not_waited_for() -> None:
    program = "threading.Thread(target=threading.Event().wait, daemon=True).start()\nleave(3)"
    assert ended(program).returncode == 3


def test_nobody_reads_what_it_says() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program = HEAD + "print('x', end='')\nleave(3)"
    with os.fdopen(writer, "wb") as deaf:
        done = subprocess.run([sys.executable, "-c", program], stdout=deaf, timeout=60, check=False)
    assert done.returncode == 3


@pytest.mark.parametrize("how", ["retired", "misconfigured"])
async def test_the_exit_code_is_that_of_the_runtime(stage: Stage, how: str) -> None:
    await stage.agent(idle_seconds=1)
    if how == "retired":
        async with stage.process("ada") as process:
            assert await process.wait() == ExitCode.LEFT
        assert (await stage.view()).holder == ""
    else:
        command = [sys.executable, "-m", "horos_runtime"]
        done = subprocess.run(command, env=os.environ | {Env.AGENT: ""}, capture_output=True, check=False)
        assert done.returncode == ExitCode.MISCONFIGURED
        assert done.stderr.startswith(b"horos_runtime: ")
