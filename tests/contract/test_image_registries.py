"""Registries of images: who is shown what, whom we take at its word, and what its troubles mean."""

import base64
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from msgspec.structs import replace

from beeyard.adapters.images import asking
from beeyard.domain.errors import Limited, Rejected, Unavailable, Untrusted
from beeyard.domain.sources import Credentials
from tests import registries
from tests.certificates import Authority
from tests.package_benches import Oci
from tests.registries import basic

Secured = Callable[..., registries.Registry]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Oci]:
    """A registry of ours; Docker's config is somebody else's."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    made = Oci(tmp_path)
    yield made
    made.close()


async def test_without_the_password_nothing_is_told(bench: Oci) -> None:
    """The hint says where to look."""
    bench.image()
    for credentials in (Credentials(), Credentials(username="ann", password="wrong"), Credentials(token="wrong")):
        bench.spec = replace(bench.spec, credentials=credentials)
        with pytest.raises(Rejected, match="main does not let us"):
            await bench.offered()


async def test_what_docker_was_told_is_used(bench: Oci, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its config file, or by the program that this names; what the worker file says comes first."""
    bench.image()
    bench.spec = replace(bench.spec, credentials=Credentials())
    config = tmp_path / "docker" / "config.json"
    config.parent.mkdir()
    known = base64.b64encode(b"ann:open sesame").decode()
    config.write_text(json.dumps({"auths": {bench.host: {"auth": known}}}))
    assert len(await bench.offered()) == 1
    program = tmp_path / "docker-credential-ours"
    program.write_text(f"""#!/bin/sh
read host
[ "$host" = {bench.host} ] && echo '{{"Username": "ann", "Secret": "open sesame"}}'
""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    config.write_text(json.dumps({"credHelpers": {bench.host: "ours"}}))
    assert len(await bench.offered()) == 1
    config.write_text("{")
    with pytest.raises(Unavailable, match="credentials for images can't be had"):
        await bench.offered()


def tokens(registry: registries.Registry, realm: str, service: registries.Registry) -> None:
    """`registry` wants tokens that `service` gives to who shows the password."""

    def guarded(request: Any) -> bool:
        if request.command not in ("GET", "HEAD") or request.headers.get("Authorization") == "Bearer let-in":
            return False
        scope = 'service="here",scope="repository:team/hello:pull"'
        request.reply(401, WWW_Authenticate=f'Bearer realm="{realm}/token",{scope}')
        return True

    def give(request: Any) -> bool:
        if not request.path.startswith("/token"):
            return guarded(request) if service is registry else False
        shown = request.headers.get("Authorization") == basic()
        request.reply(200 if shown else 401, json.dumps({"token": "let-in"}).encode())
        return True

    registry.login = service.login = ""
    registry.answer = guarded
    service.answer = give


async def test_a_token_is_fetched_with_the_password(bench: Oci) -> None:
    """Once; it is shown for manifests and layers, and the password to nobody but who gives it."""
    bench.image()
    tokens(bench.registry, bench.registry.url, bench.registry)
    bench.registry.asked.clear()
    assert (await bench.pulled()).manifest.version == "1.0"
    asked = bench.registry.asked
    assert [one.path.partition("?")[0] for one in asked if one.headers.get("Authorization") == basic()] == ["/token"]
    assert [one for one in asked if "/blobs/" in one.path and one.headers.get("Authorization") != "Bearer let-in"] == []


async def test_no_password_goes_to_another_place_at_the_word_of_an_unproven_registry(bench: Oci) -> None:
    """Whoever sits between us and a registry without TLS could send us anywhere."""
    bench.image()
    elsewhere = registries.Registry()
    try:
        tokens(bench.registry, elsewhere.url, elsewhere)
        with pytest.raises(Rejected):
            await bench.offered()
        assert [one.headers.get("Authorization") for one in elsewhere.asked] == [None]
    finally:
        elsewhere.close()


async def test_blobs_may_lie_elsewhere_and_nothing_is_shown_there(bench: Oci) -> None:
    """A redirect is followed without what belongs to the registry."""
    bench.image()
    elsewhere = registries.Registry()
    elsewhere.blobs = bench.registry.blobs

    def onward(request: Any) -> bool:
        if "/blobs/" in request.path and request.command in ("GET", "HEAD"):
            request.reply(307, Location=f"{elsewhere.url}{request.path}")
            return True
        return False

    bench.registry.answer = onward
    try:
        await bench.pulled()
        assert len(elsewhere.asked) >= 2  # config and layer
        assert {one.headers.get("Authorization") for one in elsewhere.asked} == {None}
    finally:
        elsewhere.close()


async def test_a_registry_that_wants_to_be_left_alone_is(bench: Oci) -> None:
    """For as long as it says."""

    def busy(request: Any) -> bool:
        request.reply(429, Retry_After="7")
        return True

    bench.registry.answer = busy
    with pytest.raises(Limited) as limited:
        await bench.offered()
    assert limited.value.retry_after == 7.0


@pytest.mark.parametrize("identity", ["a-refresh-token", ""])
async def test_a_token_of_ones_own_is_changed_for_one_that_lets_in(bench: Oci, tmp_path: Path, identity: str) -> None:
    """Registries of clouds have such in Docker's config, in place of a password; it goes nowhere but to the realm."""
    bench.image()
    bench.spec = replace(bench.spec, credentials=Credentials())
    entry = {"auth": base64.b64encode(b"00000000-0000:").decode(), "identitytoken": identity}
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {bench.host: entry}}))
    came: list[dict[str, list[str]]] = []

    def guarded(request: Any) -> bool:
        if request.path.partition("?")[0] == "/token":
            form = request.rfile.read(int(request.headers.get("Content-Length", 0))).decode()
            came.append(parse_qs(form))
            known = "a-refresh-token" in form
            request.reply(200 if known else 401, json.dumps({"access_token": "let-in"}).encode())
        elif request.headers.get("Authorization") != "Bearer let-in":
            request.reply(401, WWW_Authenticate=f'Bearer realm="{bench.registry.url}/token",service="here"')
        else:
            return False
        return True

    bench.registry.login, bench.registry.answer = "", guarded
    if not identity:
        with pytest.raises(Rejected, match="does not let us read"):
            await bench.offered()
        return
    assert len(await bench.offered()) == 1
    scope = {"service": ["here"], "scope": ["repository:team/hello:pull"]}
    about = {"grant_type": ["refresh_token"], "refresh_token": [identity], "client_id": ["beeyard"]}
    assert came == [scope | about]
    assert identity not in "".join(f"{one.path}{one.headers}" for one in bench.registry.asked)


