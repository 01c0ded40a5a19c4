"""What comes from outside is of its type or refused, and everything wrong with it is told."""

import re
from typing import Annotated, Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Meta, Struct, field

from beeyard.domain.errors import Problem
from beeyard.domain.plain import MOST, SHOWN, Mismatch, read, shown
from beeyard.domain.spec import WorkerSpec

Small = Annotated[int, Meta(ge=0, le=9, description="a digit")]
Password = Annotated[str, Meta(max_length=3, extra={"hidden": True})]


class Inner(Struct):
    """Part of Outer."""

    size: Small = 0
    word: Literal["red", "green"] = "red"


class Outer(Struct):
    """What the cases are read as."""

    name: str
    parts: list[Inner] = field(default_factory=list)
    by_name: dict[Annotated[str, Meta(pattern="^[a-z]+$", description="lower case")], Inner] = field(
        default_factory=dict
    )
    limit: Small | None = None
    passwords: dict[str, Password] = field(default_factory=dict)


class Nothing(Struct, forbid_unknown_fields=True):
    """A request with nothing to say."""


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ([], ["$: found [], expected an object"]),
        ({}, ["name: found nothing, expected a value: it has no default"]),
        ({"name": 1}, ["name: found 1, expected text"]),
        ({"name": "a", "limit": 10}, ["limit: found 10, expected a digit"]),
        (
            {"name": "a", "parts": [{"size": 1}, {"size": "x", "sice": 2}, 5]},
            [
                "parts[1].sice: found an unknown key, expected a known key (did you mean size?)",
                'parts[1].size: found "x", expected a digit',
                "parts[2]: found 5, expected an object",
            ],
        ),
        (
            {"name": "a", "by_name": {"B c": {"word": "grean"}}},
            [
                'by_name."B c".word: found "grean", expected one of red, green (did you mean green?)',
                'by_name."B c": found "B c", expected lower case',
            ],
        ),
        ({"name": "a", "passwords": {"x": "secret"}}, ["passwords.x: found a value, expected text of length <= 3"]),
        ({"name": "a", "parts": None}, ["parts: found null, expected a list"]),
    ],
)
def test_each_thing_wrong_is_told_with_its_place(plain: Any, said: list[str]) -> None:
    """Not only the first one; what may be a password is not repeated."""
    with pytest.raises(Mismatch) as refused:
        read(plain, Outer)
    assert [str(problem).replace("`", "") for problem in refused.value.problems] == said


def test_a_request_without_fields_knows_no_key() -> None:
    """Also where there is nothing to look into."""
    assert read({}, Nothing) == Nothing()
    with pytest.raises(Mismatch) as refused:
        read({"x": 1}, Nothing, "there")
    assert [str(problem) for problem in refused.value.problems] == [
        "there.x: found an unknown key, expected a known key"
    ]


def test_text_spells_numbers_where_it_may() -> None:
    """As in a query, where all is text."""
    assert read({"name": "a", "limit": "7"}, Outer, strict=False).limit == 7
    with pytest.raises(Mismatch):
        read({"name": "a", "limit": "7"}, Outer)


def test_what_is_told_has_an_end() -> None:
    """However much is wrong, and however long it is."""
    with pytest.raises(Mismatch) as refused:
        read({"name": "a", **{f"key{number}{'x' * 9999}": 1 for number in range(1000)}}, Outer)
    assert len(refused.value.problems) == MOST
    assert max(len(problem.path) for problem in refused.value.problems) <= SHOWN
    assert len(shown("x" * 1000)) == SHOWN


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
near_specs = st.fixed_dictionaries(
    {"id": st.sampled_from(["web", "web.1", "../x", "", "web\n"]), "provider": st.just("process"), "run": anything},
    optional=dict.fromkeys(("depends_on", "endpoints", "probes", "restart", "stop", "logs", "origin", "x"), anything),
)


@given(near_specs | anything)
@example({"id": "web\n", "provider": "process", "run": {}})
@example({"id": "web", "provider": "process", "run": {}, "stop": [], "logs": {"max_size": 2**60}})
@example({"id": "web", "provider": "process", "run": {}, "restart": {"window": float("nan")}})
def test_whatever_comes_it_is_of_the_type_or_refused(plain: Any) -> None:
    """No other exception; and what is taken can be written and read again."""
    refused: list[Problem] = []
    try:
        spec = read(plain, WorkerSpec)
    except Mismatch as mismatch:
        refused = mismatch.problems
    else:
        assert set(plain) <= set(WorkerSpec.__struct_fields__)
        assert re.fullmatch(r"[A-Za-z0-9_-]+(\.[0-9]+)?", spec.id)
    assert refused or spec.id == plain["id"]
