"""Threads that belong to an attempt: what they say, what they use, and how they end."""

import contextlib
import io
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from beeyard.adapters.apartments import apartment
from beeyard.adapters.apartments.apartment import Apartment
from beeyard.adapters.apartments.outlets import Outlet
from beeyard.adapters.apartments.tenant import Tenant
from beeyard.domain.messages import Exit

_THREAD_START = threading.Thread.start
"""As it was when this file was read."""
PATIENCE = 30.0
"""Seconds until something that must happen is taken not to."""


class Home:
    """An apartment whose two pipes are read by the test."""

    def __init__(self, folder: Path) -> None:
        self.pipes: dict[str, int] = {}
        for name in ("stdout", "stderr"):
            os.mkfifo(folder / name)
            self.pipes[name] = os.open(folder / name, os.O_RDWR | os.O_NONBLOCK)
        self.folder = folder
        self.uncaught: list[tuple[str, str]] = []
        self.told: list[str] = []
        self.exits: list[Exit] = []
        self.tenant = self.lodge()

    def lodge(self) -> Tenant:
        """A new tenant."""
        out, err = (Outlet(str(self.folder / name)) for name in ("stdout", "stderr"))
        lines = logging.Formatter("%(levelname)s %(message)s")
        return Tenant("w", out, err, lines, lambda error, where: self.uncaught.append((repr(error), where)))

    def move_in(self, work: Callable[[], object]) -> Apartment:
        """Begin this as an attempt that ends well."""

        def done() -> Exit:
            work()
            return Exit(0)

        made = Apartment(self.tenant, done, self.told.append, self.exits.append)
        made.start()
        return made

    def live(self, work: Callable[[], object]) -> Exit:
        """The same, to its end."""
        made = self.move_in(work)
        made.join(PATIENCE)
        assert not made.alive()
        return self.exits[-1]

    def said(self, stream: str = "stdout") -> list[str]:
        """What came through a pipe since it was last read."""
        try:
            return os.read(self.pipes[stream], 65536).decode().splitlines()
        except BlockingIOError:
            return []


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """One apartment's surroundings."""
    made = Home(tmp_path)
    yield made
    for fd in made.pipes.values():
        os.close(fd)


def in_a_thread(work: Callable[[], object], **options: object) -> threading.Thread:
    """Started by who calls."""
    made = threading.Thread(target=work, **options)  # type: ignore[arg-type]
    made.start()
    return made


