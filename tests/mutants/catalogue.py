"""The catalogue of mutants, read from `guards.yaml` beside this file."""

from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Mutant:
    """In `script`, `text` (which stands there once) becomes `instead`; `takes` says what is gone then."""

    name: str
    script: str
    takes: str
    text: str
    instead: str


MUTANTS = tuple(
    Mutant(**entry)
    for entry in yaml.safe_load(Path(__file__).with_name("guards.yaml").read_text(encoding="utf-8"))
)
