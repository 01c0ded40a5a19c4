"""To which repository a package's name belongs."""

import pytest

from beeyard.domain.errors import Refused
from beeyard.domain.sources import RepositorySpec, bound, enough

OFFICIAL = RepositorySpec("official", url="https://packages.example.org", packages=("*",))
LOCAL = RepositorySpec("local", path="/srv/repository", packages=("dev-*", "caddy"))


@pytest.mark.parametrize(
    ("package", "repository"),
    [("caddy", "local"), ("dev-caddy", "local"), ("caddy-two", "official"), ("de", "official")],
)
def test_the_longest_prefix_binds(package: str, repository: str) -> None:
    """A whole name counts more than any beginning."""
    found = bound(package, [OFFICIAL, LOCAL])
    assert found is not None
    assert found.name == repository


def test_a_name_in_two_repositories_belongs_to_none() -> None:
    """Whoever publishes a higher version elsewhere gains nothing; the operator decides."""
    other = RepositorySpec("other", url="https://packages.example.com")
    with pytest.raises(Refused) as refused:
        bound("web", [OFFICIAL, other, LOCAL])
    assert str(refused.value) == "web could come from official and from other"
    found = bound("dev-web", [OFFICIAL, other, LOCAL])
    assert found is not None
    assert found.name == "local"


def test_a_name_that_nobody_may_have_comes_from_nowhere() -> None:
    """No fallback to whoever answers."""
    assert bound("web", [LOCAL]) is None
    assert bound("web", [RepositorySpec("none", packages=())]) is None
    assert bound("web", []) is None


def test_levels_of_trust_are_ordered() -> None:
    """A required one admits those above it."""
    assert enough("tuf", "signature")
    assert enough("none", "none")
    assert not enough("checksum", "signature")
