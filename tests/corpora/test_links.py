"""What a list says of its links is what the kernel makes of them."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies

from beeyard.domain.file_list import faults
from beeyard.domain.links import Links
from tests.corpora.tar import linked, listed

PARTS = strategies.sampled_from(["a", "b", "c", "d", "..", "..", ".", ""])
TARGETS = strategies.lists(PARTS, min_size=1, max_size=5).map("/".join).filter(bool)
LINKS = strategies.dictionaries(
    strategies.sampled_from(["a", "b", "c", "d/a", "d/b", "d/e/c"]), TARGETS, min_size=1, max_size=6
)
NOWHERE = {errno.ENOENT, errno.ENOTDIR}


def end_of(path: Path) -> Path | int:
    """Where the kernel ends, or the error with which it gives up."""
    try:
        found = os.open(path, os.O_PATH)
    except OSError as error:
        return error.errno or 0
    try:
        return Path(os.readlink(f"/proc/self/fd/{found}"))
    finally:
        os.close(found)


@settings(max_examples=400, deadline=None)
@given(LINKS)
def test_only_links_that_stay_within_pass(tmp_path_factory: pytest.TempPathFactory, links: dict[str, str]) -> None:
    """Made for real, one that passes ends at the very place that was said, or nowhere; no other ends in the tree."""
    root = tmp_path_factory.mktemp("links") / "deep" / "tree"
    (root / "d" / "e").mkdir(parents=True)
    files = sorted([listed("d/file"), *(linked(path, target) for path, target in links.items())], key=lambda e: e.path)
    wrong = {fault.path for fault in faults(files)}
    for path, target in links.items():
        os.symlink(target, root / path)
    for path in links:
        end = end_of(root / path)
        if path in wrong:
            assert isinstance(end, int) or not end.is_relative_to(root), (path, end)
        elif isinstance(end, int):
            assert end in NOWHERE, (path, errno.errorcode[end])
        else:
            assert end == root / (Links(links).end(path) or ""), path
