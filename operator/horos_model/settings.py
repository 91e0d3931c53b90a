"""What the local model server is told by its environment, checked before a byte of the weights is read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


class SettingsError(ValueError):
    """An environment variable has a value that cannot be used; the message names variable and range."""


@dataclass(frozen=True)
class ModelSettings:
    """Where the server listens and how much of the machine it may use."""

    host: str
    port: int
    context_tokens: int
    """Context shared by all parallel answers, in tokens; SmolLM2 was trained for 8192. 1024 cost 23 MiB."""
    parallel: int
    """Answers generated at the same time; further requests wait."""
    threads: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read `HOROS_MODEL_*`; raises SettingsError for a value that is no number or out of its range."""
        return cls(
            host=environment.get("HOROS_MODEL_HOST", "127.0.0.1"),
            port=_number(environment, "HOROS_MODEL_PORT", 8080, range(65536)),
            context_tokens=_number(environment, "HOROS_MODEL_CONTEXT_TOKENS", 4096, range(256, 8193)),
            parallel=_number(environment, "HOROS_MODEL_PARALLEL", 2, range(1, 65)),
            threads=_number(environment, "HOROS_MODEL_THREADS", len(os.sched_getaffinity(0)), range(1, 257)),
        )


def _number(environment: Mapping[str, str], name: str, default: int, allowed: range) -> int:
    text = environment.get(name, str(default))
    try:
        number = int(text)
    except ValueError:
        raise SettingsError(f"{name} must be a whole number, not {text!r}") from None
    if number not in allowed:
        raise SettingsError(f"{name} must be from {allowed[0]} to {allowed[-1]}, not {number}")
    return number
