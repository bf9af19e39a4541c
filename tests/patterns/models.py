"""One plain model a pattern, and the proofs that rest on them: see `tests.patterns.proof`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar

from tests.patterns.proof import Model, Observation, Proof
from weft.engine.lifecycle import CaseStatus, ItemStatus

__all__ = ["PROOFS"]

COMPLETED, STARTED, OFFERED = CaseStatus.COMPLETED, ItemStatus.STARTED, ItemStatus.OFFERED


def codes(*values: int) -> tuple[dict[str, int], ...]:
    """Results of a command, by exit code."""
    return tuple({"exit_code": value} for value in values)


class Leads(Model):
    """Each completion leads to the same tasks, whatever else goes on."""

    def __init__(self, **leads: list[str]) -> None:
        super().__init__()
        self.leads = leads

    watched = frozenset()

    def after(self, task: str, result: Any) -> Iterable[str]:
        return self.leads.get(task, ())

    def observe(self, o: Observation) -> None:
        type(self).watched = frozenset(t for led in self.leads.values() for t in led)
        super().observe(o)


class Chooses(Model):
    """One task's result decides which tasks begin; each of those leads to one more."""

    def __init__(self, first: str, chosen: dict[int, list[str]], merge: str | None = None) -> None:
        super().__init__()
        self.first, self.chosen, self.merge = first, chosen, merge

    watched = frozenset()

    def after(self, task: str, result: Any) -> Iterable[str]:
        if task == self.first:
            return self.chosen[result["exit_code"]]
        return [self.merge] if self.merge and task != self.merge else []

    def observe(self, o: Observation) -> None:
        tasks = {t for chosen in self.chosen.values() for t in chosen}
        type(self).watched = frozenset(tasks | ({self.merge} if self.merge else set()))
        super().observe(o)


BRANCHES = ("north", "south", "west")


class PartialJoin(Model):
    """n of m arrivals let one through; it opens again when every branch has arrived once.

    A second arrival at a branch belongs to the next round, and waits.
    """

    watched = frozenset(("order", *BRANCHES))

    def __init__(self, n: int, cancels: bool = False) -> None:
        super().__init__()
        self.n, self.cancels = n, cancels
        self.waiting = dict.fromkeys(BRANCHES, 0)
        self.arrived: tuple[str, ...] = ()
        self.working = dict.fromkeys(BRANCHES, 0)

    def after(self, task: str, result: Any) -> Iterable[str]:
        if task == "ask":
            for branch in BRANCHES:
                self.working[branch] += 1
            yield from BRANCHES
        if task not in BRANCHES:
            return
        self.working[task] -= 1
        self.waiting[task] += 1
        yield from self.rounds()

    def rounds(self) -> Iterable[str]:
        while True:
            new = [b for b in BRANCHES if self.waiting[b] and b not in self.arrived]
            if not new:
                return
            self.waiting[new[0]] -= 1
            self.arrived = tuple(sorted((*self.arrived, new[0])))
            if len(self.arrived) == self.n:
                yield "order"
                if self.cancels:
                    self.withdraws = [b for b in BRANCHES for _ in range(self.working[b])]
                    self.working = dict.fromkeys(BRANCHES, 0)
                    self.waiting = dict.fromkeys(BRANCHES, 0)
                    self.arrived = ()
            if len(self.arrived) == len(BRANCHES):
                self.arrived = ()


class Waits(Model):
    """A task begins when each of its branches has arrived; surplus arrivals queue."""

    watched = frozenset()

    def __init__(self, join: str, leads: dict[str, list[str]], branches: tuple[str, ...]) -> None:
        super().__init__()
        self.join, self.leads = join, leads
        self.arrived = dict.fromkeys(branches, 0)

    def after(self, task: str, result: Any) -> Iterable[str]:
        yield from self.leads.get(task, ())
        if task in self.arrived:
            self.arrived[task] += 1
            if all(self.arrived.values()):
                self.arrived = {b: n - 1 for b, n in self.arrived.items()}
                yield self.join

    def observe(self, o: Observation) -> None:
        led = {t for tasks in self.leads.values() for t in tasks}
        type(self).watched = frozenset({self.join, *led})
        super().observe(o)


class Merges(Model):
    """Every n arrivals of one branch make one thread."""

    watched = frozenset(("sign", "file"))

    def __init__(self) -> None:
        super().__init__()
        self.arrived = 0

    def after(self, task: str, result: Any) -> Iterable[str]:
        if task == "draft":
            yield from ("sign", "sign")
        if task == "sign":
            self.arrived += 1
            if self.arrived % 2 == 0:
                yield "file"


