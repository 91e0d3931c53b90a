"""What a process takes, by the kernel's accounting."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Taken:
    """Memory in MiB, now and at most, and processor seconds."""

    rss: float
    peak: float
    cpu: float


def taken(pid: int) -> Taken:
    """Look at one process; raises OSError when it is gone."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    rss, peak = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return Taken(round(rss, 1), round(peak, 1), (int(times[11]) + int(times[12])) / TICKS)
