"""Who starts before whom."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beeyard.domain.errors import Invalid
from beeyard.domain.order import levels

names = st.sampled_from("abcdefghij")
graphs = st.dictionaries(names, st.lists(names | st.just("elsewhere"), max_size=4), max_size=10)


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, list[str]]:
    """Every worker needs only workers that come before it in some order, but stands anywhere in the mapping."""
    order = draw(st.permutations("abcdefghij"))
    needs = {name: draw(st.lists(st.sampled_from(order[:at]), max_size=4)) for at, name in enumerate(order) if at}
    needs[order[0]] = []
    return {name: needs[name] for name in draw(st.permutations("abcdefghij"))}


def test_what_needs_nothing_comes_first_and_the_rest_as_soon_as_it_can() -> None:
    """Workers of one level keep the order of the file."""
    depends = {"web": ["db", "cache"], "cache": [], "db": ["disk"], "disk": [], "log": []}
    assert levels(depends) == [["cache", "disk", "log"], ["db"], ["web"]]


def test_what_is_not_in_the_mapping_is_there_already() -> None:
    """A dependency on a worker of another file does not hold anything up."""
    assert levels({"web": ["elsewhere"]}) == [["web"]]
    assert levels({}) == []


@pytest.mark.parametrize(
    ("depends", "cycle"),
    [
        ({"a": ["a"]}, "a -> a"),
        ({"x": ["y"], "y": ["z"], "z": ["x"], "free": []}, "x -> y -> z -> x"),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, "b -> c -> b"),
    ],
)
def test_a_cycle_is_named(depends: dict[str, list[str]], cycle: str) -> None:
    """Only those that stand in the circle are named, not who waits for them."""
    with pytest.raises(Invalid) as caught:
        levels(depends)
    assert caught.value.code == "dependency_cycle"
    assert str(caught.value) == f"depends_on goes round in a circle: {cycle}"


@given(acyclic())
def test_every_need_comes_before_who_needs_it(depends: dict[str, list[str]]) -> None:
    """Each worker stands in exactly one level, directly after the last of its needs."""
    order = levels(depends)
    level = {name: at for at, group in enumerate(order) for name in group}
    assert sorted(name for group in order for name in group) == sorted(depends)
    for name, needs in depends.items():
        assert level[name] == max((level[need] + 1 for need in needs), default=0)


@given(graphs)
def test_either_all_are_placed_or_a_real_cycle_is_named(depends: dict[str, list[str]]) -> None:
    """Each worker in the named cycle really needs the next, and the last is the first."""
    try:
        order = levels(depends)
    except Invalid as error:
        cycle = str(error.fields["cycle"]).split(" -> ")
        assert len(cycle) > 1
        assert cycle[0] == cycle[-1]
        assert len(set(cycle)) == len(cycle) - 1
        for name, need in pairwise(cycle):
            assert need in depends[name]
    else:
        placed = set[str]()
        for group in order:
            for name in group:
                assert {need for need in depends[name] if need in depends} <= placed
            placed.update(group)
        assert placed == set(depends)
