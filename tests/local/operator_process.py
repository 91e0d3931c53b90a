"""A LocalOperator as a process of its own, for tests that kill it: `python -m tests.local.operator_process`.

Reads one line of JSON from stdin (folder, Redis, install, model's address, documents), says `there` when the
documents are stored, and goes on until it is killed or its stdin ends.
"""

import asyncio
import json
import sys
from pathlib import Path

from horos_operator.local.operator import LocalOperator, local_settings


async def main() -> None:
    asked = json.loads(sys.stdin.readline())
    model = {"model_name": "scripted", "model_base_url": asked["model"]}
    settings = local_settings(asked["redis"], install=asked["install"], **model)
    async with LocalOperator(settings, Path(asked["folder"])) as operator:
        await operator.apply(asked["documents"])
        print("there", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