class Cycles(Model):
    """Wherever the flow stands, the result says which way out it takes."""

    watched = frozenset(("draft", "review", "publish"))
    OTHER: ClassVar = {"plan": "draft", "draft": "review", "review": "draft"}

    def after(self, task: str, result: Any) -> Iterable[str]:
        if task == "publish":
            return []
        good = result["exit_code"] == 0
        return [("review" if task == "plan" else "publish") if good else self.OTHER[task]]


class Repeats(Model):
    """The body runs again until the condition holds; the condition is asked after each run."""

    watched = frozenset(("test", "report"))

    def after(self, task: str, result: Any) -> Iterable[str]:
        if task == "test":
            return ["report" if result["exit_code"] == 0 else "test"]
        return ["test"] if task == "prepare" else []


class Ends(Model):
    """The scope is over exactly when nothing is open in it."""

    watched = frozenset(("press", "staff", "owners"))

    def __init__(self) -> None:
        super().__init__()
        self.ended = 0

    def cleared(self, o: Observation) -> None:
        self.ended = o.places.get("end", 0)

    def after(self, task: str, result: Any) -> Iterable[str]:
        return ("press", "staff", "owners") if task == "announce" else ()

    def observe(self, o: Observation) -> None:
        super().observe(o)
        mine = [i for i in o.open if i.task not in ("stop", "more")]
        others = [i for i in o.open if i.task in ("stop", "more")]
        assert o.over == (not mine and not others), "over with work left, or going on without"
        self.ended += sum(task in self.watched for task, _ in o.completed)
        assert o.over or o.places.get("end", 0) == self.ended, (
            "a thread that ended is not at the end"
        )


class Search(Model):
    """The first thread that reaches the end ends the scope, and withdraws the rest of it."""

    watched = frozenset(("kitchen", "hall", "cellar"))

    def after(self, task: str, result: Any) -> Iterable[str]:
        return {"lose": ["kitchen", "hall"], "hall": ["cellar"]}.get(task, [])

    def observe(self, o: Observation) -> None:
        super().observe(o)
        found = any(task == "kitchen" for task, _ in o.completed)
        if found:
            assert o.over, "the end was reached, and the scope goes on"
            assert not o.open
            assert not o.places


class Walks(Model):
    """Reaching the cancellation ends the whole case as cancelled, with all its scopes."""

    watched = frozenset(("build", "wait", "paint"))

    def after(self, task: str, result: Any) -> Iterable[str]:
        return {"quote": ["build", "wait"], "build": ["paint"]}.get(task, [])

    def observe(self, o: Observation) -> None:
        super().observe(o)
        walked = any(task == "wait" for task, _ in o.completed)
        cancelled = o.status is CaseStatus.CANCELLED
        assert cancelled or not walked
        assert walked or not cancelled or not (o.completed or o.begun), "cancelled without a cause"
        if cancelled:
            assert not o.open
            assert not o.places


class Rings(Model):
    """All are offered at once; the first to start withdraws the others in the same step."""

    watched = frozenset(("sales", "support", "porter", "note"))
    CALLED: ClassVar = ("sales", "support", "porter")

    def after(self, task: str, result: Any) -> Iterable[str]:
        return self.CALLED if task == "ring" else ["note"] if task in self.CALLED else []

    def observe(self, o: Observation) -> None:
        started = [t for t in o.started if t in self.CALLED]
        if started:
            (first,) = started
            assert sorted((*o.gone, first)) == sorted(self.CALLED)
            assert not o.begun
            return
        super().observe(o)
        offered = {i.task for i in o.open if i.task in self.CALLED and i.status is OFFERED}
        assert offered in (set(), set(self.CALLED))


class OneAtATime(Model):
    """What may come next is offered while nothing of the set is open, and only then."""

    watched = frozenset(("blood", "x-ray", "eyes", "discharge"))
    SET: ClassVar = ("blood", "x-ray", "eyes")

    def __init__(self, before: dict[str, str]) -> None:
        super().__init__()
        self.before = before
        self.left: tuple[str, ...] = ()

    def observe(self, o: Observation) -> None:
        discharged = 0
        for task, _ in o.completed:
            if task == "admit":
                self.left = (*self.left, *self.SET)
            elif task in self.SET:
                self.left = tuple(t for t in self.left if t != task)
                discharged += not self.left
        assert o.begun.count("discharge") == discharged
        if o.over:
            return
        busy = [i.task for i in o.open if i.task in self.SET and i.status is not OFFERED]
        assert len(busy) <= 1, f"{busy} at once"
        assert all(t in self.left for t in busy)
        offered = {i.task for i in o.open if i.task in self.SET and i.status is OFFERED}
        ready = {t for t in self.left if self.before.get(t) not in self.left}
        assert offered == (set() if busy else ready)


