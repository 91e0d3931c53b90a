"""What can go wrong for a person at the command line, each kind with the exit code that it ends with.

HorosError
├── RefusedError        1  the agent or a server said no
├── UsageError          2  the command itself is wrong
├── NotFoundError       3  no such agent, namespace or release
├── CannotReachError    4  the cluster or the gateway does not answer
├── TimedOutError       5  no answer within --timeout
└── NotAllowedError     6  the credentials do not suffice
"""

from typing import ClassVar, Final

INTERRUPTED: Final = 130
"""The exit code after Ctrl-C, as shells expect it."""


class HorosError(Exception):
    """A failure told to a person: what happened and what to do. Never shown with a traceback."""

    exit_code: ClassVar[int] = 1


class RefusedError(HorosError):
    """A server or the agent said no; asking the same again gets the same answer."""


class UsageError(HorosError):
    """The command cannot be right, whatever the servers say."""

    exit_code = 2


class NotFoundError(HorosError):
    """What was named does not exist."""

    exit_code = 3


class CannotReachError(HorosError):
    """The cluster or the gateway does not answer, or the connection broke."""

    exit_code = 4


class TimedOutError(HorosError):
    """The agent did not answer in the time that --timeout gave it."""

    exit_code = 5


class NotAllowedError(HorosError):
    """The cluster or the gateway does not accept the credentials, or they may not do this."""

    exit_code = 6


EXIT_CODES: Final = """Exit codes: 0 done; 1 the agent or a server said no; 2 wrong usage; 3 not found;
4 cluster or gateway cannot be reached; 5 timed out; 6 not allowed; 130 interrupted."""
