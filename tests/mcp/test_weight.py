"""What tool servers cost an agent: nothing when there are none, and no more with each than it must."""

import gc
import ssl
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.mcp.hands import hands
from tests.mcp.raw_http import RawHttp
from tests.model_fixtures import served
from tests.runtime.stage import Stage

LOADED = "sorted({name.partition('.')[0] for name in sys.modules} & {'mcp', 'mcp_types', 'httpx2'})"


def test_the_runtime_of_an_agent_without_servers_does_not_import_the_sdk() -> None:
    program = f"import sys, horos_runtime.__main__; print({LOADED})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_nor_do_its_turns(stage: Stage, tmp_path: Path) -> None:
    told = tmp_path / "loaded"
    program = (
        "import atexit, pathlib, runpy, sys\n"
        f"atexit.register(lambda: pathlib.Path({str(told)!r}).write_text(str('mcp' in sys.modules)))\n"
        "runpy.run_module('horos_runtime', run_name='__main__')\n"
    )
    await stage.agent()
    await stage.model.load({"text": "done"})
    async with stage.process("ada", "-c", program) as process:
        assert await stage.ask("go") == "done"
        process.terminate()
        await process.wait()
    assert told.read_text() == "False"


async def test_the_certificates_are_read_once_for_all_servers() -> None:
    """Reading them takes 20 to 80 ms in which the agent does nothing else, and a megabyte of memory."""
    with ExitStack() as stack:
        addresses = [stack.enter_context(served(RawHttp().app())) for _ in range(3)]
        places = {f"raw-{number}": f"{address}/mcp" for number, address in enumerate(addresses)}
        async with hands(**places):
            kept = sum(isinstance(each, ssl.SSLContext) for each in gc.get_objects())
            async with hands(**places):
                assert sum(isinstance(each, ssl.SSLContext) for each in gc.get_objects()) <= max(kept, 1)
