"""The end of a runtime's process: quick, and nothing that was to be done is left out."""

import asyncio
import os
import subprocess
import sys
import time
from datetime import datetime

import orjson

from horos_runtime.lifetime import ExitCode
from tests.runtime.stage import Stage

HEAD = "import atexit, os, sys, threading, time\nfrom horos_runtime.departure import leave\n"


def ended(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", HEAD + program], capture_output=True, text=True, timeout=60, check=False
    )


def test_it_runs_what_was_registered_writes_what_was_printed_and_frees_nothing() -> None:
    program = """
class Slow:
    def __del__(self):
        os.write(1, b"taken apart")

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
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}
    with os.fdopen(writer, "wb") as deaf:
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, stdout=deaf, env=buffered, timeout=60, check=False)
    assert done.returncode == 3


async def test_a_runtime_that_retires_leaves_with_success(stage: Stage) -> None:
    await stage.agent(idle_seconds=1)
    async with stage.process("ada") as process:
        assert await process.wait() == ExitCode.LEFT
    assert (await stage.view()).holder == ""


async def test_the_log_begins_with_how_long_the_imports_took(stage: Stage) -> None:
    await stage.agent(idle_seconds=1)
    began = time.time()
    async with stage.process("ada", stderr=asyncio.subprocess.PIPE) as process:
        assert process.stderr
        first = orjson.loads(await process.stderr.readline())
        await process.wait()
    assert first["message"] == "everything is imported"
    age, said = first["ageMilliseconds"] / 1000, datetime.fromisoformat(first["time"]).timestamp()
    assert abs(said - age - began) < 0.5 and 0 < age < 60
