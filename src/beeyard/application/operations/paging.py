"""One page of a list that may change between two pages."""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import TypeVar

T = TypeVar("T")


def page(rows: Iterable[T], key: Callable[[T], str], limit: int | None, after: str | None) -> list[T]:
    """At most `limit` rows, those behind `after`.

    Pages are in the order of their keys, so that it does not matter whether the row named by `after` is still there:
    what stays in the list all the while is seen once. Without `limit` and `after` the rows keep their own order.
    """
    if limit is None and after is None:
        return list(rows)
    keyed = sorted(((key(row), row) for row in rows), key=itemgetter(0))
    return [row for name, row in keyed if after is None or name > after][:limit]
