"""The screen of `why`, word by word."""

import re
import time
from collections.abc import Callable, Iterator

import pytest

from beeyard.application.operations.why import WhyView
from beeyard.application.views import Coming, WorkerView
from beeyard.domain.curve import Sample
from beeyard.domain.messages import Exit, Usage
from beeyard.domain.refusals import REFUSALS, Refusal
from beeyard.domain.worker import Cause, Death
from beeyard.entrypoints.cli.sheet import Sheet
from beeyard.entrypoints.cli.strips import ASCII, BLOCKS
from beeyard.entrypoints.cli.why import Why
from beeyard.ports.store import StoryEntry

Make = Callable[..., WorkerView]
NOON = 1_700_049_600.0  # 2023-11-15 12:00:00 UTC
MB = 1024**2


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def death(attempt: int, at: float, **changes: object) -> Death:
    """An end by exit code 3."""
    fields: dict[str, object] = {
        "cause": Cause("exit", "exit code 3"),
        "exit": Exit(code=3, leftovers=2, usage=Usage(cpu=1.25, max_rss=412 * MB)),
        "uptime": 61.0,
        "was_ready": True,
        "decision": "restart in 4s (3 of 5 within 5m)",
        "pid": 4711,
        "lines": ("Traceback:", "\x1b[31mboom"),
        "usage": tuple(
            Sample(at - 60.0 + 5 * step, 0.01 * step if step else None, (10 + 36 * step) * MB) for step in range(12)
        ),
    }
    return Death(attempt=attempt, at=at, **{**fields, **changes})  # type: ignore[arg-type]


def leaking(worker: Make) -> WhyView:
    """One that grew until it ended, twice, and is started again in a moment."""
    samples = [Sample(NOON - 140 + 5 * n, 0.5, (20 + 30 * n) * MB) for n in range(12)]
    samples += [Sample(NOON - 74 + 5 * n, 0.25, (20 + 30 * n) * MB) for n in range(12)]
    view = worker(
        "job",
        state="backoff",
        ready=False,
        pid=None,
        since=None,
        attempt=3,
        restarts=1,
        retry_at=NOON + 3.24,
        exit="exit code 3",
        note="restart in 4s (3 of 5 within 5m)",
    )
    return WhyView(
        worker=view,
        deaths=[
            death(3, NOON - 14),
            death(2, NOON - 82, cause=Cause("signal", "SIGSEGV (core dumped)"), exit=Exit(signal=11, core=True)),
        ],
        story=[
            StoryEntry("job", NOON - 142, "stopped", "preparing", "up asked", 2, "root"),
            StoryEntry("job", NOON - 14, "running", "backoff", "ended: exit code 3", 3),
        ],
        waits_for="the delay after its last end",
        next=Coming("restart", NOON + 3.24),
        usage=samples,
        ends=[NOON - 82, NOON - 14],
    )


SCREEN = """\
job is in backoff, restart in 3.2s
  because   it ended by itself: exit code 3; restart in 4s (3 of 5 within 5m)
  attempt   3, 1 restart; wanted up: root asked 2m 22s ago
  memory    ▂▂▃▄▄▅▆▇█× ▁▂▃▄▄▅▆▆██×    20 to 350 MB
  CPU       █████████× ▅▅▅▅▅▅▅▅▅▅×    0.25 to 0.50 cores
            2m 20s ago           now  × it ended

Last death: attempt 3, 2023-11-15 11:59:46 (14s ago)
  cause     it ended by itself: exit code 3
  lived     pid 4711, 1m 1s, was ready; 1.2s of CPU, at most 412 MB of memory
  left over 2 processes of its tree, killed
  last 1m   memory ▁▂▃▄▄▅▆▆▇█ 10 to 406 MB, CPU ▁▂▃▃▄▅▆▆▇█ 0.01 to 0.11 cores
  decision  restart in 4s (3 of 5 within 5m)
  last lines
  | Traceback:
  | \\x1b[31mboom

Before that
  11:58:38  attempt 2  SIGSEGV (core dumped), not sent by Beeyard, after 1m 1s

Story
  11:57:38  stopped → preparing  up asked by root
  11:59:46  running → backoff    ended: exit code 3"""


def test_why_answers_on_one_screen(worker: Make) -> None:
    """What it is, what it used, how it died, what was decided, how it came so far."""
    assert Why(leaking(worker), Sheet(NOON, width=80), 24).text() == SCREEN


def test_without_a_terminal_there_is_no_limit(worker: Make) -> None:
    """A pipe gets all of it."""
    view = leaking(worker)
    view.deaths[0] = death(3, NOON - 14, lines=tuple("x" * 200 for _ in range(20)))
    assert Why(view, Sheet(NOON)).text().count("\n  | " + "x" * 200) == 20


