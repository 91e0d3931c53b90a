"""The Secrets that the operator makes: Redis' password, the gateway's token, `horos-bus` per namespace."""

import asyncio
import contextlib
import logging
import secrets
from collections import defaultdict
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from horos_api.names import SECRET_BUS, SECRET_GATEWAY, SECRET_REDIS, key_prefix
from horos_bus.acl import AclOutcome, ensure_namespace_user, namespace_user_name
from horos_bus.connection import Bus
from horos_operator.cluster import Cluster, ClusterError, NameTakenError
from horos_operator.settings import Settings

TOKEN_BYTES = 32

log = logging.getLogger("horos.operator")


async def redis_url(cluster: Cluster, settings: Settings) -> str:
    """Make the release's Secrets where they are missing and return the URL that the operator uses.

    Raises ClusterError.
    """
    await _generated(cluster, settings.namespace, SECRET_GATEWAY, "token")
    if not settings.redis_bundled:
        return settings.redis_url
    password = await _generated(cluster, settings.namespace, SECRET_REDIS, "password")
    return with_credentials(settings.redis_url, "default", password)


async def _generated(cluster: Cluster, namespace: str, name: str, key: str) -> str:
    """Read a generated value, or generate it; whoever creates the Secret first is right."""
    found = await cluster.secret(namespace, name)
    if found is None:
        with contextlib.suppress(NameTakenError):
            await cluster.create_secret(namespace, name, {key: secrets.token_urlsafe(TOKEN_BYTES)})
        found = await cluster.secret(namespace, name) or {}
    if not found.get(key):
        raise ClusterError(f'Secret "{name}" in namespace {namespace} has no key "{key}": add it')
    return found[key]


class BusCredentials:
    """Gives each namespace its Redis user and its Secret `horos-bus`, and remembers which have them."""

    def __init__(self, cluster: Cluster, bus: Bus, settings: Settings, operator_url: str) -> None:
        self._cluster = cluster
        self._bus = bus
        self._settings = settings
        self._operator_url = operator_url
        self._shared: dict[str, bool] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def install(self) -> str:
        """The name of the installation, part of every key."""
        return self._settings.install

    def prepared(self, namespace: str) -> bool:
        """Whether the namespace has its credentials, as far as we remember."""
        return namespace in self._shared

    def shared(self, namespace: str) -> bool:
        """Whether its credentials are those of all namespaces, because Redis lets us make no users."""
        return self._shared.get(namespace, False)

    def forget(self) -> None:
        """Look again at every namespace: a Secret or a user may have been lost."""
        self._shared.clear()

    async def prepare(self, namespace: str, *, again: bool = False) -> None:
        """Make user and Secret where they are missing or differ, once, or `again` when they were lost.

        Raises ClusterError and BusError.
        """
        async with self._locks[namespace]:
            if namespace in self._shared and not again:
                return
            found = await self._cluster.secret(namespace, SECRET_BUS)
            user = namespace_user_name(self._settings.install, namespace)
            password = _password(found["url"], user) if found and "url" in found else ""
            password = password or secrets.token_urlsafe(TOKEN_BYTES)
            outcome = await ensure_namespace_user(self._bus, self._settings.install, namespace, password)
            shared = outcome is AclOutcome.NOT_ALLOWED
            url = self._agents_url() if shared else with_credentials(self._agents_url(), user, password)
            wanted = {"url": url, "prefix": key_prefix(self._settings.install, namespace)}
            if found is None:
                log.info("%s: making Secret %s (Redis user: %s)", namespace, SECRET_BUS, outcome)
                await self._cluster.create_secret(namespace, SECRET_BUS, wanted)
            elif dict(found) != wanted:
                log.info("%s: changing Secret %s (Redis user: %s)", namespace, SECRET_BUS, outcome)
                await self._cluster.change_secret(namespace, SECRET_BUS, wanted)
            self._shared[namespace] = shared

    def _agents_url(self) -> str:
        """The address that agents reach Redis at, with the operator's own credentials."""
        own = urlsplit(self._operator_url)
        return with_credentials(
            self._settings.agent_redis_url or self._operator_url,
            unquote(own.username or ""),
            unquote(own.password or ""),
        )


def with_credentials(url: str, user: str, password: str) -> str:
    """Put user and password into a URL, in place of any that it has; both empty leave none."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
    return urlunsplit(parts._replace(netloc=credentials + address))


def _password(url: str, user: str) -> str:
    """Read the password of this user out of a URL; empty when the URL is somebody else's."""
    parts = urlsplit(url)
    return unquote(parts.password or "") if unquote(parts.username or "") == user else ""
