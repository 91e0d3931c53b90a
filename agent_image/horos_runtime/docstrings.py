"""Reads docstrings in the three styles that people write: Google, numpy and Sphinx."""

import re
from collections.abc import Callable
from inspect import getdoc
from typing import Any, Final

_GOOGLE: Final = re.compile(r"^(Args|Arguments|Parameters|Returns|Raises|Yields|Examples?|Notes?):\s*$")
_GOOGLE_PARAMETER: Final = re.compile(r"^\s*\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.+)$")
_NUMPY: Final = re.compile(
    r"^(Parameters|Returns|Raises|Yields|Examples?|Notes?|See Also)\s*\n-{3,}\s*$", re.M
)
_NUMPY_PARAMETER: Final = re.compile(r"^(\w+(?:\s*,\s*\w+)*)\s*(?::.*)?$")
_SPHINX: Final = re.compile(r"^:(\w+)(?:\s+([^:]*))?:\s*(.*)$")
_PARAMETERS: Final = frozenset({"Args", "Arguments", "Parameters"})


def summary(function: Callable[..., Any]) -> str:
    """Return the docstring up to its first section: what a model reads about the tool."""
    text = getdoc(function) or ""
    if found := _NUMPY.search(text):
        text = text[: found.start()]
    lines: list[str] = []
    for line in text.splitlines():
        if _GOOGLE.match(line) or _SPHINX.match(line):
            break
        lines.append(line)
    return "\n".join(lines).strip()


def parameter_texts(docstring: str) -> dict[str, str]:
    """Return what the docstring says about each parameter."""
    return _google(docstring) | _numpy(docstring) | _sphinx(docstring)


def _google(docstring: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    inside, last = False, ""
    for line in docstring.splitlines():
        if section := _GOOGLE.match(line):
            inside = section[1] in _PARAMETERS
        elif inside and (parameter := _GOOGLE_PARAMETER.match(line)):
            last = parameter[1]
            texts[last] = parameter[2].strip()
        elif inside and last and line.strip():
            texts[last] += " " + line.strip()
    return texts


def _numpy(docstring: str) -> dict[str, str]:
    sections = list(_NUMPY.finditer(docstring))
    ends = [section.start() for section in sections] + [len(docstring)]
    texts: dict[str, str] = {}
    for section, end in zip(sections, ends[1:], strict=True):
        names: list[str] = []
        for line in docstring[section.end() : end].splitlines() if section[1] in _PARAMETERS else []:
            if not line.startswith((" ", "\t")):
                found = _NUMPY_PARAMETER.match(line)
                names = [name.strip() for name in found[1].split(",")] if found else []
            for name in names if line.startswith((" ", "\t")) else []:
                texts[name] = f"{texts.get(name, '')} {line.strip()}".strip()
    return texts


def _sphinx(docstring: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    last = ""
    for line in docstring.splitlines():
        if found := _SPHINX.match(line):
            words = (found[2] or "").split()
            last = words[-1] if found[1] in ("param", "parameter", "arg", "argument") and words else ""
            if last:
                texts[last] = found[3].strip()
        elif last and line.strip():
            texts[last] += " " + line.strip()
    return texts