@pytest.mark.parametrize("limit", [44, 60, 80, 120])
def test_nothing_passes_the_edge(worker: Make, limit: int) -> None:
    """Words are wrapped, lines cut, curves made smaller."""
    view = leaking(worker)
    view.trouble = "the store can't be written: " + "disk full " * 12
    view.deaths[0] = death(3, NOON - 14, lines=("x" * 200,))
    assert max(map(len, Why(view, Sheet(NOON, width=limit), 24).text().splitlines())) <= limit


def test_evidence_gives_way_to_the_height_of_the_terminal(worker: Make) -> None:
    """The newest lines stay, and one line is left for the prompt; who has a larger one sees more."""
    view = leaking(worker)
    view.deaths[0] = death(3, NOON - 14, lines=tuple(f"line {number}" for number in range(20)), exit=Exit(code=3))
    view.deaths += [death(number, NOON - 100, lines=()) for number in (1, 0)]
    view.story *= 4
    small, large = (Why(view, Sheet(NOON, width=80), height).text() for height in (24, 40))
    assert (small.count("\n") + 1, "| line 17\n" in small, "| line 18\n" in small) == (23, False, True)
    assert "  last lines (18 more before them)\n" in small
    assert (large.count("\n") + 1, "| line 9\n" in large) == (39, True)


def test_a_terminal_that_knows_only_ascii_gets_that(worker: Make) -> None:
    """The same screen in letters everybody has."""
    text = Why(leaking(worker), Sheet(NOON, width=80, letters=ASCII), 24).text()
    assert text.isascii()
    assert "  memory    ..:--=+*#x _.:--=++##x    20 to 350 MB\n" in text
    assert "  11:59:46  running -> backoff    ended: exit code 3" in text


def test_colours_are_the_only_thing_that_they_change(worker: Make) -> None:
    """The ends are red, and the text is the same."""
    coloured = Why(leaking(worker), Sheet(NOON, width=80, colour=True, letters=BLOCKS), 24).text()
    assert "\x1b[31m×\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9]*m", "", coloured) == SCREEN


def test_a_narrow_terminal_has_figures_where_no_curve_fits(worker: Make) -> None:
    """Rather none than one of three columns."""
    text = Why(leaking(worker), Sheet(NOON, width=36), 24).text()
    assert "  memory    20 to 350 MB\n  CPU       0.25 to 0.50 cores\n" in text


def test_why_of_one_that_never_ended(worker: Make) -> None:
    """There is nothing to explain, and it says so."""
    view = WhyView(worker("web", since=NOON - 3723, endpoints={"http": "http://127.0.0.1:1"}), [], [])
    view.usage = [Sample(NOON - 5, None, 5 * MB)]
    assert Why(view, Sheet(NOON)).text() == (
        "web is running, ready\n"
        "  attempt   1, pid 4711, up 1h 2m, 0 restarts; wanted up, as /etc/app/beeyard.yaml says\n"
        "  http      http://127.0.0.1:1\n"
        "  memory    █         5.0 MB, now 5.0 MB\n"
        "  CPU                 not known yet\n"
        "            5s ago\n"
        "\n"
        "It has not ended since it is here."
    )


def idle(worker: Make, state: str, **more: object) -> WorkerView:
    """One without process."""
    return worker("w", state=state, ready=False, pid=None, since=None, **more)


def test_why_of_one_that_waits_for_another(worker: Make) -> None:
    """Said once."""
    view = WhyView(idle(worker, "preparing", attempt=0, note="waits for db"), [], [], "db to be ready (it is failed)")
    assert Why(view, Sheet(NOON)).text() == (
        "w is preparing\n"
        "  waits for db to be ready (it is failed)\n"
        "  wanted    up, as /etc/app/beeyard.yaml says\n"
        "\n"
        "It was never started."
    )


def test_why_of_an_open_breaker_says_when_it_is_tried_again(worker: Make) -> None:
    """In the first line."""
    view = WhyView(idle(worker, "failed"), [], [], "the cool-down", Coming("one trial start", NOON + 290))
    text = Why(view, Sheet(NOON)).text()
    assert text.startswith("w has failed, one trial start in 4m 50s\n")
    assert "waits for" not in text
    view = WhyView(idle(worker, "failed"), [], [], "someone who starts it")
    assert "\n  waits for someone who starts it\n" in Why(view, Sheet(NOON)).text()


def test_why_of_what_an_operator_stopped_names_the_operator(worker: Make) -> None:
    """As the reason, in the wish, and in the death; one that was told before somebody asked is not laid on them."""
    story = [StoryEntry("w", NOON - 60, "running", "stopping", "down asked", 1, "eve (eve on box)")]
    dead = [death(2, NOON - 59, cause=Cause("operator")), death(1, NOON - 99, cause=Cause("operator"))]
    view = WhyView(idle(worker, "stopped", wanted="down", attempt=2, note="stays down, as asked"), dead, story)
    text = Why(view, Sheet(NOON)).text()
    assert "\n  because   eve (eve on box) asked for it; stays down, as asked\n" in text
    assert "; wanted down: eve (eve on box) asked 1m ago\n" in text
    assert "\n  cause     eve (eve on box) asked for it\n" in text
    assert "attempt 1  stopped because someone asked" in text


