"""The rules that a machine can check: who imports whom, how large a file and a function may grow."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for folder in ("operator", "agent_image") for path in (PROJECT / folder).rglob("*.py"))
FILE_LINES = 300
FUNCTION_LINES = 40
FORBIDDEN_NAMES = {"util", "utils", "helper", "helpers", "misc", "common", "base"}
ONLY_IN = {
    "kopf": "operator/horos_operator/handlers.py",
    "kubernetes": "operator/horos_operator/kube/",
    "redis": "operator/horos_bus/",
    "httpx2": (
        "agent_image/horos_runtime/llm_client.py",
        "agent_image/horos_runtime/late_trust.py",
        "agent_image/horos_runtime/mcp_http.py",
    ),
    "prometheus_client": ("operator/horos_operator/metrics.py", "operator/horos_gateway/metrics.py"),
    "mcp": "agent_image/horos_runtime/mcp_",
    "mcp_types": "agent_image/horos_runtime/mcp_",
}


def place(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_there_are_sources_to_check() -> None:
    assert len(SOURCES) > 20


def test_imports_point_down() -> None:
    lint = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(lint, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("library", ONLY_IN)
def test_one_place_knows_each_outside_system(library: str) -> None:
    users = {place(path) for path in SOURCES if library in imported(path)}
    assert users, f"nothing imports {library}; is the rule still needed?"
    assert {user for user in users if not user.startswith(ONLY_IN[library])} == set()


def test_the_folder_called_operator_is_no_package() -> None:
    assert not (PROJECT / "operator/__init__.py").exists(), "it would shadow the standard library's operator"


@pytest.mark.parametrize("path", SOURCES, ids=place)
def test_a_file_fits_in_a_head(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines < FILE_LINES, f"{place(path)} has {lines} lines; split it by subject"
    assert path.stem not in FORBIDDEN_NAMES, f"{place(path)}: name it by its subject"
    if lines:
        assert ast.get_docstring(ast.parse(path.read_text())), f"{place(path)} has no module docstring"
    for function in functions(path):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length < FUNCTION_LINES, f"{place(path)}: {function.name} has {length} lines"
