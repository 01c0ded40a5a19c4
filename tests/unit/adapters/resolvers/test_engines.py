"""Random worlds of packages: what our engine says is held against the plain rules, all ways, and another engine."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from beeyard.adapters.resolvers.pubgrub import PubgrubResolver
from beeyard.domain.errors import Refused
from beeyard.domain.packages import Dependency, Wanted
from beeyard.domain.resolution import Ask, Candidate, Question, Resolution
from tests.unit.adapters.resolvers.graphs import HOST
from tests.unit.adapters.resolvers.judge import faults, possible, unexplained
from tests.unit.adapters.resolvers.second import second

RANGES = st.sampled_from(["", "==1", "==2", "==3", ">=2", "<2", "<3", "!=2", ">=1,<3", ">3"])


@st.composite
def small(draw: st.DrawFn) -> Question:
    """Few packages in few versions, with all that can stand in a question; circles too."""
    names = ["a", "b", "c", "d"]
    dependencies = st.builds(Dependency, st.sampled_from([*names, "kernel"]), RANGES, st.booleans())
    offered = {
        name: tuple(
            Candidate(
                name,
                version,
                draw(st.sampled_from(["any", HOST, "any", "linux-aarch64"])),
                tuple(draw(st.lists(dependencies, max_size=3))),
                draw(st.sampled_from(["", "", "leaks"])),
            )
            for version in draw(st.sets(st.sampled_from("123")))
        )
        for name in names
    }
    have = [found for found in sum(offered.values(), ()) if found.platform in ("any", HOST)]
    installed = draw(st.lists(st.sampled_from(have), max_size=2)) if have else []
    return Question(
        tuple(
            draw(st.lists(st.builds(Ask, st.builds(Wanted, st.sampled_from(names), RANGES)), min_size=1, max_size=3))
        ),
        HOST,
        offered,
        installed={found.name: found for found in installed},
        locked=draw(st.dictionaries(st.sampled_from(names), st.sampled_from("123"), max_size=2)),
        facts={"kernel": draw(st.sampled_from(["", "2"]))},
        downgrades=draw(st.booleans()),
    )


@st.composite
def large(draw: st.DrawFn) -> Question:
    """More packages in more versions, many of which need the same as the one before, and only later packages."""
    offered: dict[str, tuple[Candidate, ...]] = {}
    for number in range(10):
        needs: tuple[Dependency, ...] = ()
        for version in "1234":
            if number < 9 and draw(st.booleans()):
                later = st.sampled_from([f"p{other}" for other in range(number + 1, 10)])
                needs = tuple(draw(st.lists(st.builds(Dependency, later, RANGES), max_size=2)))
            offered[f"p{number}"] = (
                *offered.get(f"p{number}", ()),
                Candidate(f"p{number}", version, dependencies=needs),
            )
    asks = st.builds(Ask, st.builds(Wanted, st.sampled_from(list(offered)), RANGES))
    return Question(tuple(draw(st.lists(asks, min_size=2, max_size=5))), HOST, offered)


def answer(question: Question) -> Resolution | None:
    """None: no versions fit together. These worlds are so small that few steps do."""
    try:
        return PubgrubResolver(steps=1000).resolve(question)
    except Refused as error:
        if error.code == "packages_conflict":
            return None
        raise


def versions(found: Resolution) -> dict[str, str]:
    """Without why."""
    return {name: choice.version for name, choice in found.items()}


@settings(max_examples=150, deadline=None)
@given(small())
def test_there_is_an_answer_exactly_if_one_of_all_ways_is_without_fault(question: Question) -> None:
    """And it is one of these, and each package in it is there for a reason that can be followed."""
    found = answer(question)
    assert (found is not None) == possible(question)
    if found is not None:
        assert list(faults(question, versions(found))) == []
        assert list(unexplained(question, found)) == []


@settings(max_examples=100, deadline=None)
@given(large())
def test_another_engine_finds_an_answer_when_ours_does(question: Question) -> None:
    """Which need not be the same; both are without fault."""
    found, other = answer(question), second(question)
    assert (found is None) == (other is None)
    if found is not None and other is not None:
        assert list(faults(question, versions(found))) == []
        assert list(faults(question, other)) == []


@settings(max_examples=100, deadline=None)
@given(small())
def test_what_was_chosen_is_chosen_again(question: Question) -> None:
    """Whether it is locked or installed since then."""
    found = answer(question)
    if found is not None:
        assert answer(structs.replace(question, locked=versions(found))) == found
        chosen = {
            name: next(one for one in question.offered[name] if one.version == choice.version)
            for name, choice in found.items()
        }
        assert answer(structs.replace(question, locked={}, installed=chosen)) == found
