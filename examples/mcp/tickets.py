"""A tool server of one's own: tickets that agents read freely and write when a person approves.

python tickets.py [PORT]: MCP over streamable HTTP at /mcp. Tickets live as long as the process.
"""

import sys
from typing import Literal

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel

READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, destructive_hint=False)

server = MCPServer("tickets", instructions="Tickets of the help desk.")


class Ticket(BaseModel):
    """What somebody asked for."""

    number: int
    title: str
    state: Literal["open", "closed"] = "open"
    comments: list[str] = []


tickets = {
    each.number: each
    for each in (
        Ticket(number=1, title="The printer on floor 3 prints stripes"),
        Ticket(number=2, title="A new keyboard for Bob"),
    )
}


def found(number: int) -> Ticket:
    """Return the ticket of this number. Of errors, a model reads the words of a ToolError only."""
    if number not in tickets:
        raise ToolError(f"there is no ticket {number}; there are {', '.join(map(str, tickets))}")
    return tickets[number]


@server.tool(annotations=READS)
def list_tickets(state: Literal["open", "closed", "all"] = "open") -> list[Ticket]:
    """List tickets: open ones, closed ones, or all."""
    return [each for each in tickets.values() if state in ("all", each.state)]


@server.tool(annotations=READS)
def read_ticket(number: int) -> Ticket:
    """Read one ticket with its comments."""
    return found(number)


@server.tool()
def write_comment(number: int, text: str) -> Ticket:
    """Add a comment to a ticket; everybody at the help desk sees it."""
    found(number).comments.append(text)
    return found(number)


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def write_state(number: int, state: Literal["open", "closed"]) -> Ticket:
    """Open or close a ticket."""
    found(number).state = state
    return found(number)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    server.run("streamable-http", host="0.0.0.0", port=port)