def test_what_it_prints_and_logs_is_its_own(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """Also in threads that it starts, and in those that these start; nothing of it goes where the others' goes."""

    def work() -> None:
        print("first")
        in_a_thread(lambda: in_a_thread(lambda: print("third")).join()).join()
        with ThreadPoolExecutor() as pool:
            pool.submit(print, "fourth").result()
        print("to stderr", file=sys.stderr)
        home.tenant.logger.info("logged")

    assert home.live(work) == Exit(0)
    print("nobody's")
    assert home.said() == ["first", "third", "fourth"]
    assert home.said("stderr") == ["to stderr", "INFO logged"]
    assert capsys.readouterr() == ("nobody's\n", "")


def test_what_a_library_logs_goes_to_the_log_of_who_called_it(home: Home) -> None:
    """The handlers of the root logger are not asked."""
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        home.live(lambda: logging.getLogger("library").warning("within"))
        logging.getLogger("library").warning("outside")
    finally:
        root.removeHandler(handler)
    assert (heard, home.said("stderr")) == (["outside"], ["WARNING within"])


def test_what_a_library_logs_is_its_own_where_nobody_set_logging_up(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a program with a master of its own that has no handlers."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    home.live(lambda: logging.getLogger("library").warning("within"))
    assert (home.said("stderr"), capsys.readouterr().err) == (["WARNING within"], "")


@pytest.mark.parametrize("wraps", [True, False], ids=["around ours", "in the place of ours"])
def test_who_else_watches_how_threads_start_goes_on_with_it(
    home: Home, monkeypatch: pytest.MonkeyPatch, wraps: bool
) -> None:
    """Profilers and tracers do; and a thread is its starter's, and is counted, once all the same."""
    home.live(int)
    before = threading.Thread.start if wraps else _THREAD_START
    started: list[str] = []

    def theirs(self: threading.Thread) -> None:
        started.append(self.name)
        before(self)

    monkeypatch.setattr(threading.Thread, "start", theirs)
    home.tenant = home.lodge()

    def work() -> None:
        in_a_thread(lambda: print("within"), name="inner").join()
        in_a_thread(lambda: 1 // 0, name="odd").join()

    home.live(work)
    assert (started, home.said()) == (["w", "inner", "odd"], ["within"])
    assert [where for _, where in home.uncaught] == ["the thread odd"]


def test_streams_that_are_put_in_the_place_of_ours_are_given_back(home: Home) -> None:
    """By what takes them for a while; and who comes meanwhile writes to its own log."""
    home.live(int)
    before = sys.stdout
    with contextlib.redirect_stdout(io.StringIO()) as taken:
        home.tenant = home.lodge()
        home.live(lambda: print("within"))
        print("nobody's")
    assert sys.stdout is before
    assert (home.said(), taken.getvalue()) == (["within"], "nobody's\n")


def test_an_error_in_one_of_its_threads_is_told_and_ends_nothing_else(home: Home) -> None:
    """sys.exit in a thread ends that thread, as it does in a process."""

    def work() -> None:
        in_a_thread(lambda: 1 // 0, name="odd").join()
        in_a_thread(lambda: sys.exit(3)).join()

    assert home.live(work) == Exit(0)
    assert home.uncaught == [("ZeroDivisionError('integer division or modulo by zero')", "the thread odd")]


def test_its_threads_are_counted_with_their_cpu(home: Home) -> None:
    """Those that ended included; what others do meanwhile is not."""
    seen: list[object] = []

    def work() -> None:
        begun = threading.Event()
        over = threading.Event()
        inner = in_a_thread(lambda: [wait() for wait in (begun.set, over.wait)])
        begun.wait()
        seen.append([lodger.thread for lodger in home.tenant.lodgers()] == [inner])
        over.set()
        inner.join()
        before = home.tenant.cpu() - time.thread_time()
        in_a_thread(lambda: sum(range(300_000))).join()
        seen.append(home.tenant.cpu() - time.thread_time() - before > 0.0005)

    elsewhere = threading.Event()
    other = in_a_thread(elsewhere.wait)
    home.live(work)
    elsewhere.set()
    other.join()
    assert seen == [True, True]


def test_a_busy_one_can_be_evicted(home: Home) -> None:
    """Pure Python sees the end that is put into it, and so do the threads that it started."""
    begun = threading.Barrier(3)

    def spin() -> None:
        begun.wait()
        while True:
            pass

    def work() -> None:
        in_a_thread(spin)
        spin()

    made = home.move_in(work)
    begun.wait()
    made.evict()
    made.join(PATIENCE)
    assert home.exits == [Exit(signal=9)]


def test_one_that_can_not_be_ended_says_where_and_ends_when_it_really_does(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that waits in C code for ever keeps the attempt from ending; nobody is told that it did."""
    monkeypatch.setattr(apartment, "POLITE", 0.01)
    monkeypatch.setattr(apartment, "LEFT", 0.01)
    begun, over = threading.Event(), threading.Lock()
    over.acquire()

    def hanging() -> None:
        begun.set()
        over.acquire()

    made = home.move_in(lambda: in_a_thread(hanging, name="helper"))
    begun.wait()
    made.evict()
    while made.alive() and not home.told:
        made.join(0.01)
    (told,) = home.told
    assert told == made.stuck()
    assert told.startswith("the thread helper in ")
    assert "hanging (test_apartment.py:" in told
    assert home.exits == []
    over.release()
    made.join(PATIENCE)
    assert home.told == [told, ""]
    assert [exit.signal for exit in home.exits] == [9]


def test_a_pool_that_nobody_shut_down_keeps_nothing_open(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its idle threads end although the pool is still there."""
    monkeypatch.setattr(apartment, "POLITE", 0.01)
    pool = ThreadPoolExecutor(2)
    assert home.live(lambda: list(pool.map(time.sleep, (0.01, 0.01)))) == Exit(0)
    assert home.told == []


def test_a_daemon_thread_that_goes_on_is_left_behind_and_counted(home: Home) -> None:
    """In Python's words it is one that nobody waits for."""
    over = threading.Lock()
    over.acquire()
    left: list[threading.Thread] = []
    exit = home.live(lambda: left.append(in_a_thread(over.acquire, daemon=True)))
    assert exit == Exit(0, leftovers=1)
    over.release()
    left[0].join(PATIENCE)


def test_a_full_pipe_holds_up_only_who_writes_into_it(home: Home) -> None:
    """Nothing is lost, and whoever else is there goes on."""
    line = "x" * 1000
    made = home.move_in(lambda: [print(line) for _ in range(200)])
    lines: list[str] = []
    while made.alive():
        lines += home.said()
        made.join(0.005)
    lines += home.said()
    assert "".join(lines) == line * 200


def test_without_pipes_its_words_are_lost_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The worker is not to blame."""
    lost = Outlet(str(tmp_path / "none"))
    assert lost.write("word\n") == 5
    lost.close()
    assert "is lost: No such file or directory" in caplog.text
