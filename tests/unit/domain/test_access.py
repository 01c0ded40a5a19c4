"""Who may ask for what: roles, the right to install, scopes; and that a grant within another allows no more than it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beeyard.domain.access import EVERYTHING, ROLES, Grant, Need, Role, refusal

NAMES = ("web", "web.1", "web.2", "web.21", "db", "we")
ROLE = st.sampled_from(ROLES)
SCOPE = st.lists(st.sampled_from(NAMES), max_size=3).map(tuple)
GRANTS = st.builds(Grant, role=ROLE, install=st.booleans(), workers=SCOPE)
NEEDS = st.builds(
    Need,
    role=ROLE,
    install=st.booleans(),
    workers=st.none() | st.lists(st.sampled_from(NAMES), max_size=3),
    reads=st.booleans(),
)


@given(GRANTS, GRANTS, NEEDS)
def test_whoever_has_more_may_all_that_the_other_may(a: Grant, b: Grant, need: Need) -> None:
    """So that a token made by another never reaches further."""
    if a.within(b) and not refusal(a, need):
        assert not refusal(b, need)


@given(GRANTS, GRANTS, st.sampled_from(NAMES))
def test_whoever_has_more_sees_all_that_the_other_sees(a: Grant, b: Grant, name: str) -> None:
    """In lists as well as in requests."""
    if a.within(b) and a.sees(name):
        assert b.sees(name)


@given(GRANTS, GRANTS, GRANTS)
def test_within_is_an_order(a: Grant, b: Grant, c: Grant) -> None:
    """Everyone is within oneself and within everything, and no chain of makers leads out of it."""
    assert a.within(a)
    assert a.within(EVERYTHING)
    if a.within(b) and b.within(c):
        assert a.within(c)


@given(NEEDS)
def test_who_has_everything_is_refused_nothing(need: Need) -> None:
    """Root and the master's own user."""
    assert not refusal(EVERYTHING, need)


@given(GRANTS, NEEDS)
def test_what_is_granted_names_nothing_beyond_the_scope(grant: Grant, need: Need) -> None:
    """And a scope never reaches the master as a whole, but to look."""
    if not refusal(grant, need) and grant.workers:
        assert all(map(grant.sees, need.workers or ()))
        assert need.workers or need.reads
        assert need.workers is not None or need.role == "viewer"


@pytest.mark.parametrize(
    ("grant", "need", "why"),
    [
        (Grant(), Need("viewer"), ""),
        (Grant(), Need("operator"), "it takes the role operator, and this one is viewer"),
        (Grant("operator"), Need("admin"), "it takes the role admin, and this one is operator"),
        (Grant("admin"), Need("operator", install=True), "it takes the right to install"),
        (Grant("operator", workers=("web",)), Need("operator", workers=["web.1"], reads=False), ""),
        (Grant("operator", workers=("web",)), Need("operator", workers=["web", "webs"], reads=False), "it is about "
         "webs, and this only about web"),
        (Grant("operator", workers=("web.1",)), Need("operator", workers=["web"], reads=False), "it is about web, and "
         "this only about web.1"),
        (Grant("operator", workers=("web",)), Need("operator", workers=[], reads=False), "it names no worker, and this "
         "is only about web"),
        (Grant("admin", workers=("web",)), Need("admin", reads=False), "it is about the whole master, and this only "
         "about web"),
        (Grant(workers=("web",)), Need("viewer", workers=[]), ""),
    ],
)  # fmt: skip
def test_a_refusal_says_why(grant: Grant, need: Need, why: str) -> None:
    """In words for whoever asked."""
    assert refusal(grant, need) == why


@pytest.mark.parametrize("role", ROLES)
def test_nobody_gives_a_higher_role_than_they_have(role: Role) -> None:
    """Nor the right to install, nor a wider scope."""
    mine = Grant(role, workers=("web",))
    assert [Grant(other, workers=("web.1",)).within(mine) for other in ROLES] == [
        ROLES.index(other) <= ROLES.index(role) for other in ROLES
    ]
    assert not Grant(role, install=True, workers=("web",)).within(mine)
    assert not Grant(role).within(mine)
    assert not Grant(role, workers=("web", "db")).within(mine)
