"""A plan as people read it."""

from hypothesis import given
from hypothesis import strategies as st

from beeyard.domain.plan import Change, Difference, Plan, Stage
from beeyard.entrypoints.cli.plans import WIDE, told


def test_a_plan_begins_with_one_line_a_kind() -> None:
    """Kinds without workers are left out; one stage is no order."""
    plan = Plan(add=("a", "b"), restart=("c",), keep=("d",), order=(Stage("start", ("a", "b", "c")),))
    assert told(plan) == "add:       a, b\nrestart:   c\nunchanged: d"


def test_each_change_is_told_with_its_fields_and_then_the_order() -> None:
    """What the master itself changes stands by itself."""
    plan = Plan(
        restart=("b",),
        remove=("c",),
        changes=(
            Change(
                "b",
                "restart",
                "only a start takes execution.args",
                (
                    Difference("execution.args", '["a"]', '["b"]'),
                    Difference("execution.executable_path", "/" + "x" * 90 + "/1", "/" + "x" * 90 + "/2"),
                ),
            ),
        ),
        master=(Difference("master.listen", "nothing", "none"),),
        order=(Stage("stop", ("c",)), Stage("restart", ("b",)), Stage("remove", ("c",))),
    )
    assert told(plan).splitlines() == [
        "restart:   b",
        "remove:    c",
        "",
        "b is restarted: only a start takes execution.args",
        '  execution.args: ["a"] → ["b"]',
        "  execution.executable_path:",
        "    - …xxxxxxxxxxxxxxx/1",
        "    + …xxxxxxxxxxxxxxx/2",
        "",
        "the master itself changes",
        "  master.listen: nothing → none",
        "",
        "in this order:",
        "  1. stop     c",
        "  2. restart  b",
        "  3. remove   c",
    ]


names = st.lists(st.text("ab-", min_size=1, max_size=64), max_size=30).map(tuple)
texts = st.text(max_size=200)


@given(names, st.builds(Difference, field=st.text("a.", max_size=200), old=texts, new=texts))
def test_no_line_is_wider_than_80_columns(workers: tuple[str, ...], found: Difference) -> None:
    """Nor does a value move the cursor."""
    change = Change("w" * 64, "keep", "only how it is supervised changes", (found,))
    order = (Stage("adjust", workers), Stage("stop", workers))
    lines = told(Plan(add=workers, changes=(change,), order=order)).split("\n")
    assert [line for line in lines if len(line) > WIDE or not (line.isprintable() or "\t" in line)] == []
