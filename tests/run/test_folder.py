"""The data folder: made where it can be, kept to one run, and told about where it cannot."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from horos.errors import RefusedError
from horos.local.folder import data_folder

HOLD = """
import sys, time
from pathlib import Path
from horos.local.folder import data_folder
with data_folder(Path(sys.argv[1])):
    print("holds", flush=True)
    time.sleep(600)
"""


@contextmanager
def another_run(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "holds\n"
        try:
            yield process
        finally:
            process.kill()


def test_it_is_made_for_this_person_alone(tmp_path: Path) -> None:
    with data_folder(tmp_path / "a" / ".horos") as folder:
        token = folder.token()
        folder.point_here("http://127.0.0.1:1", token)
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        for file in (folder.environment, folder.path / "token"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with data_folder(tmp_path / "a" / ".horos") as again:
        assert again.token() == token


def test_the_variables_are_those_of_the_other_commands(tmp_path: Path) -> None:
    with data_folder(tmp_path) as folder:
        folder.point_here("http://127.0.0.1:1", "a-token")
        shell = f". {folder.environment}; echo $HOROS_GATEWAY $HOROS_TOKEN"
        said = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
        assert said.stdout == "http://127.0.0.1:1 a-token\n"


def test_it_belongs_to_one_run_at_a_time(tmp_path: Path) -> None:
    with another_run(tmp_path) as other, pytest.raises(RefusedError) as refused, data_folder(tmp_path):
        pass
    assert str(refused.value) == (
        f"the data folder {tmp_path} is in use by another `horos run` (process {other.pid}); end that one,"
        " or choose another folder with --data"
    )


def test_the_folder_of_a_run_that_was_killed_is_free(tmp_path: Path) -> None:
    with another_run(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
        with data_folder(tmp_path):
            pass


def test_what_a_killed_run_left_behind_is_waited_for(tmp_path: Path) -> None:
    """A child of it that still writes there holds the lock, too."""
    with data_folder(tmp_path) as folder:
        pipe = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[folder.lock])
        os.pwrite(folder.lock, b"999999999\n", 0)  # no process has this number

    async def take() -> None:
        def taken() -> None:
            with data_folder(tmp_path):
                assert pipe.returncode is not None

        taking = asyncio.ensure_future(asyncio.to_thread(taken))
        await asyncio.to_thread(pipe.communicate, b"")
        await taking

    asyncio.run(take())


@pytest.mark.parametrize(
    ("folder", "why"),
    [("/sys/.horos", ""), ("/dev/null/.horos", "Not a directory"), ("/dev/null", "")],
)
def test_a_folder_that_cannot_be_written_is_named(folder: str, why: str) -> None:
    with pytest.raises(RefusedError) as refused, data_folder(Path(folder)):
        pass
    assert str(refused.value).startswith(f"the data folder {folder} cannot be written: {why}")
    assert str(refused.value).endswith("choose another one with --data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_without_write_access_the_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    folder = tmp_path / ".horos"
    os.seteuid(65534)
    try:
        with pytest.raises(RefusedError, match="cannot be written: Permission denied"), data_folder(folder):
            pass
    finally:
        os.seteuid(0)
