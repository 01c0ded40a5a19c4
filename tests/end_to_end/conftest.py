"""A Beeyard for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.yard import Yard, yard


@pytest.fixture
def fresh_yard(tmp_path: Path) -> Iterator[Yard]:
    """In a folder of its own, with nothing in it."""
    with yard(tmp_path / "s") as made:
        yield made
