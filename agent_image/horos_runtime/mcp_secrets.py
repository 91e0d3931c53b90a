"""The Secrets that tool servers name, as files: read at each connect, since the kubelet renews them."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from horos_api.names import SECRETS_DIR, Env
from horos_api.tool_servers import ResolvedServer

OAUTH_KEYS: Final = ("clientId", "clientSecret")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


SHORTEST_HIDDEN: Final = 8
"""Shorter values are not hidden: they occur in texts by themselves."""


class Hiding:
    """Takes values of Secrets out of what people are told of a server, which may repeat what it was shown."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def add(self, values: Iterable[str]) -> None:
        """Hide these from now on, of a header with a scheme ("Bearer ...") what is behind it, too."""
        for value in values:
            parts = (value, value.rpartition(" ")[2])
            self._values.update(part for part in parts if len(part) >= SHORTEST_HIDDEN)

    def __call__(self, text: str) -> str:
        """Return the text without them."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, "[hidden]")
        return text


class SecretProblemError(Exception):
    """A Secret that a server names cannot be used; the message names it and the key."""


class SecretFiles:
    """Secrets as a pod mounts them: `<root>/<Secret>/<key>`."""

    def __init__(self, root: str | Path | None = None) -> None:
        self._root = Path(root or os.environ.get(Env.SECRETS_DIR) or SECRETS_DIR)

    def keys(self, secret: str) -> list[str]:
        """List the keys of a Secret; raises SecretProblemError when there are none."""
        try:
            found = sorted(
                path.name for path in (self._root / secret).iterdir() if not path.name.startswith("..")
            )
        except OSError:
            found = []
        if not found:
            raise SecretProblemError(f"Secret {secret!r} does not exist, or has no keys")
        return found

    def value(self, secret: str, key: str) -> str:
        """Read one key, without line ends at its end; raises SecretProblemError."""
        known = self.keys(secret)
        if key not in known:
            raise SecretProblemError(f"Secret {secret!r} has no key {key!r}; it has {', '.join(known)}")
        try:
            return (self._root / secret / key).read_bytes().decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SecretProblemError(f"Secret {secret!r}, key {key!r}: it cannot be read: {error}") from error

    def headers(self, server: ResolvedServer) -> dict[str, str]:
        """Read the headers that a server wants with each request; raises SecretProblemError."""
        if server.headers_secret_ref is None:
            return {}
        secret = server.headers_secret_ref.name
        headers = {key: self.value(secret, key) for key in self.keys(secret)}
        for key, value in headers.items():
            if not _HEADER_NAME.fullmatch(key):
                raise SecretProblemError(f"Secret {secret!r}: key {key!r} is not the name of a header")
            if not (value.isascii() and value.isprintable()):
                raise SecretProblemError(f"Secret {secret!r}, key {key!r}: expected one line of plain ASCII")
        return headers

    def client(self, server: ResolvedServer) -> dict[str, str] | None:
        """Read the OAuth client of a server; raises SecretProblemError."""
        if server.oauth_secret_ref is None:
            return None
        secret = server.oauth_secret_ref.name
        return {key: self.value(secret, key) for key in {*OAUTH_KEYS, *self.keys(secret)}}

    def environment(self, server: ResolvedServer) -> dict[str, str]:
        """Put together the environment of a stdio server: what its spec names and nothing else."""
        environment: dict[str, str] = {}
        for variable in server.env:
            if variable.value_from is None:
                environment[variable.name] = variable.value or ""
                continue
            ref = variable.value_from.secret_key_ref
            try:
                environment[variable.name] = self.value(ref.name, ref.key)
            except SecretProblemError as error:
                raise SecretProblemError(f"env {variable.name}: {error}") from error
        return environment
