"""One Redis user for each namespace: the only credentials its agents have, good for its own keys alone."""

from enum import StrEnum
from typing import Final

from horos_api.names import key_prefix
from horos_bus.connection import Bus, BusError, NotPermittedError

_CONNECTION: Final = ("ping", "time", "evalsha", "script|load", "subscribe", "unsubscribe", "publish")
_STRINGS_AND_LISTS: Final = ("get", "set", "exists", "pexpire", "pttl", "lrange", "llen", "rpush", "ltrim")
_HASHES: Final = (
    *("hget", "hgetall", "hmget", "hkeys", "hvals", "hlen", "hstrlen"),
    *("hset", "hsetnx", "hincrby", "hdel"),
)
_SORTED_SETS: Final = ("zadd", "zrem", "zrange", "zscore", "zremrangebyscore", "zscan")
_STREAMS: Final = (
    "xadd",
    "xlen",
    "xrange",
    "xrevrange",
    "xread",
    "xreadgroup",
    "xgroup|setid",
    "xack",
    "xdel",
)
_SHARED_KEYS: Final = ("agents", "work", "dirty", "later", "doorbell", "crowded", "groups", "orders")
_PATTERNS: Final = ("", *_SHARED_KEYS, "a:*", "g:*", "r:*", "d:*")
"""Behind the prefix, itself the key that scripts declare. What only the operator writes is not here."""
COMMANDS: Final = (*_CONNECTION, *_STRINGS_AND_LISTS, *_HASHES, *_SORTED_SETS, *_STREAMS)
"""What the runtime and the scripts it calls need. Inside a script each command is checked again."""


class AclOutcome(StrEnum):
    """What became of a namespace's user."""

    CREATED = "CREATED"
    """It is there now, or has today's password and rights now."""
    SAME = "SAME"
    """It was there, like this."""
    NOT_ALLOWED = "NOT_ALLOWED"
    """These credentials may not make users; the namespace has to share them."""


def namespace_user_name(install: str, namespace: str) -> str:
    """Name the namespace's user; a namespace has no dots, so no two pairs share a name."""
    return f"horos.{install}.{namespace}"


async def ensure_namespace_user(bus: Bus, install: str, namespace: str, password: str) -> AclOutcome:
    """Make the user that can reach one namespace's keys and channels and nothing else; repeatable.

    `bus` is an administrator's. The user outlives a restart of a Redis that has an ACL file; connections
    that it has open stay. Raises BusUnavailableError, or BusError when the ACL file cannot be written.
    """
    name = namespace_user_name(install, namespace)
    prefix = key_prefix(install, namespace)
    keys = [f"~{prefix}{pattern}" for pattern in _PATTERNS]
    limits = ("reset", "on", f">{password}", *keys, "resetchannels", f"&{prefix}*")
    try:
        before = await bus.command("ACL", "GETUSER", name)
        await bus.command("ACL", "SETUSER", name, *limits, "-@all", *(f"+{command}" for command in COMMANDS))
        if await bus.command("ACL", "GETUSER", name) == before:
            return AclOutcome.SAME
        await _save(bus)
    except NotPermittedError:
        return AclOutcome.NOT_ALLOWED
    return AclOutcome.CREATED


async def _save(bus: Bus) -> None:
    try:
        await bus.command("ACL", "SAVE")
    except BusError as error:
        if "not configured to use an ACL file" not in str(error):
            raise
