"""Which of what a registry lists of an image count: of its tags, and of the images of an index. Asks nobody."""

from collections.abc import Iterable, Sequence

from beeyard.adapters.images.shapes import MANIFESTS, Descriptor, On
from beeyard.domain.packages import version

NEWEST = 100
"""Versions that are looked at: more are asked for by nobody, and registries count questions."""


def versions(tags: Sequence[str]) -> list[tuple[str, str]]:
    """Those tags that are versions, with the version, newest first; of `v1.2` and `1.2` the shorter."""
    found: dict[object, tuple[str, str]] = {}
    for tag in sorted(tags, key=len, reverse=True):
        text = tag.removeprefix("v")
        try:
            found[version(text)] = (text, tag)
        except ValueError:
            continue
    ranked = sorted(found.items(), key=lambda pair: pair[0], reverse=True)  # type: ignore[arg-type, return-value]
    return [pair for _, pair in ranked[:NEWEST]]


def plainest(manifests: Iterable[Descriptor]) -> list[tuple[On, Descriptor]]:
    """One for each platform: of several for one kind of machine that which the oldest of them runs. Attestations and
    the like are for none."""
    best: dict[str, tuple[On, Descriptor]] = {}
    for one in manifests:
        if (on := one.platform) is None or one.media_type not in MANIFESTS or on.os == "unknown":
            continue
        if on.platform not in best or on.variant < best[on.platform][0].variant:
            best[on.platform] = on, one
    return list(best.values())
