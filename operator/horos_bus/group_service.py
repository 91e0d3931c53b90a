"""Groups of agents on the bus: who belongs to them, and what is said there."""

from collections.abc import Mapping

from horos_api.mentions import Wake
from horos_bus.connection import Bus
from horos_bus.group_records import GroupPost, GroupView, NewPost, Posted


class GroupService:
    """The groups of one namespace. Every order may be repeated."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def put(self, group: str, uid: str, wake: Wake, retain: int, members: Mapping[str, str]) -> str:
        """Project a Group: OK, SAME, or EXISTS when another uid has the name (delete that first).

        `members` are names with the uid of the life that belongs to the group. Who is new reads what is
        posted from now on; who is missing has left. Of the messages the newest `retain` are kept.
        """
        raise NotImplementedError

    async def delete(self, group: str, uid: str) -> str:
        """End a group and drop all its keys: OK or GONE."""
        raise NotImplementedError

    async def groups(self) -> dict[str, str]:
        """All groups of the namespace: name to uid."""
        raise NotImplementedError

    async def view(self, group: str) -> GroupView | None:
        """Look at one group; None = the bus does not know it."""
        raise NotImplementedError

    async def post(self, post: NewPost) -> Posted:
        """Post from outside the bus, once for each `mid`; NOGROUP remembers nothing of it.

        Raises BusUnavailableError: then it is unknown whether it was accepted, and posting again is safe.
        """
        raise NotImplementedError

    async def read(
        self, group: str, after: str = "", count: int = 100, wait_seconds: float = 0.0
    ) -> list[GroupPost]:
        """Read the messages behind an id of the log ('' = from the oldest kept), the newest last.

        Waits so many seconds for the first one; empty when none came or there is no such group. Raises
        ValueError for something that is no id.
        """
        raise NotImplementedError