def test_why_of_one_on_standby_says_who_needs_it_when(worker: Make) -> None:
    """Its group; no operator, whatever one asked for before."""
    end = death(1, NOON - 5, cause=Cause("scaling"), exit=Exit(signal=15), decision="on standby")
    story = [
        StoryEntry("job", NOON - 60, "stopped", "preparing", "down asked", 1, "root"),
        StoryEntry("job", NOON - 5, "running", "stopping", "cpu 20 % of 70 %: 2 instances", 1, "scaling"),
    ]
    view = worker("job.3", state="standby", wanted="down", pid=None, since=None, note="on standby: 2 of 8 wanted")
    text = Why(WhyView(view, [end], story), Sheet(NOON)).text()
    assert text.startswith(
        "job.3 is standby\n"
        "  because   stopped because its group can do without it; on standby: 2 of 8 wanted\n"
        "  attempt   1, 0 restarts; wanted up, once its group needs it\n"
    )
    assert "running → stopping   cpu 20 % of 70 %: 2 instances by scaling" in text


def test_why_of_one_that_is_being_stopped_says_when_it_is_killed(worker: Make) -> None:
    """And what was tried."""
    story = [StoryEntry("w", NOON - 2, "running", "stopping", "down asked", 1, "root")]
    stopping = worker("w", state="stopping", ready=False, wanted="down", note="operator asked", since=NOON - 9)
    view = WhyView(stopping, [], story, "its end: SIGTERM was sent", Coming("kill", NOON + 8))
    assert (
        Why(view, Sheet(NOON))
        .text()
        .startswith("w is stopping, kill in 8s\n  because   root asked for it\n  waits for its end: SIGTERM was sent\n")
    )


def test_why_says_when_the_master_itself_is_in_trouble(worker: Make) -> None:
    """Above all else: it explains why nothing can be changed."""
    view = WhyView(worker("w"), [], [], trouble="the store can't be written: disk full")
    assert (
        "ready\n  trouble   the store can't be written: disk full; nothing can be changed until then\n"
        in Why(view, Sheet(NOON)).text()
    )


def test_what_is_known_of_an_end_beyond_its_code_is_said(worker: Make) -> None:
    """Once: what the cause has already is not repeated."""
    note = "out of fuel: it had 1000"
    deaths = [
        death(1, NOON, exit=Exit(134, note=note), cause=Cause("exit", "exit code 134")),
        death(1, NOON, exit=Exit(note=note), cause=Cause("unknown", f"end unknown: {note}")),
    ]
    texts = [Why(WhyView(worker("w"), [one], []), Sheet(NOON)).text() for one in deaths]
    assert f"\n  cause     it ended by itself: exit code 134\n  said      {note}\n" in texts[0]
    assert texts[1].count(note) == 1


def test_what_is_left_of_a_thread_in_the_master_is_no_process_that_was_killed(worker: Make) -> None:
    """Nobody can end a thread that is not to be waited for."""
    view = leaking(worker)
    view.deaths[0] = death(3, NOON - 14, pid=None, exit=Exit(signal=9, leftovers=1))
    assert "  left over 1 thread, left behind in the master\n" in Why(view, Sheet(NOON)).text()


def test_a_refused_launch_has_a_hint(worker: Make) -> None:
    """Below the cause; a kind of refusal that nobody knows has none."""
    known, unknown = REFUSALS["executable_not_found"], Refusal("refused")
    texts = [
        Why(
            WhyView(worker("w"), [death(1, NOON, cause=Cause("launch", "no", refusal=refusal))], []), Sheet(NOON)
        ).text()
        for refusal in (known, unknown)
    ]
    assert f"\n  cause     it could not be started: no\n  hint      {known.hint}\n" in texts[0]
    assert "hint" not in texts[1]


@pytest.mark.parametrize(
    ("kind", "detail", "words"),
    [
        ("launch", "no such file", "it could not be started: no such file"),
        ("probe", "liveness probe failed: refused", "ended by Beeyard: liveness probe failed: refused"),
        ("operator", "", "stopped because someone asked"),
        ("scaling", "", "stopped because its group can do without it"),
        ("respec", "", "stopped because its spec changed"),
        ("lifetime", "it had run for 1d", "ended by Beeyard: it had run for 1d"),
        ("idle", "it was idle for 30m", "ended by Beeyard: it was idle for 30m"),
        ("oom", "killed by the kernel: out of memory", "killed by the kernel: out of memory"),
        ("host", "the host restarted", "the host restarted"),
        ("unknown", "end unknown", "end unknown"),
    ],
)
def test_every_cause_has_words(worker: Make, kind: str, detail: str, words: str) -> None:
    """In the place where the eye looks first."""
    view = WhyView(worker("w"), [death(1, NOON, cause=Cause(kind, detail))], [])  # type: ignore[arg-type]
    assert f"\n  cause     {words}\n" in Why(view, Sheet(NOON)).text()
