"""autogen-core's gRPC host as a process: `python -m benchmarks.peers.autogen_host 127.0.0.1:port`."""

import asyncio
import sys

import uvloop
from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntimeHost


async def serve(address: str) -> None:
    GrpcWorkerAgentRuntimeHost(address=address).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