class Boards(Model):
    """The task is offered, or can start, exactly while the place is marked."""

    watched = frozenset(("change", "board"))

    def observe(self, o: Observation) -> None:
        if o.over:
            return
        offered = o.items("change", status=OFFERED)
        waiting = o.places.get(">change", 0)
        assert offered == (waiting if o.places.get("open") else 0)
        if any(task == "board" for task, _ in o.completed):
            assert not o.places.get("open")
        if any(task == "depart" for task, _ in o.completed):
            assert not o.items("change")
        if "change" in o.started:
            assert o.places.get("open"), "the milestone was consumed"


class Sections(Model):
    """Never are both sections active; when neither is, whoever waits is offered."""

    watched = frozenset(("load", "strap", "wash", "dry", "leave"))
    SECTIONS: ClassVar = (("load", "strap"), ("wash", "dry"))

    def observe(self, o: Observation) -> None:
        for task, _ in o.completed:
            assert {"load": "strap", "wash": "dry"}.get(task) in (None, *o.begun)
        if o.over:
            return
        active = []
        marked = {place for places in o.case.marking().values() for place in places}
        for first, second in self.SECTIONS:  # of all scopes: a section is one for the whole case
            busy = [i for i in o.case.items.values() if i.task in (first, second)]
            held = any(i.status is not OFFERED or i.task == second for i in busy)
            active.append(bool(held or f">{second}" in marked))
        assert active != [True, True], "both sections are active"
        for (first, _), other in zip(self.SECTIONS, reversed(active), strict=True):
            waiting = o.places.get(f">{first}", 0)
            assert o.items(first, status=OFFERED) == (0 if other else waiting)


class Withdraws(Model):
    """Completing one task withdraws what others have open, and nothing else."""

    watched = frozenset()

    def __init__(
        self,
        when: str,
        tasks: tuple[str, ...],
        places: tuple[str, ...],
        leads: dict[str, list[str]],
    ) -> None:
        super().__init__()
        self.when, self.tasks, self.places, self.leads = when, tasks, places, leads
        self.open: tuple[str, ...] = ()

    def observe(self, o: Observation) -> None:
        cancels = any(task == self.when for task, _ in o.completed)
        wanted = [t for task, _ in o.completed for t in self.leads.get(task, ())]
        begun = [t for t in o.begun if t not in ("stop", "more")]
        assert sorted(begun) == sorted(wanted)
        if not o.over:
            assert sorted(o.gone) == (sorted(self.open) if cancels else [])
        if cancels:
            assert not any(o.items(t) for t in self.tasks)
            assert not any(o.places.get(p) for p in self.places)
        self.open = tuple(sorted(i.task for i in o.open if i.task in self.tasks))


class Synchronizes(Model):
    """The merge goes on when every thread that its split has made has come, and not before."""

    watched = frozenset()

    def __init__(self, first: str, chosen: dict[int, list[str]], last: str, **on: Any) -> None:
        super().__init__()
        self.first, self.chosen, self.last, self.on = first, chosen, last, on
        self.threads = 0

    def after(self, task: str, result: Any) -> Iterable[str]:
        if task == self.first:
            chosen = self.chosen[result["exit_code"]]
            self.threads = len(chosen)
            yield from chosen
        elif task != self.last:
            on = self.on.get(task)
            if on is not None and result["exit_code"] > 0:
                yield on  # still on its way
                return
            self.threads -= 1
            if not self.threads:
                yield self.last

    def observe(self, o: Observation) -> None:
        tasks = {t for chosen in self.chosen.values() for t in chosen} | {*self.on.values()}
        type(self).watched = frozenset({self.last, *tasks})
        super().observe(o)


class Instances(Model):
    """So many instances begin together, and the flow goes on when so many are done.

    A second activation waits until no instance of the first is left. ``enough`` are done, or
    `reached` says so, or all are: what is left then runs on, or is withdrawn (``cancels``).
    """

    watched = frozenset(("quote", "compare"))

    def __init__(
        self,
        n: int,
        enough: int | None = None,
        *,
        cancels: bool = False,
        good: bool = False,
        grows: bool = False,
    ) -> None:
        super().__init__()
        self.n, self.enough, self.cancels, self.good, self.grows = n, enough, cancels, good, grows
        self.waiting = self.left = self.done = 0
        self.active = self.open = False

    def after(self, task: str, result: Any) -> Iterable[str]:
        if task == "ask":
            self.waiting += 1
        elif task == "quote":
            self.left -= 1
            self.done += 1
            met = self.good and result is not None and result["exit_code"] == 0
            yield from self.on(met or self.done == self.enough)
        yield from self.begins()

    def on(self, enough: bool) -> Iterable[str]:
        """The flow goes on, if it may."""
        if self.active and (enough or (not self.left and not self.open)):
            self.active = self.open = False
            if self.cancels:
                self.withdraws = ["quote"] * self.left
                self.left = 0
            yield "compare"

    def begins(self) -> Iterable[str]:
        """The next activation begins, if none is alive."""
        if self.waiting and not self.active and not self.left:
            self.waiting -= 1
            self.active, self.open, self.left, self.done = True, self.grows, self.n, 0
            yield from ["quote"] * self.n

    def observe(self, o: Observation) -> None:
        grown: list[str] = []
        if o.sent == "add":
            self.left += 1
            grown = ["quote"]
        elif o.sent == "seal":
            self.open = False
            grown = [*self.on(False), *self.begins()]
        if grown or o.sent == "seal":
            assert sorted(o.begun) == sorted(grown)
            assert not o.gone
            return
        self.ordered(o)
        super().observe(o)

    def ordered(self, o: Observation) -> None:
        """The results that the flow goes on with are those of finished instances, in order."""
        if "compare" in o.begun:
            results = o.case.scopes[self.scope_of(o)].data.get("quote")
            assert results is not None

    def scope_of(self, o: Observation) -> int:
        return next(i.scope for i in o.open if i.task == "compare")


