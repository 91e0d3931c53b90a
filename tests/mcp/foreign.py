"""The servers that others wrote, from npm and PyPI, as tests/mcp/install.sh has installed them."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class ForeignServers:
    """How each is started."""

    folder: Path

    @classmethod
    def installed(cls) -> "ForeignServers":
        """Install what is missing; at once when nothing is."""
        done = subprocess.run([HERE / "install.sh"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"the MCP servers could not be installed:\n{done.stderr}"
        return cls(Path(done.stdout.splitlines()[-1]))

    def everything(self, transport: str = "stdio") -> tuple[str, ...]:
        """All abilities, over `stdio` or `streamableHttp` (then on the port in PORT)."""
        return self._npm("everything", transport)

    def filesystem(self, root: Path) -> tuple[str, ...]:
        """Reads and writes below `root`."""
        return self._npm("filesystem", str(root))

    def memory(self) -> tuple[str, ...]:
        """A graph of what was said, in the file MEMORY_FILE_PATH."""
        return self._npm("memory")

    def time(self) -> tuple[str, ...]:
        """Knows the time in each zone."""
        return (self._program("mcp-server-time"), "--local-timezone", "Europe/Berlin")

    def git(self, repository: Path) -> tuple[str, ...]:
        """Works on one repository."""
        return (self._program("mcp-server-git"), "--repository", str(repository))

    def _npm(self, name: str, *arguments: str) -> tuple[str, ...]:
        server = (
            self.folder / "node_modules" / "@modelcontextprotocol" / f"server-{name}" / "dist" / "index.js"
        )
        return (str(self.folder / "node"), str(server), *arguments)

    def _program(self, name: str) -> str:
        return str(self.folder / "venv" / "bin" / name)
