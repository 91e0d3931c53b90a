"""TLS towards models, the authorities to trust read when somebody connects: many agents never do."""

import ssl
import threading
from collections.abc import Iterable
from typing import Any

import httpx2


class LateTrust(ssl.SSLContext):
    """Trusts whom the HTTP client trusts; reading them takes a quarter as long as importing everything else.

    The client wraps connections through other contexts than `ssl.SSLContext` itself in a thread.
    """

    def __new__(cls) -> "LateTrust":
        """Make a context for clients."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._protocols: tuple[str, ...] = ()
        self._trusting: ssl.SSLContext | None = None

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Note what the client offers to speak."""
        self._protocols = tuple(alpn_protocols)

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:
        """Begin a connection; raises OSError when the authorities cannot be read."""
        with self._lock:
            if self._trusting is None:
                self._trusting = httpx2.create_ssl_context()
            self._trusting.set_alpn_protocols(self._protocols)
            return self._trusting.wrap_bio(*given, **named)