class Tender(Instances):
    """Instances that another task ends: withdrawn, and the flow goes on with the rest or not."""

    watched = frozenset(("quote", "compare", "close"))

    def __init__(self, goes_on: bool) -> None:
        super().__init__(3)
        self.goes_on = goes_on

    def after(self, task: str, result: Any) -> Iterable[str]:
        if task == "ask":
            yield "close"
        if task == "close":
            if self.active:
                self.withdraws = ["quote"] * self.left
                self.active, self.left = False, 0
                if self.goes_on:
                    yield "compare"
            yield from self.begins()
            return
        yield from super().after(task, result)


class Boxes(Model):
    """Looking into a box leads to its inner box, which is closed before it is."""

    watched = frozenset(("look", "open", "close"))

    def after(self, task: str, result: Any) -> Iterable[str]:
        if task == "look":
            return ["open" if result["exit_code"] else "close"]
        return ["close"] if task == "open" else []


class Listens(Model):
    """A trigger begins the task that waits for it, once; otherwise it is lost."""

    watched = frozenset(("open", "greet"))

    def observe(self, o: Observation) -> None:
        begun = [t for t in o.begun if t in self.watched]
        wanted = ["open"] * len(o.received) + ["greet" for t, _ in o.completed if t == "open"]
        assert sorted(begun) == sorted(wanted)
        assert not o.case.kept
        waiting = len(o.before.waits)
        if o.sent is not None:
            received = len(o.before.waits) - len(o.case.waits)
            assert received == min(1, waiting), "a trigger acts on one that waits"


class Keeps(Model):
    """A trigger begins the task that waits for it, or is kept, in order, until one does."""

    watched = frozenset(("open", "answer"))

    def observe(self, o: Observation) -> None:
        begun = [t for t in o.begun if t in self.watched]
        wanted = ["open"] * len(o.received) + ["answer" for t, _ in o.completed if t == "open"]
        assert sorted(begun) == sorted(wanted)
        if o.over:
            return
        assert not (o.case.kept and o.case.waits), "one is kept, and one waits"
        kept = [number for number in o.received if number is not None]
        assert kept == sorted(o.before.kept)[: len(kept)], "not in the order in which they came"
        if o.sent is not None and not o.before.waits:
            assert len(o.case.kept) == len(o.before.kept) + 1, "a trigger was lost"


ALIKE = ("early 2", "early 3", "todo 2", "todo 3", "south")
"""The second branch is like the first; so is the third, where its work is alike."""

COUNTED = "nothing counts what is done where all have to be"
CLEARED = "the firing that ends the activation empties it"
AT_ONCE = "automatic instances start at once, and are counted at once: nothing waits there"
SEALED = "an engine that knows the task sealed asks for no more"
FEWER = "this example never has fewer instances than are enough"
FIRST = "firing comes before absorbing, in the order of declaration"
ONCE = "a structured round has one arrival a branch"
ROUNDS = "three rounds are too few to tell"
TWICE = "no branch delivers twice in one round, since the first of the round withdraws the rest"
GONE = "what arrives is counted at once, and automatic work starts at once: nothing waits there"
OWN = "its own section is active when it may start, so the other is not"
ORDER = "the order of the flows keeps the two apart already"

ALL = ("pack", "bill", "announce")
TAKE = {"take": list(ALL)}

