"""Lists that are asked for again and again: an unchanged one is not sent twice, a changed one always is."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from beeyard.application.master import Master
from beeyard.domain.errors import BeeyardError
from beeyard.domain.messages import Exit
from beeyard.entrypoints.http.app import application
from tests.fakes.clock import settle
from tests.fakes.world import World, spec


class Asker:
    """One connection to a master's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers and document."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
        first, *rest = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        found = {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}
        body = await self._reader.readexactly(int(found.get("content-length", 0)))
        return int(first.split()[1]), found, json.loads(body) if body else None


@asynccontextmanager
async def asking(master: Master, folder: Path) -> AsyncIterator[Asker]:
    """The master's API on a socket."""
    runner = web.AppRunner(application(master), access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(folder / "s")).start()
    reader, writer = await asyncio.open_unix_connection(str(folder / "s"), limit=1 << 20)
    try:
        yield Asker(reader, writer)
    finally:
        writer.close()
        await runner.cleanup()


async def test_an_unchanged_list_is_not_sent_again(tmp_path: Path) -> None:
    """Nor is one read with another query; once anything changed, it is."""
    world = World()
    async with world.running(spec("web"), spec("db")) as master, asking(master, tmp_path) as asker:
        status, headers, rows = await asker.get("/v1/workers")
        assert (status, [row["id"] for row in rows]) == (200, ["web", "db"])
        status, again, nothing = await asker.get("/v1/workers", If_None_Match=headers["etag"])
        assert (status, again["etag"], nothing) == (304, headers["etag"], None)
        await master.stop_worker("web")
        status, changed, rows = await asker.get("/v1/workers", If_None_Match=headers["etag"])
        assert (status, rows[0]["wanted"]) == (200, "down")
        assert changed["etag"] != headers["etag"]


async def test_what_follows_the_cursor_of_a_list_completes_it(tmp_path: Path) -> None:
    """List, then follow: nothing that happens in between is missed, nor when the list was the same."""
    world = World()
    async with world.running(spec("web")) as master, asking(master, tmp_path) as asker:
        _, headers, _ = await asker.get("/v1/workers")
        _, same, _ = await asker.get("/v1/workers", If_None_Match=headers["etag"])
        assert same["beeyard-cursor"] == headers["beeyard-cursor"]
        await master.stop_worker("web")
        first, *_ = await anext(master.feed.read(headers["beeyard-cursor"]))
        assert (first.kind, first.worker, first.data.now.wanted) == ("worker", "web", "down")


async def test_setting_the_wall_clock_changes_the_list(tmp_path: Path) -> None:
    """Since when a worker runs is told by it."""
    world = World()
    async with world.running(spec("web")) as master, asking(master, tmp_path) as asker:
        _, headers, rows = await asker.get("/v1/workers")
        world.clock.jump_wall(100.0)
        status, _, later = await asker.get("/v1/workers", If_None_Match=headers["etag"])
        assert (status, later[0]["since"]) == (200, rows[0]["since"] + 100.0)


STEPS = ("start", "stop", "restart", "exit", "add", "remove", "lose", "find", "fail", "full", "free", "clock", "time")


@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(["web", "db", "new"])), max_size=25))
@settings(max_examples=60)
async def test_two_lists_that_differ_never_have_the_same_version(steps: list[tuple[str, str]]) -> None:
    """Whatever happens to workers and store, looked at after every turn of the loop; and what stands still keeps it."""
    world = World()
    seen: dict[int, list[Any]] = {}

    def look(master: Master) -> None:
        version = master.version
        rows = master.get_all_worker_states_with_diagnostics()
        assert seen.setdefault(version, rows) == rows

    async with world.running(spec("web"), spec("db", depends_on={"web": "ready"})) as master:
        for what, name in steps:
            task = asyncio.ensure_future(_happen(world, master, what, name))
            for _ in range(40):
                look(master)
                await asyncio.sleep(0)
            await settle()
            look(master)
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
            before = master.version
            await settle()
            assert master.version == before
        world.store.failing = ""


async def _happen(world: World, master: Master, what: str, name: str) -> None:
    try:
        match what:
            case "start":
                await master.start_worker(name)
            case "stop":
                await master.stop_worker(name)
            case "restart":
                await master.restart_worker(name)
            case "add":
                await master.add_worker(spec(name))
            case "remove":
                await master.remove_worker(name)
            case "exit":
                world.provider.exit(name, Exit(code=3))
            case "lose":
                world.provider.lose(name)
            case "find":
                world.provider.find(name)
            case "fail":
                world.provider.fail_next_launch(BeeyardError("x", "no"))
            case "full":
                world.store.failing = "disk full"
            case "free":
                world.store.failing = ""
            case "clock":
                world.clock.jump_wall(3600.0)
            case "time":
                await world.clock.run(2.0)
    except (BeeyardError, AssertionError, KeyError, ValueError, LookupError, StopIteration):
        pass  # It can't be done now: that changes nothing, which is looked at as well.
