"""Processes of stdio servers where it is delicate: uvloop, as in a pod, and being its first process."""

import subprocess
import sys
from pathlib import Path

import pytest

SERVER = str(Path(__file__).parent / "servers/workshop.py")
USE = f"""
import asyncio, ctypes, os, subprocess, sys, uvloop
from pathlib import Path
from horos_api.tool_servers import ToolServerUse
from horos_runtime.mcp_client import MCPClientManager
from horos_runtime.tool_executor import ToolExecutor
from horos_runtime.tool_registry import ToolRegistry

async def call(manager, name, **arguments):
    return await ToolExecutor(ToolRegistry(*manager.tools())).call(name, arguments)

def used(*command, **env):
    env = [{{"name": key, "value": value}} for key, value in env.items()]
    return MCPClientManager([ToolServerUse(name="shop", command=command, env=env)])

def most_memory():
    # In MiB. What getrusage tells begins with what the parent held.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) // 1024

SERVER = ({sys.executable!r}, {SERVER!r})
"""


def run(program: str) -> str:
    """Run a program with warnings as errors, as a runtime runs it; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", USE + program],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=Path(__file__).parent.parent.parent,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_calls_and_death_and_end_work_on_both_loops(loop: str) -> None:
    printed = run(f"""
async def main():
    async with used(*SERVER) as manager:
        await manager.ready(30)
        print(await call(manager, "shop__add", a=1, b=2))
        print(await call(manager, "shop__environment"))
        print(await call(manager, "shop__die"))
        print(await call(manager, "shop__add", a=2, b=2))

{loop}.run(main())
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no children")
""")
    first, *environment, died, after, end = printed.splitlines()
    assert (first, after, end) == ("3", "4", "no children")
    assert "ended with exit code 3. Whether it took effect is unknown" in died
    # Python itself sets this one where nothing says which language is spoken.
    assert "".join(environment).replace(" ", "") in ("{}", '{"LC_CTYPE":"C.UTF-8"}')


def test_the_first_process_of_a_pod_reaps_what_servers_leave_behind() -> None:
    """A grandchild whose parent has ended belongs to the first process, and is its zombie when it ends."""
    printed = run("""
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0

async def main():
    # The grandchild ignores the end of its input and being asked to end, and holds stdout open.
    family = "trap '' TERM; (trap '' TERM; /bin/sleep 600) & exec " + " ".join(SERVER)
    async with used("/bin/sh", "-c", family, PATH="/bin") as manager:
        await manager.ready(30)
        print(await call(manager, "shop__add", a=1, b=2))

uvloop.run(main())
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("nobody is left")
""")
    assert printed.splitlines() == ["3", "nobody is left"]


def test_a_server_whose_grandchild_holds_its_stdout_is_known_to_be_dead() -> None:
    printed = run("""
async def main():
    family = "/bin/sleep 600 & exec " + " ".join(SERVER)
    async with used("/bin/sh", "-c", family, PATH="/bin") as manager:
        await manager.ready(30)
        print(await call(manager, "shop__die"))
        print(await call(manager, "shop__add", a=1, b=2))

uvloop.run(main())
""")
    died, after = printed.splitlines()
    assert "its process ended with exit code 3" in died
    assert after == "3"


def test_a_server_that_writes_a_line_without_end_is_left_before_memory_is_used_up() -> None:
    printed = run("""
ENDLESS = "import os\\nwhile True: os.write(1, b'x' * 65536)"

async def main():
    async with used(sys.executable, "-c", ENDLESS) as manager:
        await manager.ready(30)
        print(manager.report().servers[0].error)
    print(most_memory())

uvloop.run(main())
""")
    error, mebibytes = printed.splitlines()
    assert error == "it wrote a line of more than 32 MiB"
    assert int(mebibytes) < 300


def test_what_a_server_prints_without_end_takes_neither_all_time_nor_memory() -> None:
    """Measured in time of the processor: what else the machine does is no matter."""
    printed = run("""
import time
ENDLESS = "import os\\nwhile True: os.write(1, b'x\\\\n' * 32768)"

async def main():
    async with used(sys.executable, "-c", ENDLESS) as manager:
        while "[on stdout]" not in (manager.report().servers or [None])[0].stderr:
            await asyncio.sleep(0.01)
        longest, end = 0.0, time.process_time() + 1
        while (begun := time.process_time()) < end:
            await asyncio.sleep(0)
            longest = max(longest, time.process_time() - begun)
        print(longest)
    print(most_memory())

uvloop.run(main())
""")
    longest, mebibytes = printed.splitlines()
    assert float(longest) < 0.1
    assert int(mebibytes) < 200
