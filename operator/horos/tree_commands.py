"""What the command about families does once it is connected."""

import time

from horos.errors import NotFoundError
from horos.options import Output
from horos.session import Session
from horos.terminal import Terminal
from horos.tree_tables import family, trees


async def show_tree(session: Session, agent: str | None, output: Output) -> None:
    """Print the families of the namespace, or one agent and its descendants; raises NotFoundError."""
    terminal = Terminal()
    found = await session.client.tree()
    if agent is not None:
        found = family(found, agent)
        if not found:
            raise NotFoundError(f"there is no agent {agent} in namespace {session.namespace}")
    if terminal.document(found, output):
        return
    if not found:
        terminal.note(f"no agents in namespace {session.namespace}")
    for each in trees(found, time.time()):
        terminal.table(each)
