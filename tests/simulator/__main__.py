"""`python -m tests.simulator namespace…`: plays the agents of fake pods until it is told to end."""

import argparse
import asyncio
import contextlib
import signal

import uvloop

from horos_operator.kube.connection import KubeConnection
from tests.simulator.agent import Manner
from tests.simulator.kubelet import Simulator


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("namespaces", nargs="*", help="whose agents are played; without, all of them")
    parser.add_argument("--think", type=float, default=0.0, help="seconds that a turn takes")
    parser.add_argument("--redis", default="", help="host:port of Redis as it is reached from here")
    return parser.parse_args()


async def _play(given: argparse.Namespace) -> None:
    served = frozenset(given.namespaces)
    connection = await KubeConnection.open()
    simulator = Simulator(
        connection,
        Manner(think=given.think),
        serves=lambda namespace: not served or namespace in served,
        redis=given.redis,
    )
    playing = asyncio.ensure_future(simulator.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
    watching = asyncio.ensure_future(simulator.watching.wait())
    try:
        await asyncio.wait((playing, watching), return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            print("watching", flush=True)
        with contextlib.suppress(asyncio.CancelledError):
            await playing
    finally:
        await connection.aclose()


if __name__ == "__main__":
    uvloop.run(_play(_arguments()))
