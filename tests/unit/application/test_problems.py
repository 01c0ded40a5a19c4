"""Errors cross the wire and are the same on its other side."""

import inspect
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beeyard.application.problems import CLASSES, from_problem, to_problem
from beeyard.domain import errors
from beeyard.domain.errors import BeeyardError, Invalid, Limited, Problem

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, BeeyardError) and kind is not BeeyardError
]


@pytest.mark.parametrize("kind", KINDS)
def test_each_class_of_error_is_the_same_on_the_other_side(kind: type[BeeyardError]) -> None:
    """With its code, text, hint and what else it carries; a new class is in the table, or this fails."""
    more: dict[str, Any] = {"retry_after": 2.5} if issubclass(kind, Limited) else {}
    if issubclass(kind, Invalid):
        more["problems"] = [Problem("a.b", "1", "2", "f.yaml", 3, "hint")]
    error = kind("some_code", "a text with {braces}", braces="{braces}", hint="do this", **more)
    document = msgspec.json.decode(msgspec.json.encode(to_problem(error)))
    again = from_problem(document)
    assert CLASSES[document["type"]] is kind is type(again)
    assert (again.code, str(again), again.hint) == (error.code, str(error), error.hint)
    assert (document["status"], document["title"]) == (kind.http, "some code")
    for name in more:
        assert list(_list(getattr(again, name))) == list(_list(getattr(error, name)))


def _list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def test_a_bug_is_an_error_of_no_class() -> None:
    """It stays one on the other side."""
    again = from_problem(to_problem(BeeyardError("internal", "oh")))
    assert (type(again), again.code, str(again)) == (BeeyardError, "internal", "oh")


def test_names_that_are_no_unicode_can_be_told() -> None:
    """The kernel's file names are bytes."""
    document = to_problem(
        Invalid("c", "no {path}", path="/a\udcff", hint="\udcff", problems=[Problem("\ud800", "\ud800", "b")])
    )
    assert msgspec.json.decode(msgspec.json.encode(document))["detail"] == "no /a?"


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
documents = st.fixed_dictionaries(
    {"type": st.sampled_from([*CLASSES, "Else"]) | plain},
    optional=dict.fromkeys(("code", "title", "status", "detail", "hint", "problems", "retry_after"), plain),
)


@given(documents | plain)
@example({"type": "Limited", "retry_after": -1})
@example({"type": ["Invalid"]})
@example({"type": "Invalid", "problems": [{"path": 1}]})
def test_whatever_is_answered_is_some_error(document: Any) -> None:
    """What answers need not be a master."""
    error = from_problem(document)
    assert isinstance(error, BeeyardError)
    if isinstance(error, Limited):
        assert error.retry_after >= 0