PROOFS = (
    Proof(
        "01-sequence",
        ["a task begins when its predecessor completes, once, and never otherwise"],
        partial(Leads, write=["send"]),
        ["write.complete"],
        last="send",
    ),
    Proof(
        "02-parallel-split",
        ["every branch begins once, in the step that completes the task before"],
        partial(Leads, take=list(ALL)),
        ["take.complete", "take.then"],
    ),
    Proof(
        "03-synchronization",
        ["goes on in the step in which the last branch arrives, once a round", "never before"],
        partial(Waits, "ship", TAKE, ALL),
        ["ship.start"],
        last="ship",
    ),
    Proof(
        "04-exclusive-choice",
        ["exactly one branch begins: the first whose condition holds, else the default"],
        partial(Chooses, "judge", {0: ["refuse"], 1: ["check"], 2: ["pay"]}),
        ["judge.then"],
        results={"judge": codes(0, 1, 2)},
    ),
    Proof(
        "05-simple-merge",
        ["each arrival passes on, in the same step"],
        partial(Chooses, "receive", {0: ["print"], 1: ["scan"]}, "read"),
        ["read.start", "read.join", "scan.complete", "print.complete"],
        last="read",
        results={"receive": codes(0, 1)},
    ),
    Proof(
        "06-multi-choice",
        ["exactly the branches whose conditions hold begin, in one step", "none: the default does"],
        partial(
            Chooses,
            "answer",
            {0: ["desk"], 1: ["police"], 2: ["ambulance"], 3: ["police", "ambulance"]},
        ),
        ["answer.then"],
        results={"answer": codes(0, 1, 2, 3)},
    ),
    Proof(
        "08-multi-merge",
        ["the task behind it begins once for every arrival, also while it runs already"],
        partial(
            Leads,
            inspect=["roof", "walls", "cellar"],
            roof=["file"],
            walls=["file"],
            cellar=["file"],
        ),
        ["file.start", "file.join", "roof.complete", "walls.complete", "cellar.complete"],
    ),
    Proof(
        "09-structured-discriminator",
        ["goes on at the first arrival", "absorbs the others", "is ready again when all have come"],
        partial(PartialJoin, 1),
        ["order.join"],
        last="close",
        failures=False,
        alike=ALIKE,
        survivors={
            "order.join.early 1: without take order.join.todo 1": ONCE,
            "order.join.reset: put order.join.todo 1 once more": ONCE,
            "order.join.absorb: without needs order.join.closed": FIRST,
        },
    ),
    Proof(
        "28-blocking-discriminator",
        [
            "goes on at the first arrival of each round",
            "absorbs the others of the round",
            "an arrival of the next round waits at its own branch until the reset",
        ],
        partial(PartialJoin, 1),
        ["order.join"],
        last="order",
        failures=False,
        alike=ALIKE,
        most_rounds=3,
        survivors={"order.join.absorb: without needs order.join.closed": FIRST},
    ),
    Proof(
        "29-cancelling-discriminator",
        [
            "goes on at the first arrival",
            "withdraws the work of the others in the same step",
            "is ready at once",
        ],
        partial(PartialJoin, 1, cancels=True),
        ["order.join"],
        last="order",
        alike=ALIKE,
        survivors={
            "order.join.early 1: without take order.join.todo 1": TWICE,
            "order.join.fire: put order.join.todo 1 once more": TWICE,
            "order.join.fire: without clear order.join.todo 1": TWICE,
            "order.join.fire: without clear order.join.came": GONE,
            "order.join.fire: without clear north>order": GONE,
            "order.join.fire: without clear west>order": GONE,
            "order.join.fire: without clear >north": GONE,
            "order.join.early 1: put order.join.came once more": "firing clears what is too many",
        },
    ),
    Proof(
        "30-structured-partial-join",
        ["goes on at the n-th arrival", "absorbs the others", "is ready again when all have come"],
        partial(PartialJoin, 2),
        ["order.join"],
        last="close",
        failures=False,
        alike=ALIKE,
        survivors={
            "order.join.early 1: without take order.join.todo 1": ONCE,
            "order.join.reset: put order.join.todo 1 once more": ONCE,
        },
    ),
    Proof(
        "31-blocking-partial-join",
        [
            "goes on at the n-th arrival of each round",
            "absorbs the others of the round",
            "an arrival of the next round waits at its own branch until the reset",
        ],
        partial(PartialJoin, 2),
        ["order.join"],
        last="order",
        failures=False,
        alike=ALIKE,
        most_rounds=3,
        survivors={
            "order.join.early 1: without take order.join.todo 1": ROUNDS,
            "order.join.reset: put order.join.todo 1 once more": ROUNDS,
        },
    ),
    Proof(
        "32-cancelling-partial-join",
        [
            "goes on at the n-th arrival",
            "withdraws the work of the others in the same step",
            "is ready at once",
        ],
        partial(PartialJoin, 2, cancels=True),
        ["order.join"],
        last="order",
        alike=ALIKE,
        survivors={
            "order.join.early 1: without take order.join.todo 1": TWICE,
            "order.join.fire: put order.join.todo 1 once more": TWICE,
            "order.join.fire: without clear order.join.todo 1": TWICE,
            "order.join.fire: without clear order.join.came": GONE,
            "order.join.fire: without clear north>order": GONE,
            "order.join.fire: without clear west>order": GONE,
            "order.join.fire: without clear >north": GONE,
        },
    ),
    Proof(
        "33-generalised-and-join",
        ["takes one thread of each branch", "surplus threads queue, and serve later rounds"],
        partial(
            Waits,
            "assemble",
            {"plan": ["paint", "paint", "cast", "cast"]},
            ("paint", "cast"),
        ),
        ["assemble.start"],
    ),
    Proof(
        "41-thread-merge",
        ["every n arrivals make one thread, in the step of the last of them"],
        Merges,
        ["file.thread-merge"],
        last="file",
        survivors={
            "file.thread-merge.more: without needs file.thread-merge.busy": "need is marked only while busy is"
        },
    ),
    Proof(
        "42-thread-split",
        ["one thread becomes n on the same branch, in one step"],
        partial(Leads, order=["ship"] * 3),
        ["order.then"],
    ),
    Proof(
        "10-arbitrary-cycles",
        ["the loop is entered and left at either task, as often as the data say"],
        Cycles,
        ["draft.start", "review.start", "draft.then", "review.then", "plan.then"],
        last="publish",
        results={"plan": codes(0, 1), "draft": codes(0, 1), "review": codes(0, 1)},
    ),
    Proof(
        "21-structured-loop",
        ["the body runs again until the condition holds, which is asked after each run"],
        Repeats,
        ["test.structured-loop"],
        last="report",
        results={"test": codes(0, 1)},
    ),
    Proof(
        "11-implicit-termination",
        ["the scope is over when nothing is left to do in it, and not before"],
        Ends,
        ["press.complete", "staff.complete", "owners.complete", "press.then"],
    ),
    Proof(
        "43-explicit-termination",
        ["reaching the end completes the scope at once", "the rest of it is withdrawn"],
        Search,
        ["kitchen.complete", "kitchen.then"],
        survivors={"kitchen.complete: put kitchen> once more": "the first token ends it all"},
    ),
    Proof(
        "20-cancel-case",
        ["the case is recorded as cancelled", "everything in it and its children is withdrawn"],
        Walks,
        ["wait.complete", "wait.then"],
        ends=frozenset((CaseStatus.CANCELLED,)),
        survivors={"wait.complete: put wait> once more": "the first token ends it all"},
    ),
    Proof(
        "16-deferred-choice",
        [
            "all alternatives are offered together",
            "the first to start withdraws the others in the same step",
        ],
        Rings,
        ["ring.complete", "sales.start", "support.start", "porter.start"],
        last="note",
    ),
    Proof(
        "17-interleaved-parallel-routing",
        ["one at a time, also while an item is held", "in the given order", "each once"],
        partial(OneAtATime, {"x-ray": "blood"}),
        ["blood.start", "x-ray.start", "eyes.start"],
        last="discharge",
        survivors={
            f"{a}.start: without lacks {b}.{place}": ORDER
            for a, b in (("blood", "x-ray"), ("x-ray", "blood"))
            for place in ("run", "held")
        },
    ),
    Proof(
        "40-interleaved-routing",
        ["one at a time, also while an item is held", "in any order", "each once"],
        partial(OneAtATime, {}),
        ["blood.start", "x-ray.start", "eyes.start"],
        last="discharge",
    ),
    Proof(
        "18-milestone",
        [
            "enabled exactly while the state holds",
            "the state is not consumed",
            "leaving it withdraws the offer",
        ],
        Boards,
        ["change.start", "change.complete", "board.complete"],
        alike=["put "],
    ),
    Proof(
        "39-critical-section",
        [
            "two sections are never active together",
            "a failed or cancelled one frees the other",
            "whoever waits goes on when neither is active",
        ],
        Sections,
        ["load.start", "wash.start", "strap.start", "dry.start"],
        last="leave",
        survivors={
            f"{second}.start: without lacks {place}": OWN
            for second, others in (
                ("strap", ("wash.run", "wash.held", "dry.run", "dry.held", "wash>dry")),
                ("dry", ("load.run", "load.held", "strap.run", "strap.held", "load>strap")),
            )
            for place in others
        },
    ),
    Proof(
        "19-cancel-task",
        ["the task is withdrawn, offered or running, in the same step", "nothing else is"],
        partial(
            Withdraws,
            "pay",
            ("remind",),
            ("bill>remind",),
            {"bill": ["pay", "remind"], "remind": ["sue"]},
        ),
        ["pay.complete"],
        alike=["put end"],
    ),
    Proof(
        "25-cancel-region",
        [
            "everything in the region is withdrawn in the same step, wherever its thread is",
            "what is outside goes on",
        ],
        partial(
            Withdraws,
            "recall",
            ("make", "sell"),
            ("launch>make", "make>sell"),
            {"launch": ["make", "count", "recall"], "make": ["sell"]},
        ),
        ["recall.complete"],
        alike=["put end"],
    ),
    Proof(
        "07-structured-synchronizing-merge",
        ["waits for exactly the branches that its multi-choice has started", "once a round"],
        partial(
            Synchronizes,
            "answer",
            {0: ["desk"], 1: ["police"], 2: ["ambulance"], 3: ["police", "ambulance"]},
            "report",
        ),
        ["report.join", "report.start"],
        last="report",
        results={"answer": codes(0, 1, 2, 3)},
    ),
    Proof(
        "37-local-synchronizing-merge",
        ["goes on when every thread of the region has come", "never before"],
        partial(
            Synchronizes,
            "take",
            {3: ["file"], 2: ["pack"], 1: ["bill"], 0: ["pack", "bill"]},
            "leave",
            pack="wrap",
        ),
        ["leave.join", "leave.start"],
        last="leave",
        results={"take": codes(0, 1, 2, 3), "pack": codes(0, 1)},
        survivors={
            **{f"leave.join.next {i}: without needs leave.join.some": FIRST for i in (1, 2, 3, 4)},
            **dict.fromkeys(
                (
                    "leave.join.next 4: without take file>leave",
                    "leave.join.next 4: without take leave.join.todo 4",
                    "leave.join.next 4: without put leave.join.got",
                    "leave.join.next 4: put leave.join.got once more",
                    "leave.join.next 4: gone",
                ),
                "the default is taken alone, so it is never the next",
            ),
            **dict.fromkeys(
                (
                    "leave.join.all dead: without take leave.join.none",
                    "leave.join.all dead: without put leave.join.none",
                    "leave.join.all dead: put leave.join.none once more",
                    "leave.join.all dead: gone",
                    *(
                        f"leave.join.all dead: without put leave.join.todo {i}"
                        for i in (1, 2, 3, 4)
                    ),
                    *(
                        f"leave.join.all dead: put leave.join.todo {i} once more"
                        for i in (1, 2, 3, 4)
                    ),
                ),
                "something is always chosen: the whole region is dead only inside a larger one",
            ),
        },
    ),
    Proof(
        "38-general-synchronizing-merge",
        [
            "goes on when no thread is left that could still come",
            "never before",
            "a loop on a branch is waited for",
        ],
        partial(
            Synchronizes,
            "take",
            {3: ["file"], 2: ["try"], 1: ["bill"], 0: ["try", "bill"]},
            "leave",
            **{"try": "try"},
        ),
        ["leave.join", "leave.start"],
        last="leave",
        anew=False,
        results={"take": codes(0, 1, 2, 3), "try": codes(0, 1)},
        survivors={
            "leave.start: by the structural rule": "the paths of this net are those that threads can take"
        },
    ),
    Proof(
        "12-multiple-instances-without-synchronization",
        ["n instances begin at once", "the flow goes on in the same step", "none is lost"],
        partial(Leads, bill=["remind", "remind", "remind", "note"]),
        ["remind.for-each", "remind.complete"],
    ),
    Proof(
        "13-multiple-instances-with-a-priori-design-time-knowledge",
        ["n instances begin at once", "the flow goes on when all are done, and not before"],
        partial(Instances, 3),
        ["quote.for-each", "quote.complete"],
        last="compare",
        survivors={
            "quote.complete: without put quote.for-each out": COUNTED,
            "quote.complete: put quote.for-each out once more": CLEARED,
        },
    ),
    Proof(
        "14-multiple-instances-with-a-priori-run-time-knowledge",
        [
            "an instance begins for each item there is at that moment",
            "the flow goes on when all are done, and not before",
        ],
        partial(Instances, 3),
        ["quote.for-each", "quote.complete"],
        last="compare",
        survivors={
            "quote.complete: without put quote.for-each out": COUNTED,
            "quote.complete: put quote.for-each out once more": CLEARED,
        },
    ),
    Proof(
        "15-multiple-instances-without-a-priori-run-time-knowledge",
        [
            "an instance can be added until the task is sealed",
            "the flow goes on when all are done and no more may come",
        ],
        partial(Instances, 1, grows=True),
        ["quote.for-each", "quote.complete"],
        last="compare",
        adds=2,
        survivors={
            "quote.complete: without put quote.for-each out": COUNTED,
            "quote.complete: put quote.for-each out once more": CLEARED,
            "quote.for-each.all: without lacks quote.for-each in": AT_ONCE,
            "quote.for-each.add: without needs quote.for-each.open": SEALED,
            "quote.for-each.add: without needs quote.for-each.may": SEALED,
        },
    ),
    Proof(
        "34-static-partial-join-for-multiple-instances",
        [
            "the flow goes on when n are done",
            "the rest run on",
            "the task begins again only when all are done",
        ],
        partial(Instances, 3, 2),
        ["quote.for-each", "quote.complete"],
        last="compare",
        survivors={
            **dict.fromkeys(
                (
                    "quote.for-each.all: without put quote.for-each.free",
                    "quote.for-each.all: put quote.for-each.free once more",
                    "quote.for-each.all: without put >compare",
                    "quote.for-each.all: put >compare once more",
                    "quote.for-each.all: without clear quote.for-each.need",
                    "quote.for-each.all: without clear quote.for-each out",
                    "quote.for-each.all: gone",
                ),
                FEWER,
            ),
            "quote.for-each.drained: without lacks quote.for-each in": AT_ONCE,
        },
    ),
    Proof(
        "35-cancelling-partial-join-for-multiple-instances",
        ["the flow goes on when n are done", "the rest are withdrawn in the same step"],
        partial(Instances, 3, 2, cancels=True),
        ["quote.for-each", "quote.complete"],
        last="compare",
        survivors={
            **dict.fromkeys(
                (
                    "quote.for-each.all: without put quote.for-each.free",
                    "quote.for-each.all: put quote.for-each.free once more",
                    "quote.for-each.all: without put >compare",
                    "quote.for-each.all: put >compare once more",
                    "quote.for-each.all: without clear quote.for-each.need",
                    "quote.for-each.all: without clear quote.for-each out",
                    "quote.for-each.all: gone",
                ),
                FEWER,
            ),
            "quote.for-each.enough: without clear quote.for-each in": AT_ONCE,
            "quote.for-each.enough: without clear quote.for-each out": CLEARED,
            "quote.for-each.enough: without clear quote.for-each.need": CLEARED,
        },
    ),
    Proof(
        "36-dynamic-partial-join-for-multiple-instances",
        [
            "the condition over the results is asked after each completion",
            "the flow goes on when it holds, or when all are done",
        ],
        partial(Instances, 2, good=True),
        ["quote.for-each", "quote.complete"],
        last="compare",
        results={"quote": codes(0, 1)},
        survivors={
            "quote.for-each.not yet: without needs quote.for-each.open": FIRST,
            "quote.for-each.drained: without lacks quote.for-each in": AT_ONCE,
            "quote.for-each.drained: without lacks quote.for-each out": AT_ONCE,
            "quote.complete: put quote.for-each out once more": CLEARED,
        },
    ),
    Proof(
        "26-cancel-multiple-instance-task",
        ["all unfinished instances are withdrawn in the same step", "nothing follows"],
        partial(Tender, goes_on=False),
        ["close.c"],
        alike=["put end"],
        failures=False,
        survivors={
            "close.complete: put close.cancel-multiple-instance-task.stop quote once more": "the second finds nothing to end",
            "close.cancel-multiple-instance-task.end quote: without take quote.for-each.open": CLEARED,
            "close.cancel-multiple-instance-task.end quote: without clear quote.for-each.open": "it is taken",
            "close.cancel-multiple-instance-task.end quote: without clear quote.for-each.free": "it is empty while the task is open",
            "close.cancel-multiple-instance-task.end quote: without clear quote.for-each in": AT_ONCE,
            "close.cancel-multiple-instance-task.end quote: without clear quote.held": "nothing fails in this proof",
        },
    ),
    Proof(
        "27-complete-multiple-instance-task",
        [
            "all unfinished instances are withdrawn in the same step",
            "the successor runs, with the results there are",
        ],
        partial(Tender, goes_on=True),
        ["close.c"],
        failures=False,
        alike=["put end"],
        survivors={
            "close.complete: put close.complete-multiple-instance-task.stop quote once more": "the second finds nothing to end",
            "close.complete-multiple-instance-task.end quote: without take quote.for-each.open": CLEARED,
            "close.complete-multiple-instance-task.end quote: without clear quote.for-each.open": "it is taken",
            "close.complete-multiple-instance-task.end quote: without clear quote.for-each.free": "it is empty while the task is open",
            "close.complete-multiple-instance-task.end quote: without clear quote.for-each in": AT_ONCE,
            "close.complete-multiple-instance-task.end quote: without clear quote.held": "nothing fails in this proof",
        },
    ),
    Proof(
        "22-recursion",
        ["a task runs the net that it belongs to", "the inner net ends before the outer goes on"],
        Boxes,
        ["look.then", "open.complete", "open.start"],
        results={"look": codes(0, 1)},
        ends=frozenset((COMPLETED, CaseStatus.FAILED)),
        failures=False,
    ),
    Proof(
        "23-transient-trigger",
        ["acts only on a task that waits at that moment", "otherwise it is discarded"],
        Listens,
        ["open.transient-trigger", "open.start"],
        sends=["knock"],
        last="greet",
    ),
    Proof(
        "24-persistent-trigger",
        ["acts on a task that waits", "is kept otherwise, in order, until one waits"],
        Keeps,
        ["open.persistent-trigger", "open.start"],
        sends=["letter"],
        last="answer",
    ),
)
