"""Whether a final answer is the JSON that `spec.model.responseSchema` asks for; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NoReturn

from horos_api.conditions import Reason
from horos_runtime.model_errors import ModelRefusedError, UnfitAnswerError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_FENCE: Final = re.compile(r"```[\w-]*[ \t]*\n(.*?)```", re.DOTALL)
TOLD_PROBLEMS: Final = 5
TOLD_CHARACTERS: Final = 200


class AnswerSchema:
    """One schema, read once; importing the validator takes a tenth of a second."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Raise ModelRefusedError when it is no JSON Schema."""
        from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 - see the docstring above
        from jsonschema.validators import validator_for  # noqa: PLC0415
        from referencing import Registry  # noqa: PLC0415

        self.schema = schema
        kind = validator_for(schema, default=Draft202012Validator)
        try:
            kind.check_schema(schema)
        except SchemaError as error:
            raise _misconfigured(f"{error.json_path}: {error.message}") from error
        # With a registry of its own the validator never fetches what a `$ref` names.
        self._validator = kind(schema, registry=Registry())

    def checked(self, text: str) -> str:
        """Return the JSON of an answer, without the fences that models put around it.

        Raises UnfitAnswerError, which says what is wrong where; ModelRefusedError for a `$ref` to nowhere.
        """
        from referencing.exceptions import Unresolvable  # noqa: PLC0415 - see the class's docstring

        answer = _unfenced(text)
        value = _parsed(answer)
        try:
            problems = sorted(self._validator.iter_errors(value), key=lambda found: found.json_path)
        except Unresolvable as error:
            raise _misconfigured(f"$ref {error.ref!r} names nothing in the schema") from error
        if problems:
            raise UnfitAnswerError("; ".join(_told(problems)))
        return answer


def _unfenced(text: str) -> str:
    fenced = _FENCE.findall(text)
    return (fenced[0] if len(fenced) == 1 else text).strip()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        shown = text if len(text) <= TOLD_CHARACTERS else text[:TOLD_CHARACTERS] + "…"
        raise UnfitAnswerError(f"it is not JSON ({error}): {shown!r}") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _told(problems: list[ValidationError]) -> Iterator[str]:
    for problem in problems[:TOLD_PROBLEMS]:
        message = problem.message
        yield f"{problem.json_path}: {message[:TOLD_CHARACTERS]}{'…' * (len(message) > TOLD_CHARACTERS)}"
    if len(problems) > TOLD_PROBLEMS:
        yield f"and {len(problems) - TOLD_PROBLEMS} more"


def _misconfigured(problem: str) -> ModelRefusedError:
    return ModelRefusedError(Reason.MODEL_MISCONFIGURED, f"spec.model.responseSchema: {problem}")
