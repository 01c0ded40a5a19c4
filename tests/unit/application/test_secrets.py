"""What worker files say of secrets is saved, agrees between files, and is there as long as a worker needs it."""

import pytest

from beeyard.application.master import Master
from beeyard.application.operation import Caller
from beeyard.application.operations import OPERATIONS
from beeyard.application.operations.show import Show
from beeyard.domain.access import Grant
from beeyard.domain.errors import Invalid, Refused, Unavailable
from beeyard.domain.master import MasterSpec, SecretSource
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import ProbeSpec, WorkerSpec
from tests.fakes.world import World, spec

FILE, ENV = SecretSource(file="/db"), SecretSource(env="DB")


def using(id: str, *names: str, origin: str = "/a.yaml") -> WorkerSpec:
    """A worker that refers to these secrets."""
    return spec(id, run={"secrets": {f"V{number}": name for number, name in enumerate(names)}}, origin=origin)


async def apply(master: Master, *specs: WorkerSpec, origin: str = "/a.yaml", **sources: SecretSource) -> None:
    """Apply a file with these workers and secrets."""
    await master.apply(specs, origin, "me", MasterSpec(secrets=sources))


async def test_definitions_are_known_once_they_are_applied_and_to_the_next_master() -> None:
    """Of all files; the next one knows them before it launches anything."""
    world = World()
    async with world.running() as master:
        await apply(master, using("web", "db"), db=FILE)
        await apply(master, using("api", "db", "key", origin="/b.yaml"), origin="/b.yaml", key=ENV)
        assert world.secrets.sources == {"db": FILE, "key": ENV}
    world.secrets.define({})
    async with world.running():
        assert world.secrets.sources == {"db": FILE, "key": ENV}


async def test_they_are_saved_before_any_worker_that_needs_them() -> None:
    """A master that dies in between leaves no worker that can't be started."""
    world = World()
    async with world.running() as master:
        await apply(master, using("web", "db"), db=FILE)
    written = [(len(commit.documents), [put.worker.id for put in commit.puts]) for commit, _ in world.store.commits]
    assert written.index((1, [])) < written.index((0, ["web"]))
    assert all(durable for commit, durable in world.store.commits if commit.documents)


async def test_what_is_applied_again_is_not_written_again() -> None:
    """Nothing changed."""
    world = World()
    async with world.running() as master:
        await apply(master, using("web", "db"), db=FILE)
        written = len(world.store.commits)
        await apply(master, using("web", "db"), db=FILE)
        assert len(world.store.commits) == written


async def test_an_apply_that_says_nothing_of_the_master_leaves_them_alone() -> None:
    """Programs may send workers only."""
    world = World()
    async with world.running() as master:
        await apply(master, using("web", "db"), db=FILE)
        await master.apply([using("web", "db"), using("two", "db")], "/a.yaml")
        assert world.secrets.sources == {"db": FILE}


async def test_a_reference_to_nothing_is_refused_and_nothing_changes() -> None:
    """By apply and by add, with the nearest name and the place."""
    world, wrong = World(), using("web", "dbs")
    async with world.running() as master:
        await apply(master, db=FILE)
        for verb in ("apply", "add"):
            with pytest.raises(Invalid) as raised:
                await (apply(master, wrong, db=FILE) if verb == "apply" else master.add_workers([wrong]))
            assert [str(problem) for problem in raised.value.problems] == [
                "web.run.V0: found the secret 'dbs', expected one that a worker file names (did you mean 'db'?)"
            ]
        with pytest.raises(Invalid) as raised:
            await apply(master, using("web", "other"), key=ENV)
        assert raised.value.problems[0].hint == "`beeyard up` of the file that names it makes it known"
        assert (world.secrets.sources, list(master.supervisors)) == ({"db": FILE}, [])
        await master.add_workers([using("web", "db", origin="cli")])


async def test_a_definition_that_a_worker_still_needs_is_not_dropped() -> None:
    """Whoever put it there; it would fail at its next start, when nobody thinks of this any more."""
    world = World()
    async with world.running() as master:
        await apply(master, using("web", "db"), db=FILE, key=ENV)
        await master.add_workers([using("other", "key", origin="cli")])
        with pytest.raises(Refused) as raised:
            await apply(master, using("web", "db"), db=FILE)
        assert str(raised.value) == "the secret key can't be dropped: it is needed by other"
        assert world.secrets.sources == {"db": FILE, "key": ENV}
        with pytest.raises(Refused, match="db can't be dropped: it is needed by web"):
            await apply(master, using("web", "db"), key=ENV)
        await master.stop_worker("other")
        await master.until(lambda: master.ended(["other"]), None)
        await master.remove_worker("other")
        await apply(master, using("web", "db"), db=FILE)
        assert world.secrets.sources == {"db": FILE}


