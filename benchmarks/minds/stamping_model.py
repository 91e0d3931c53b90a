"""The scripted model, whose placeholders become the time of sending.

`python -m benchmarks.minds.stamping_model FILE PORT`. The stamp is put in when the chunk has been made and is
about to be written to the socket.
"""

import sys
import time
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from horos_model.scripted import scripted_app
from horos_model.scripted_script import load_script

PLACEHOLDER = b"@" * 20


class Stamping:
    """Writes the time of sending over each placeholder; of the same length, as if it had been the text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stamped(message: Message) -> None:
            if PLACEHOLDER in message.get("body", b""):
                stamp = b"%020.9f" % time.perf_counter()
                message = {**message, "body": message["body"].replace(PLACEHOLDER, stamp)}
            await send(message)

        await self._app(scope, receive, stamped)


def main() -> None:
    file, port = sys.argv[1:]
    app = Stamping(scripted_app(load_script(Path(file))))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main()
