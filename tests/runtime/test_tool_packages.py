"""Packages bring tools by the entry point group `horos.tools`; a bad one is told of and harms nobody."""

import asyncio
import os
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from horos_runtime.foreign_code import FOREIGN_THREADS
from horos_runtime.tool_packages import load_packages
from horos_runtime.tool_registry import ToolRegistry, tool
from tests.runtime.stage import Stage, custom, until

PROJECT = Path(__file__).parents[2]
EXAMPLE = PROJECT / "examples/tools"
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package as pip does: a module, and beside it what is said about it."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def put(name: str, code: str, entry: str = "TOOLS", version: str = "1.2") -> None:
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(code))
        about = tmp_path / f"{module}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (about / "entry_points.txt").write_text(f"[horos.tools]\n{name} = {module}:{entry}\n")

    yield put
    for module in set(sys.modules) - before:
        del sys.modules[module]


ADD = """
    from horos_runtime.tool_registry import tool

    @tool
    def add(a: int, b: int) -> int:
        return a + b

    @tool
    def negate(a: int) -> int:
        return -a

    TOOLS = (add, negate)

    def make():
        return [add]
"""


async def test_nothing_is_installed_here() -> None:
    found = await load_packages()
    assert (found.tools, found.problems) == ((), ())


@pytest.mark.parametrize(
    ("entry", "names"), [("TOOLS", ["add", "negate"]), ("add", ["add"]), ("make", ["add"])]
)
async def test_an_entry_point_is_a_tool_or_several_or_makes_them(
    install: Install, entry: str, names: list[str]
) -> None:
    install("acme-tools", ADD, entry)
    found = await load_packages()
    assert found.problems == ()
    assert [each.name for each in found.tools] == names
    assert found.tools[0].origin == "package acme-tools 1.2"


EXPECTED = "expected a Tool, a list of Tools, or a function without parameters that returns them"


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("TOOLS = 5", f"'int' object is not iterable; {EXPECTED}"),
        ("TOOLS = {'add': 1}", f"it gives a str; {EXPECTED}"),
        ("TOOLS = [1]", f"it gives a int; {EXPECTED}"),
        ("def TOOLS(): raise SystemExit(1)", "SystemExit: 1"),
        ("1/0", "ZeroDivisionError: division by zero"),
        ("x = 1", "AttributeError: module 'bad_tools' has no attribute 'TOOLS'"),
    ],
)
async def test_a_package_that_cannot_be_loaded_is_told_of(install: Install, code: str, problem: str) -> None:
    install("bad-tools", code)
    install("good-tools", ADD)
    found = await load_packages()
    assert [each.name for each in found.tools] == ["add", "negate"]
    assert found.problems == (
        f"no tools from package bad-tools 1.2: {problem} (entry point bad-tools = bad_tools:TOOLS)",
    )


async def test_a_package_that_never_ends_loading_is_told_of(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("horos_runtime.tool_packages.IMPORT_SECONDS", 0.05)
    install("slow-tools", "import threading\nRELEASE = threading.Event()\ndef TOOLS(): RELEASE.wait(30)")
    before = FOREIGN_THREADS.running
    found = await load_packages()
    (problem,) = found.problems
    assert "it did not finish loading within 0.05 s" in problem
    sys.modules["slow_tools"].RELEASE.set()

    async def ended() -> bool:
        return FOREIGN_THREADS.running == before

    await until(ended)


async def test_the_model_is_offered_what_is_installed_and_everybody_is_told_what_is_wrong(
    stage: Stage, install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install("acme-tools", ADD)
    install("bad-tools", "1/0")
    install("odd-tools", ADD.replace("@tool\n    def add", "@tool(name='a b')\n    def add"), "add")
    install(
        "send-tools",
        """
        from horos_runtime.tool_registry import tool

        @tool
        def send() -> None: ...
        """,
        "send",
    )

    @tool
    def negate(a: int) -> str:
        return "mine"

    await stage.agent()
    calls = [{"name": "add", "arguments": {"a": 2, "b": 3}}, {"name": "negate", "arguments": {"a": 1}}]
    await stage.model.load({"toolCalls": calls}, {"text": "done"}, {"text": "again"})
    async with stage.running(tools=ToolRegistry(negate)):
        assert await stage.ask("go") == "done"
        assert await stage.ask("and again") == "again"
    assert [each["content"] for each in await stage.records() if each["role"] == "tool"] == ["5", "mine"]
    first, *_ = await stage.model.requests()
    names = [each["function"]["name"] for each in first["body"]["tools"]]
    assert names == ["add", "ask", "history", "list_agents", "negate", "reply", "send"]
    told = [event["value"]["message"] for event in await stage.events() if custom("toolProblem")(event)]
    assert len(told) == 4
    bad, mine, odd, taken = told
    assert bad.startswith("no tools from package bad-tools 1.2: ZeroDivisionError")
    assert mine == (
        f"there is already a tool named 'negate': one is from {negate.origin}, the other from "
        "package acme-tools 1.2; the second is not offered"
    )
    assert odd.startswith("a tool of package odd-tools 1.2 is not offered: ")
    assert "tool name 'a b': expected 1 to 64 of A-Z a-z 0-9 _ -" in odd
    assert taken.startswith(
        "there is already a tool named 'send': one is from horos, the other from package "
    )
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == told


async def test_the_example_package_is_found_and_works(
    stage: Stage, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    (entry,) = about["entry-points"]["horos.tools"].values()
    module, _, attribute = entry.partition(":")
    monkeypatch.syspath_prepend(EXAMPLE / "src")
    install(about["name"], f"from {module} import {attribute}", attribute, about["version"])
    await stage.agent()
    call = {"name": "calculate", "arguments": {"expression": "6 * 7"}}
    await stage.model.load({"toolCalls": [call]}, {"text": "It is 42."})
    async with stage.running():
        assert await stage.ask("What is 6 * 7?") == "It is 42."
    (result,) = [each["content"] for each in await stage.records() if each["role"] == "tool"]
    assert orjson.loads(result) == 42


async def test_the_example_packages_own_tests_pass() -> None:
    tests = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib",
        cwd=EXAMPLE, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(tests.communicate(), 60)
    assert tests.returncode == 0, out.decode()