async def test_a_definition_goes_with_the_last_worker_that_needed_it() -> None:
    """In the same apply in which that worker changes or goes; until then it is there."""
    world = World()
    async with world.running() as master:
        await apply(master, using("web", "db"), using("old", "key"), db=FILE, key=ENV)
        await apply(master, using("web"))
        assert (world.secrets.sources, list(master.supervisors)) == ({}, ["web"])
        sizes = [len(commit.documents) for commit, _ in world.store.commits if commit.documents or commit.removed]
        assert sizes == [1, 0, 1], "dropped before the worker was gone"
        assert await world.store.documents("secrets") == []


async def test_a_definition_that_another_file_makes_as_well_may_be_dropped() -> None:
    """The name goes on."""
    world = World()
    async with world.running() as master:
        await apply(master, using("web", "db"), db=FILE)
        await apply(master, origin="/b.yaml", db=FILE)
        await apply(master, using("web", "db"))
        assert world.secrets.sources == {"db": FILE}


async def test_two_files_that_disagree_are_refused_by_name() -> None:
    """Both are named; what was there stays. One file may change its own mind."""
    world = World()
    async with world.running() as master:
        await apply(master, db=FILE)
        with pytest.raises(Refused) as raised:
            await apply(master, using("api", "db", origin="/b.yaml"), origin="/b.yaml", db=ENV)
        assert str(raised.value) == "/a.yaml takes the secret db from elsewhere than /b.yaml does"
        assert (world.secrets.sources, list(master.supervisors)) == ({"db": FILE}, [])
        await apply(master, db=ENV)
        assert world.secrets.sources == {"db": ENV}


@pytest.mark.parametrize(
    ("name", "source", "error"),
    [
        ("db", SecretSource(), "secrets.db: found no source, expected one of file, env or command"),
        ("db", SecretSource("/a", "A"), "secrets.db: found file and env, expected one of file, env or command"),
        ("db", SecretSource(file="a"), "secrets.db.file: found a relative path, expected an absolute one"),
        ("a.b", FILE, "secrets: found another name, expected 1 to 64 letters, digits, '_' or '-'"),
    ],
)
async def test_what_is_no_source_is_refused(name: str, source: SecretSource, error: str) -> None:
    """Programs send what no worker file could say."""
    world = World()
    async with world.running() as master:
        with pytest.raises(Invalid) as raised:
            await master.apply([], "/a.yaml", "me", MasterSpec(secrets={name: source}))
        assert str(raised.value) == error
        assert world.secrets.sources == {}


async def test_what_cannot_be_saved_changes_nothing() -> None:
    """Neither secrets nor workers."""
    world = World()
    async with world.running() as master:
        await apply(master, db=FILE)
        world.store.failing = "disk full"
        with pytest.raises(Unavailable):
            await apply(master, using("web", "db"), db=ENV)
        assert (world.secrets.sources, list(master.supervisors)) == ({"db": FILE}, [])
        world.store.failing = ""


async def test_plain_values_are_shown_to_those_alone_who_may_install() -> None:
    """Of an environment, of a probe's headers and of what a module is configured with; the names say enough."""
    world = World()
    probe = ProbeSpec("http", target="http://h/", headers={"Authorization": "hunter2"})
    run = {"environment": {"PASSWORD": "hunter2"}, "args": ["-x"]}
    module = ModuleSpec("echo:create", "/srv", {"password": "hunter2"})
    async with world.running(spec("web", run=run, probes={"readiness": probe}, module=module)) as master:
        for grant in (Grant("viewer"), Grant("operator"), Grant("admin")):
            [told] = await master.jobs.ask(OPERATIONS["show"], Show("web"), Caller("x", grant))
            assert told.spec.run == {"environment": {"PASSWORD": "[REDACTED]"}, "args": ["-x"]}
            assert told.spec.probes["readiness"].headers == {"Authorization": "[REDACTED]"}
            assert told.spec.module == ModuleSpec("echo:create", "/srv", {"password": "[REDACTED]"})
        [told] = await master.jobs.ask(OPERATIONS["show"], Show("web"), Caller("x", Grant("viewer", install=True)))
        assert (told.spec.run, told.spec.probes["readiness"], told.spec.module) == (run, probe, module)
