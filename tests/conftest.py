"""What every test shares: real servers as fixtures, and a guard against talking to other machines."""

import gc
import ipaddress
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.redis_fixtures", "tests.model_fixtures"]

# How long an example takes says nothing on a machine that does other things as well.
settings.register_profile("horos", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("horos")


def _is_of_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in {"localhost", ""}


def _refuse_foreign_hosts(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and not _is_of_this_machine(str(address[0])):
        raise RuntimeError(f"a test may talk to this machine and the test cluster only, not to {address}")


# kind publishes the API server on loopback, and everything in the cluster is reached through it.
sys.addaudithook(_refuse_foreign_hosts)


@pytest.fixture(autouse=True, scope="module")
def what_is_left_open_is_found() -> Iterator[None]:
    """What a module leaves unclosed is told with its last test, and not with whichever comes by later."""
    yield
    gc.collect()
