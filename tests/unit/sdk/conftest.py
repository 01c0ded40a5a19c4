"""What all tests of the sdk have in common."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def nothing_is_told_later() -> Iterator[None]:
    """A task that failed and that nobody asked says so when it is collected, with a traceback: at the latest now.

    Python 3.11 breaks if that happens while it compiles something else (the parser is entered twice).
    """
    yield
    gc.collect()
