"""The list of a cgroup's processes, as the kernel gives it."""

import os
from pathlib import Path

import pytest

from beeyard.adapters.providers.process import cgroups

PAGE = 4096


@pytest.mark.parametrize("count", [0, 1, 511, 512, 513, 5000])
def test_a_list_is_read_whole_though_the_kernel_gives_a_page_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """And cuts no number in two."""
    pids = list(range(1_000_000, 1_000_000 + count))
    (tmp_path / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
    real = os.read
    monkeypatch.setattr(os, "read", lambda fd, size: real(fd, min(size, PAGE - PAGE % 8)))
    assert cgroups.members(str(tmp_path)) == pids


def test_a_cgroup_that_is_gone_has_no_members(tmp_path: Path) -> None:
    """It may go at any moment."""
    assert cgroups.members(str(tmp_path / "gone")) == []
