"""The HTTP session with the API server."""

from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject


def rest_client(configuration: Configuration) -> Any:
    """Make the library's client. Raises ssl.SSLError and OSError when a certificate cannot be used.

    A proxy of the environment is looked up here, once: the library would do so, and read a .netrc, with each
    request, in two threads.
    """
    configuration.proxy = configuration.proxy or _proxy_to(configuration.host)
    configuration.client_session_kwargs = {"trust_env": False}
    return RESTClientObject(configuration)


def _proxy_to(url: str) -> str | None:
    server = urlsplit(url)
    return None if proxy_bypass(server.hostname or "") else getproxies().get(server.scheme)
