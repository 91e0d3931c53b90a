"""What people decide: calls of tools that wait for them, and questions of tool servers."""

import time
from collections.abc import Callable
from typing import Final

import orjson

from horos_api.budgets import utc_time
from horos_api.elicitation import FormError, filled, form_of
from horos_api.messages import Verdict
from horos_bus.approvals import Approval
from horos_gateway.backend import Backend, no_agent, refuse_terminated
from horos_gateway.decision_bodies import ApprovalBody, ApprovalsBody, DecisionBody, approval_body
from horos_gateway.problems import DecidedError, NotFoundError, ProblemError

_VERBS: Final = {"approved": "approved", "denied": "denied", "expired": "denied"}


class Decisions:
    """Lists and decides. Every method may raise BusError; `clock` gives seconds since the epoch."""

    def __init__(self, backend: Backend, clock: Callable[[], float] = time.time) -> None:
        self._backend = backend
        self._clock = clock

    async def undecided(self, namespace: str) -> ApprovalsBody:
        """All that waits for a person in a namespace, the oldest first."""
        control = self._backend.control(namespace)
        views = await control.views(sorted(await control.agents()))
        waiting = [name for name, view in views.items() if view.approvals]
        found = [each for name in waiting for each in await control.approvals(name)]
        return self._body([each for each in found if each.status == "pending"])

    async def of_agent(self, namespace: str, name: str) -> ApprovalsBody:
        """What one agent waits for, and what was decided that it has not acted on; raises NotFoundError."""
        await self._backend.view(namespace, name)
        return self._body(await self._backend.control(namespace).approvals(name))

    async def decide(self, namespace: str, name: str, wanted: DecisionBody) -> ApprovalBody:
        """Decide once; the same decision, with the same values, by the same person again is the same.

        Raises NotFoundError, TerminatedError, DecidedError, and ProblemError for values that do not fit.
        """
        control = self._backend.control(namespace)
        refuse_terminated(await self._backend.view(namespace, name))
        open_now = {each.id: each for each in await control.approvals(name)}
        content = _content(open_now.get(wanted.id), wanted)
        decided = await control.decide(
            name, wanted.id, wanted.verdict, wanted.who, reason=wanted.reason, content=content
        )
        if decided.outcome == "NOAGENT":
            raise no_agent(namespace, name)
        if decided.approval is None:
            raise NotFoundError(f"nothing called {wanted.id} waits for a decision (any more)", "id")
        if decided.outcome == "ALREADY" and not _is_the_same(decided.approval, wanted):
            raise DecidedError(_told(decided.approval, wanted), "id")
        return approval_body(decided.approval, self._clock())

    def _body(self, found: list[Approval]) -> ApprovalsBody:
        now = self._clock()
        ordered = sorted(found, key=lambda each: (each.asked, each.id))
        return ApprovalsBody(items=[approval_body(each, now) for each in ordered])


def _content(asked: Approval | None, wanted: DecisionBody) -> str:
    """Check the values of an answer and complete them; '' where there are none to give."""
    if wanted.content is not None and wanted.verdict is Verdict.DENY:
        raise ProblemError("content goes with verdict approve only", "content")
    if asked is None or asked.status != "pending":
        return ""
    if asked.kind == "call":
        if wanted.content is not None:
            raise ProblemError(f"{asked.id} is a call of {asked.tool}: it takes no content", "content")
        return ""
    if wanted.verdict is Verdict.DENY:
        return ""
    try:
        values = _values(asked, wanted)
    except FormError as error:
        raise ProblemError(str(error), f"content.{error.field}") from None
    return orjson.dumps(values).decode()


def _values(asked: Approval, wanted: DecisionBody) -> dict[str, object]:
    return filled(form_of(asked.schema), wanted.content or {})


def _is_the_same(decided: Approval, wanted: DecisionBody) -> bool:
    """Whether this is a decision sent again. Other values are not: nobody may think that they were taken."""
    if (decided.verdict, decided.who) != (wanted.verdict, wanted.who):
        return False
    if decided.kind == "call" or wanted.verdict is Verdict.DENY:
        return True
    try:
        return bool(_values(decided, wanted) == orjson.loads(decided.content))
    except FormError:
        return False


def _told(decided: Approval, wanted: DecisionBody) -> str:
    who = f" by {decided.who}" if decided.who else ""
    alike = (decided.verdict, decided.who) == (wanted.verdict, wanted.who)
    values = ", with other values" if alike else ""
    why = f": {decided.reason}" if decided.reason else ""
    return (
        f"{decided.id} was {_VERBS[decided.status]}{who} at {utc_time(decided.decided / 1000)}{values}{why}"
    )