# --- by https ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """One that this system trusts."""
    made = Authority(tmp_path, "ours")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


@pytest.fixture
def secured(bench: Oci, authority: Authority) -> Iterator[Secured]:
    """Makes registries that speak https and have what the bench's has; the first one takes its place."""
    made: list[registries.Registry] = []

    def start(clients: Authority | None = None) -> registries.Registry:
        one = registries.Registry(authority.server(f"server-{len(made)}", clients))
        one.blobs, one.manifests, one.login = bench.registry.blobs, bench.registry.manifests, bench.login
        if not made:
            bench.spec = replace(bench.spec, url=f"{one.url}/team")
        made.append(one)
        return one

    yield start
    for one in made:
        one.close()


async def test_a_registry_of_an_authority_of_ones_own(
    bench: Oci, secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it comes where the system trusts that; where not, the registry does not even see who asks."""
    bench.image()
    registry = secured()
    assert (await bench.pulled()).manifest.version == "1.0"
    registry.asked.clear()
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Untrusted, match="can't prove who it is"):
        await bench.offered()
    assert registry.asked == []


async def test_a_registry_that_wants_a_certificate_gets_it(bench: Oci, secured: Secured, tmp_path: Path) -> None:
    """For what it says and for layers; without one it hangs up."""
    bench.image()
    clients = Authority(tmp_path, "clients")
    secured(clients)
    with pytest.raises(Unavailable, match="it broke the connection off") as caught:
        await bench.offered()
    assert "does it want a client certificate" in caught.value.hint
    file, key = clients.issue("ann")
    shown = replace(bench.spec.credentials, certificate=str(file), key=str(key))
    bench.spec = replace(bench.spec, credentials=shown)
    assert (await bench.pulled()).manifest.version == "1.0"


async def test_a_password_goes_to_another_place_where_both_prove_who_they_are(bench: Oci, secured: Secured) -> None:
    """Docker's own registry has its tokens at another host. Layers show the token only, to the registry only."""
    bench.image()
    registry, tokener = secured(), secured()
    tokens(registry, tokener.url, tokener)
    assert (await bench.pulled()).manifest.version == "1.0"
    assert {one.headers.get("Authorization") for one in tokener.asked} == {basic()}
    assert {one.headers.get("Authorization") for one in registry.asked} == {None, "Bearer let-in"}


async def test_whoever_gives_tokens_can_send_the_password_nowhere(bench: Oci, secured: Secured) -> None:
    """A redirect to a third place is followed, and nothing is shown there."""
    bench.image()
    registry, tokener, third = secured(), secured(), secured()
    tokens(registry, tokener.url, tokener)

    def onward(request: Any) -> bool:
        request.reply(307, Location=f"{third.url}{request.path}")
        return True

    tokener.answer = onward
    third.login = "never"
    with pytest.raises(Rejected):
        await bench.offered()
    assert [one.headers.get("Authorization") for one in third.asked] == [None]


async def test_no_token_is_fetched_without_https_for_a_registry_with_it(bench: Oci, secured: Secured) -> None:
    """Who listens there would have it."""
    bench.image()
    registry = secured()
    tokens(registry, bench.registry.url, bench.registry)
    with pytest.raises(Rejected, match="for a token to what is not safe to follow"):
        await bench.offered()
    assert [one for one in bench.registry.asked if one.path.startswith("/token")] == []


async def test_a_registry_that_sends_us_away_from_https_is_not_followed(bench: Oci, secured: Secured) -> None:
    """Neither for what it says nor for layers."""
    bench.image()
    registry = secured()

    def onward(request: Any) -> bool:
        if request.headers.get("Authorization") != basic():
            return False
        request.reply(307, Location=f"{bench.registry.url}{request.path}")
        return True

    registry.answer = onward
    bench.registry.asked.clear()
    with pytest.raises(Unavailable, match="not safe to follow"):
        await bench.offered()
    assert bench.registry.asked == []


# --- troubles ---------------------------------------------------------------------------------------------------------


def troubled(bench: Oci, answers: list[int]) -> None:
    """It answers so for a while; 0: it breaks the connection off."""

    def answer(request: Any) -> bool:
        if not answers:
            return False
        status = answers.pop(0)
        if status:
            request.reply(status)
        request.close_connection = True
        return True

    bench.registry.answer = answer


async def test_troubles_that_go_by_are_borne(bench: Oci, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is restarted, a connection that breaks off."""
    monkeypatch.setattr(asking, "PAUSE", 0.0)
    bench.image()
    troubled(bench, [503, 0])
    assert len(await bench.offered()) == 1


@pytest.mark.parametrize(("status", "seen"), [(503, "it answered 503"), (0, "it broke the connection off")])
async def test_troubles_that_stay_are_told(bench: Oci, monkeypatch: pytest.MonkeyPatch, status: int, seen: str) -> None:
    """After as many tries as one question gets."""
    monkeypatch.setattr(asking, "PAUSE", 0.0)
    bench.image()
    bench.registry.asked.clear()
    troubled(bench, [status] * 100)
    with pytest.raises(Unavailable, match=f"/v2/team/hello/tags/list can't be had: {seen}"):
        await bench.offered()
    assert len(bench.registry.asked) >= asking.TRIES  # The library asks once more where a connection breaks off.


async def test_what_a_registry_forbids_is_not_asked_for_again(bench: Oci) -> None:
    """It knows who asks, and says no."""
    bench.image()
    bench.registry.asked.clear()
    troubled(bench, [403] * 100)
    with pytest.raises(Rejected, match="main does not let us read /v2/team/hello/tags/list: it answered 403"):
        await bench.offered()
    assert len(bench.registry.asked) == 1


async def test_an_image_that_a_registry_does_not_have_has_no_versions(bench: Oci) -> None:
    """Nor is it an error: another repository may have it."""
    assert await bench.offered("nobody") == []
