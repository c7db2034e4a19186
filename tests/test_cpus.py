from __future__ import annotations

import pytest

from splitter.cpus import cgroup_quota, usable_workers, worker_count


@pytest.mark.parametrize(
    ("cpus", "quota", "workers"),
    [(1, None, 1), (2, None, 2), (64, None, 4), (64, 2.0, 2), (64, 2.9, 2), (2, 8.0, 2), (8, 0.5, 1), (3, 3.0, 3)],
)
def test_workers_by_affinity_and_quota(cpus: int, quota: float | None, workers: int) -> None:
    assert worker_count(cpus, quota) == workers


V2 = {"/proc/self/cgroup": "0::/kube/pod\n"}
V1 = {"/proc/self/cgroup": "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n"}


def v1_files(group: str, quota: str) -> dict[str, str]:
    folder = f"/sys/fs/cgroup/{group}"
    return {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        (V2, None),
        (V2 | {"/sys/fs/cgroup/kube/pod/cpu.max": "150000 100000\n"}, 1.5),
        (V2 | {"/sys/fs/cgroup/kube/pod/cpu.max": "max 100000\n"}, None),
        # The group above is the tighter one.
        (V2 | {"/sys/fs/cgroup/kube/pod/cpu.max": "400000 100000\n", "/sys/fs/cgroup/kube/cpu.max": "200000 100000\n"}, 2.0),
        # In a container the path is the host's: only the root of the mount exists.
        (V2 | {"/sys/fs/cgroup/cpu.max": "300000 100000\n"}, 3.0),
        (V2 | {"/sys/fs/cgroup/cpu.max": "nonsense\n"}, None),
        (V1 | v1_files("cpu/docker/x", "-1"), None),
        (V1 | v1_files("cpu/docker/x", "50000"), 0.5),
        (V1 | v1_files("cpu,cpuacct", "250000"), 2.5),
        (V1 | v1_files("memory/docker/x", "50000"), None),
    ],
)
def test_the_tightest_quota_of_the_control_groups(files: dict[str, str], quota: float | None) -> None:
    assert cgroup_quota(files.get) == quota


def test_this_machine_has_an_answer() -> None:
    assert 1 <= usable_workers() <= 4
