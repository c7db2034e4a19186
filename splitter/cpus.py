"""How many CPUs this process may use: by affinity, and by the quota of its control group.

`os.cpu_count()` counts those of the machine; a container with a quota of two CPUs on a machine of 64 must not start 64 workers.
Standard library only, since `splitter serve` asks before it starts anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePosixPath

MOST_WORKERS = 4
"""More were never needed: one worker holds ten thousand requests a second."""

Read = Callable[[str], str | None]
"""The text of a file, or None where it cannot be read."""


def worker_count(cpus: int, quota: float | None) -> int:
    """Workers for so many CPUs by affinity and a quota in CPUs (None: no quota). At least 1, at most MOST_WORKERS."""
    usable = cpus if quota is None else min(cpus, int(quota))
    return max(1, min(usable, MOST_WORKERS))


def cgroup_quota(read: Read) -> float | None:
    """The tightest CPU quota above this process, in CPUs; None without one.

    `/proc/self/cgroup` has a line `0::/path` for version 2, and `4:cpu,cpuacct:/path` for version 1. A quota holds for everything
    below it, so every group from our own up to the root is looked at. Inside a container the path may be the host's and not exist:
    then the root of what is mounted is our own group, and it is looked at in any case.
    """
    quotas = []
    for line in (read("/proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            quotas += [_quota_v2(read, group) for group in _up(path)]
        elif "cpu" in controllers.split(","):
            quotas += [_quota_v1(read, mount + group) for mount in ("cpu", "cpu,cpuacct") for group in _up(path)]
    return min((quota for quota in quotas if quota is not None), default=None)


def usable_workers() -> int:
    """`worker_count` for this process."""
    return worker_count(len(os.sched_getaffinity(0)), cgroup_quota(_read))


def _up(path: str) -> list[str]:
    """`/a/b` gives `/a/b`, `/a` and the root as the empty string."""
    parts = PurePosixPath("/" + path.strip("/"))
    return ["" if str(group) == "/" else str(group) for group in (parts, *parts.parents)]


def _quota_v2(read: Read, group: str) -> float | None:
    """`cpu.max` is `QUOTA PERIOD` in microseconds, QUOTA may be `max`."""
    words = (read(f"/sys/fs/cgroup{group}/cpu.max") or "").split()
    return _cpus(words[0], words[1]) if len(words) == 2 else None


def _quota_v1(read: Read, group: str) -> float | None:
    """Two files; a quota of -1 means none."""
    quota = read(f"/sys/fs/cgroup/{group}/cpu.cfs_quota_us")
    period = read(f"/sys/fs/cgroup/{group}/cpu.cfs_period_us")
    return _cpus(quota, period) if quota is not None and period is not None else None


def _cpus(quota: str, period: str) -> float | None:
    try:
        share, whole = int(quota), int(period)
    except ValueError:
        return None
    return share / whole if share > 0 and whole > 0 else None


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except (OSError, ValueError):
        return None
