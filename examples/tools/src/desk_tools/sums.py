"""What language models are bad at: exact numbers and dates."""

import ast
import operator
from collections.abc import Callable
from datetime import date

from horos import tool

_SIGNS: dict[type[ast.unaryop], Callable[[float], float]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


@tool(parallel=True, idempotent=True, timeout_seconds=2)
def calculate(expression: str) -> float:
    """Calculate exactly.

    Args:
        expression: Numbers, brackets and + - * / // %, for example (3 + 4) * 2.5.
    """
    try:
        return _value(ast.parse(expression.strip(), mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"{expression!r} is no arithmetic: {error.msg}") from error


@tool(parallel=True, idempotent=True)
async def days_between(first: date, second: date) -> dict[str, int | str]:
    """Count the days from one date to another, and name their weekdays."""
    return {"days": (second - first).days, "first": f"{first:%A}", "second": f"{second:%A}"}


def _value(part: ast.expr) -> float:
    match part:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _SIGNS:
            return _SIGNS[type(sign)](_value(operand))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
            return _OPERATORS[type(sign)](_value(left), _value(right))
    raise ValueError(f"{ast.unparse(part)!r} is no arithmetic; expected numbers and + - * / // %")
