"""What the commands about tools do once they are connected: list, decide, print."""

import time
from collections.abc import Mapping
from typing import Any

from horos.decision_words import is_question
from horos.errors import UsageError
from horos.identity import who_decides
from horos.options import Judgement, Listing, Output
from horos.readiness import known_agent
from horos.session import Session
from horos.terminal import Terminal
from horos.tool_tables import approvals_table, as_of, decision_line, servers_table
from horos_api.elicitation import form_of, read_texts
from horos_api.messages import Verdict


async def list_tools(session: Session, agent: str, output: Listing) -> None:
    """Print an agent's tool servers."""
    terminal = Terminal()
    await known_agent(session, agent)
    told = await session.client.servers(agent)
    if terminal.document(told, output):
        return
    if not told["items"] and not told["configured"]:
        terminal.note(f"{agent} uses no tool servers")
        return
    now = time.time()
    terminal.table(servers_table(told, now, wide=output == Listing.WIDE))
    if stale := as_of(told, agent, now):
        terminal.note(stale)


async def list_approvals(session: Session, agent: str | None, output: Listing) -> None:
    """Print what waits for people in the namespace, or all that is open of one agent."""
    terminal = Terminal()
    if agent:
        await known_agent(session, agent)
    found = await session.client.approvals(agent)
    if terminal.document(found, output):
        return
    if found:
        terminal.table(approvals_table(found, time.time(), wide=output == Listing.WIDE))
    else:
        nobody = f"{agent} does not wait" if agent else f"no agent in namespace {session.namespace} waits"
        terminal.note(f"{nobody} for a decision")


async def decide(
    session: Session, judgement: Judgement, verdict: Verdict, texts: Mapping[str, str], output: Output
) -> None:
    """Approve or deny, and say what that means."""
    terminal = Terminal()
    done = await decided(session, judgement, verdict, texts)
    if not terminal.document(done, output):
        terminal.note(decision_line(done))


async def decided(
    session: Session, judgement: Judgement, verdict: Verdict, texts: Mapping[str, str]
) -> dict[str, Any]:
    """Hand in a verdict, with values as typed for a question, and return what is stored; or a HorosError."""
    wanted: dict[str, Any] = {"id": judgement.id, "verdict": verdict.value}
    wanted |= {"reason": judgement.reason} if judgement.reason else {}
    wanted |= {"content": await _values(session, judgement, texts)} if texts else {}
    if who := await who_decides(session, judgement.who):
        wanted["who"] = who
    return await session.client.decide(judgement.agent, wanted)


async def _values(session: Session, judgement: Judgement, texts: Mapping[str, str]) -> dict[str, object]:
    found = {each["id"]: each for each in await session.client.approvals(judgement.agent)}
    asked = found.get(judgement.id)
    if asked is not None and not is_question(asked):
        raise UsageError(f"{judgement.id} is a call of {asked['tool']}: it takes no values (--set)")
    return read_texts(form_of(asked["schema"] if asked else ""), texts)
