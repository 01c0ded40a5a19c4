"""Pages of a list that changes between them."""

from hypothesis import example, given
from hypothesis import strategies as st

from beeyard.application.operations.paging import page

names = st.text("abcdef.0123", min_size=1, max_size=3)


@given(st.sets(names, max_size=20), st.integers(1, 5), st.lists(st.tuples(st.booleans(), names), max_size=20))
@example({"a", "b", "c"}, 1, [(False, "a"), (False, "b")])
def test_what_is_there_all_the_while_is_seen_once(there: set[str], limit: int, changes: list[tuple[bool, str]]) -> None:
    """Whatever is added and removed between two pages, the last row seen among it."""
    rows, steady, left = list(there), set(there), list(changes)
    seen: list[str] = []
    after: str | None = None
    while found := page(rows, str, limit, after):
        assert len(found) <= limit
        seen += found
        after = found[-1]
        if left:
            adds, name = left.pop()
            if adds and name not in rows:
                rows.insert(len(rows) // 2, name)
            elif not adds and name in rows:
                rows.remove(name)
                steady.discard(name)
    assert len(seen) == len(set(seen))
    assert steady <= set(seen)


def test_the_whole_list_keeps_its_own_order() -> None:
    """Only pages are sorted."""
    assert page(["b", "a"], str, None, None) == ["b", "a"]
    assert page(["b", "a"], str, 5, None) == ["a", "b"]
