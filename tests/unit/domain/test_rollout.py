"""The way of a group to another version and back: by example, and what holds whatever its workers do."""

from math import ceil

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from beeyard.domain.course import Build, Course, Mark, Member, Step
from beeyard.domain.rollout import asks, assigned, orders, step, turned, woken
from beeyard.domain.rollout_plan import Rollout, Strategy
from beeyard.domain.values import Duration

OLD, NEW = Build("1.0", "old"), Build("2.0", "new")
PLAN = Rollout()


class Group:
    """Workers that become ready a second after they were sent; `sick`: on which builds which ones never do. Where it
    goes blue-green there are as many again, on standby."""

    def __init__(self, count: int, plan: Rollout = PLAN, old: Build = OLD, new: Build = NEW) -> None:
        self.plan, self.at = plan, 1000.0
        self.course = Course("hello", old, new, progress=self.at)
        self.members = {f"web.{number}": Member(f"web.{number}", old.digest) for number in range(1, count + 1)}
        if plan.strategy == "blue-green":
            green = tuple(f"web.{number}" for number in range(count + 1, 2 * count + 1))
            self.course = replace(self.course, green=green)
            self.members |= {name: Member(name, "older", healthy=False, rests=True) for name in green}
        self.sick: set[tuple[str, str]] = set()
        self.most = 0

    def look(self) -> Step:
        """One look, and what follows of it is done."""
        before = self.course.moved
        found = step(self.plan, self.course, list(self.members.values()), self.at)
        self.course = found.course
        self.check(before)
        well = self.well()
        for one in orders(self.course, list(self.members.values())):
            rests = one.want == "rest"
            self.change(one.worker, coming=not rests, rests=rests, healthy=False, ended=False, trouble="not ready")
        self.most = max(self.most, sum(not one.healthy and not one.rests for one in self.members.values()))
        if self.course.green and not self.course.intact:
            assert self.well() >= min(well, len(self.course.green)), "blue-green takes none of those away that serve"
        return found

    def well(self) -> int:
        """How many serve."""
        return sum(one.healthy for one in self.members.values())

    def up(self) -> list[str]:
        """Who is not on standby."""
        return [one.worker for one in self.members.values() if not one.rests]

    def check(self, before: dict[str, Mark]) -> None:
        """Nobody goes before those who went are well, and no more at once than the plan allows."""
        sent = self.course.moved.keys() - before.keys()
        if sent:
            count = len(self.members)
            canary = max(1, min(ceil(count * self.plan.share / 100), count - 1))
            firsts = {"all": count, "rolling": self.plan.batch, "canary": canary, "blue-green": count // 2}
            first = firsts[self.plan.strategy]
            assert len(sent) <= (self.plan.batch if before and self.plan.strategy != "all" else first)
            assert all(self.members[name].healthy and self.members[name].digest == "new" for name in before)

    def change(self, worker: str, **fields: object) -> None:
        """It shows something else."""
        self.members[worker] = msgspec.structs.replace(self.members[worker], **fields)

    def arrive(self) -> None:
        """All who are on their way run from what they were assigned."""
        for one in self.members.values():
            if one.coming:
                build = assigned(self.course, one.worker).digest
                healthy = (one.worker, build) not in self.sick
                self.change(one.worker, coming=False, digest=build, healthy=healthy)

    def go(self, seconds: float) -> Step:
        """Second by second."""
        found = self.look()
        for _ in range(round(seconds)):
            self.at += 1.0
            self.arrive()
            found = self.look()
        return found

    def on(self, build: Build) -> list[str]:
        """Who runs from it."""
        return [one.worker for one in self.members.values() if one.digest == build.digest and not one.rests]


def test_one_worker_goes_and_is_watched() -> None:
    """Ready, well for ten seconds, then two minutes more: the version is well."""
    group = Group(1)
    assert group.look().gate == "web.1 to be ready"
    assert group.go(2).gate == "web.1 to be well for 10s"
    assert group.go(10).gate == "all to be well for 2m"
    assert group.course.stage == "watching"
    assert (group.go(121).gate, group.course.stage, group.on(NEW)) == ("", "done", ["web.1"])


def test_what_never_gets_ready_goes_back() -> None:
    """After the deadline, with the reason; then the one before runs."""
    group = Group(1)
    group.sick = {("web.1", "new")}
    assert group.go(299).course.stage == "moving"
    group.go(5)
    assert (group.course.stage, group.on(OLD)) == ("returned", ["web.1"])
    assert group.course.reason == "web.1 was not ready within 5m: not ready"


def test_one_that_ends_while_all_are_watched_goes_back() -> None:
    """A minute of good health is no proof."""
    group = Group(3)
    group.go(60)
    assert (group.course.stage, len(group.on(NEW))) == ("watching", 3)
    group.change("web.2", healthy=False, ended=True, trouble="exit code 3")
    group.go(5)
    assert (group.course.stage, len(group.on(OLD))) == ("returned", 3)
    assert group.course.reason == "web.2 ended: exit code 3"


def test_who_runs_the_target_already_has_gone() -> None:
    """Nobody is sent back for the sake of the order, and it is watched as if it had been sent."""
    group = Group(3, replace(PLAN, strategy="rolling"))
    group.change("web.2", digest="new")
    assert (group.look().gate, sorted(group.course.moved)) == ("web.2 to be well for 10s", ["web.2"])
    group.go(300)
    assert (group.course.stage, len(group.on(NEW))) == ("done", 3)


def test_some_ends_may_be_allowed() -> None:
    """More than `crashes` are too many; that it was restarted counts as well."""
    group = Group(1, replace(PLAN, crashes=1))
    group.go(5)
    group.change("web.1", restarts=1)
    assert group.go(1).course.stage == "moving"
    group.change("web.1", restarts=2, trouble="SIGSEGV")
    assert group.look().course.reason == "web.1 ended 2 times: SIGSEGV"


def test_a_worker_that_crashes_on_the_old_version_may_go_to_the_new_one() -> None:
    """How it ended before says nothing of what comes."""
    group = Group(1)
    group.change("web.1", healthy=False, ended=True, restarts=7, trouble="exit code 1")
    group.go(140)
    assert (group.course.stage, group.on(NEW)) == ("done", ["web.1"])


def test_a_fault_that_the_gate_finds_is_enough() -> None:
    """At once, and in its words."""
    group = Group(2)
    group.go(3)
    group.change("web.1", fault="errors_total is 7, more than 0")
    assert group.look().course.reason == "web.1: errors_total is 7, more than 0"


def test_a_canary_goes_alone() -> None:
    """The share first, then as many as a batch has."""
    group = Group(8, replace(PLAN, strategy="canary", batch=4))
    group.go(5)
    assert group.on(NEW) == ["web.1", "web.2"]
    group.go(10)
    assert len(group.on(NEW)) == 6
    group.go(20)
    assert len(group.on(NEW)) == 8


def test_a_bad_canary_leaves_the_others_untouched() -> None:
    """Three of four never ran it."""
    group = Group(4, replace(PLAN, strategy="canary"))
    group.sick = {("web.1", "new")}
    group.go(310)
    assert (group.course.stage, group.most, len(group.on(OLD))) == ("returned", 1, 4)


def test_blue_green_takes_over_once_all_of_it_is_well() -> None:
    """Nobody is restarted: those on standby are woken, and then those that served are put on standby."""
    group = Group(2, replace(PLAN, strategy="blue-green"))
    group.sick = {("web.4", "new")}
    assert group.go(20).gate == "web.4 to be ready (not ready)"
    assert (group.on(OLD), group.on(NEW)) == (["web.1", "web.2"], ["web.3", "web.4"])
    group.change("web.4", healthy=True)
    group.go(9)
    assert len(group.up()) == 4
    group.go(3)
    assert (group.course.stage, group.up()) == ("watching", ["web.3", "web.4"])
    assert group.go(121).course.stage == "done"


def test_a_fault_after_it_took_over_wakes_the_others_first() -> None:
    """Who can serve serves until they do."""
    group = Group(2, replace(PLAN, strategy="blue-green"))
    group.go(20)
    group.change("web.3", healthy=False, ended=True, trouble="exit code 3")
    group.look()
    assert (group.course.stage, len(group.up())) == ("returning", 4)
    group.go(2)
    assert (group.course.stage, group.up(), group.on(OLD)) == ("returned", ["web.1", "web.2"], ["web.1", "web.2"])


def test_new_ones_that_can_not_serve_go_at_once() -> None:
    """They are in nobody's way while the old ones come."""
    group = Group(1, replace(PLAN, strategy="blue-green"))
    group.go(20)
    group.change("web.2", healthy=False, ended=True, trouble="exit code 3")
    group.look()
    assert group.up() == ["web.1"]


def test_without_going_back_by_itself_those_beside_are_put_on_standby_all_the_same() -> None:
    """The old ones were never touched; once the new ones took over they stay."""
    plan = replace(PLAN, strategy="blue-green", auto_revert=False)
    group = Group(1, plan)
    group.sick = {("web.2", "new")}
    group.go(310)
    assert (group.course.stage, group.up()) == ("returned", ["web.1"])
    group = Group(1, plan)
    group.go(20)
    group.change("web.2", healthy=False, ended=True)
    assert (group.go(5).course.stage, group.up()) == ("failed", ["web.2"])


def test_who_is_stopped_meanwhile_takes_nothing_over() -> None:
    """It is waited for, and then all goes back."""
    group = Group(1, replace(PLAN, strategy="blue-green"))
    group.go(3)
    del group.members["web.2"]
    assert group.go(10).gate == "web.2 to be ready (it is not to run)"
    group.go(600)
    assert (group.course.stage, group.up()) == ("returned", ["web.1"])


def test_somebody_gives_the_word() -> None:
    """A canary and blue-green wait for it once all that went are well, however long; a fault still goes back."""
    for strategy, new in (("canary", ["web.1"]), ("blue-green", ["web.5", "web.6", "web.7", "web.8"])):
        group = Group(4, replace(PLAN, strategy=strategy, promote="manual"))
        group.go(5)
        assert not asks(group.plan, group.course, list(group.members.values()))
        assert group.go(5000).gate == "somebody's word: beeyard rollout resume web"
        assert asks(group.plan, group.course, list(group.members.values()))
        assert (group.on(NEW), len(group.on(OLD))) == (new, 4 if strategy == "blue-green" else 3)
        group.change(new[0], healthy=False, trouble="answered 502")
        assert group.go(20).gate == f"{new[0]} to be ready (answered 502)"
        group.change(new[0], healthy=True)
        group.go(20)
        group.course = replace(group.course, promoted=True, progress=group.at)
        group.go(200)
        assert (group.course.stage, len(group.on(NEW)), group.on(OLD)) == ("done", 4, [])


def test_a_way_back_over_an_epoch_is_barred() -> None:
    """Then it stops where it is, and says so."""
    group = Group(2, replace(PLAN, strategy="rolling"), new=replace(NEW, epoch=1))
    group.sick = {("web.1", "new")}
    group.go(305)
    assert (group.course.stage, group.on(NEW), group.on(OLD)) == ("failed", ["web.1"], ["web.2"])
    assert group.course.reason.endswith("; 1.0 can't read what 2.0 wrote: data epoch 0")


def test_it_may_be_told_not_to_go_back() -> None:
    """Then somebody has to."""
    group = Group(1, replace(PLAN, auto_revert=False))
    group.sick = {("web.1", "new")}
    group.go(305)
    assert (group.course.stage, group.on(NEW)) == ("failed", ["web.1"])
    assert group.course.reason.endswith("; auto_revert is off")


def test_a_pause_holds_those_who_have_not_gone() -> None:
    """Those who have are still watched: a bad version goes back also then."""
    group = Group(3, replace(PLAN, strategy="rolling"))
    group.go(5)
    group.course = replace(group.course, paused="paused by ann")
    assert (group.go(2000).gate, group.on(NEW)) == ("paused by ann", ["web.1"])
    group.change("web.1", ended=True, healthy=False, trouble="exit code 3")
    group.go(3)
    assert (group.course.stage, len(group.on(OLD))) == ("returned", 3)


def test_going_on_and_off_for_ever_is_no_progress() -> None:
    """Neither deadline of one worker is met, that of the whole is."""
    group = Group(1, replace(PLAN, watch=Duration(0.0)))
    while not group.course.over and group.at < 5000:
        group.go(5)
        group.change("web.1", healthy=not group.members["web.1"].healthy)
    assert group.course.reason == "nothing went on for 10m; it waited for web.1 to be ready (not ready)"


def test_what_can_not_be_had_any_more_turns_it_round() -> None:
    """And where the way back can't be had either, it stops and says both."""
    course = step(PLAN, Course("hello", OLD, NEW), [Member("web", "old")], 0.0, "hello 2.0 is gone").course
    assert (course.stage, course.reason) == ("returning", "hello 2.0 is gone")
    course = step(PLAN, course, [Member("web", "new")], 0.0, "hello 1.0 is gone").course
    assert (course.stage, course.reason) == ("failed", "hello 2.0 is gone; hello 1.0 is gone")


def test_without_workers_nothing_is_decided() -> None:
    """A version that nobody ran is neither well nor bad."""
    found = step(PLAN, Course("hello", OLD, NEW), [], 10_000.0)
    assert (found.gate, found.until, found.course.stage) == ("none of its workers is to run", None, "moving")


def test_another_master_gives_each_its_time_anew() -> None:
    """Moments of the one before mean nothing to it."""
    group = Group(1)
    group.sick = {("web.1", "new")}
    group.go(200)
    group.at = 5.0
    group.course = woken(group.course, group.at)
    assert group.go(200).course.stage == "moving"
    assert group.go(150).course.stage == "returned"


@given(
    st.integers(1, 12),
    st.sampled_from(("all", "rolling", "canary", "blue-green")),
    st.integers(1, 4),
    st.floats(1, 100),
    st.sets(st.integers(1, 12)),
    st.booleans(),
)
def test_it_always_ends_where_it_should(
    count: int, strategy: Strategy, batch: int, share: float, sick: set[int], epoch: bool
) -> None:
    """All on the new version if all are well with it, all on the old one if not, and never over an epoch; but for those
    that stood beside the old ones, which were never touched."""
    plan = replace(PLAN, strategy=strategy, batch=batch, share=share)
    group = Group(count, plan, new=replace(NEW, epoch=int(epoch)))
    first = count if strategy == "blue-green" else 0
    group.sick = {(f"web.{first + number}", "new") for number in sick if number <= count}
    group.go(count * 20 + 500)
    assert group.course.over
    if not group.sick:
        assert (group.course.stage, len(group.on(NEW))) == ("done", count)
    elif strategy == "blue-green":
        assert (group.course.stage, group.on(OLD), group.on(NEW)) == ("returned", group.up(), [])
        assert group.up() == [f"web.{number}" for number in range(1, count + 1)]
    elif epoch:
        assert group.course.stage == "failed"
        assert group.on(NEW)
    else:
        assert (group.course.stage, len(group.on(OLD))) == ("returned", count)


class Storm(RuleBasedStateMachine):
    """Whatever workers, people and masters do."""

    @initialize(
        count=st.integers(1, 6),
        strategy=st.sampled_from(("all", "rolling", "canary", "blue-green")),
        batch=st.integers(1, 3),
        epoch=st.integers(0, 1),
        revert=st.booleans(),
    )
    def begin(self, count: int, strategy: Strategy, batch: int, epoch: int, revert: bool) -> None:
        plan = replace(PLAN, strategy=strategy, batch=batch, auto_revert=revert)
        self.group = Group(count, plan, new=replace(NEW, epoch=epoch))

    def one(self, number: int) -> str:
        return list(self.group.members)[number % len(self.group.members)]

    @rule(seconds=st.integers(0, 400))
    def wait(self, seconds: int) -> None:
        self.group.go(seconds)

    @rule(number=st.integers(0, 5))
    def crash(self, number: int) -> None:
        name = self.one(number)
        if not self.group.members[name].coming and not self.group.members[name].rests:
            restarts = self.group.members[name].restarts
            self.group.change(name, restarts=restarts + 1, healthy=False, trouble="exit code 3")

    @rule(number=st.integers(0, 5))
    def recover(self, number: int) -> None:
        if not self.group.members[self.one(number)].rests:
            self.group.change(self.one(number), healthy=True)

    @rule(number=st.integers(0, 5))
    def restart(self, number: int) -> None:
        if not self.group.members[self.one(number)].rests:  # It stays where it is, whoever asks.
            self.group.change(self.one(number), coming=True, healthy=False)

    @rule()
    def arrive(self) -> None:
        self.group.arrive()

    @rule()
    def kill_master(self) -> None:
        saved = msgspec.json.decode(msgspec.json.encode(self.group.course), type=Course)
        self.group.course = woken(saved, self.group.at)

    @precondition(lambda self: not self.group.course.over and not self.group.course.back)
    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.group.course = replace(self.group.course, paused="paused" if paused else "", progress=self.group.at)

    @precondition(lambda self: not self.group.course.over and not self.group.course.back)
    @rule()
    def abort(self) -> None:
        self.group.course = turned(self.group.course, "aborted", self.group.at)

    @invariant()
    def holds(self) -> None:
        course = self.group.course
        assert not (course.back and course.one_way) or course.green
        assert course.stage not in ("returning", "returned", "failed") or course.reason
        assert course.back == (course.stage in ("returning", "returned")) or course.stage == "failed"
        if course.stage == "done":
            assert all(one.coming or one.rests or one.digest == "new" for one in self.group.members.values())
        if course.green and course.over and course.stage != "failed":
            assert len({one.worker in course.green for one in self.group.members.values() if not one.rests}) == 1


TestStorm = Storm.TestCase
