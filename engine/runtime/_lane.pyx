# cython: language_level=3, wraparound=False
"""The lane's loop: plain steps of a case, one after the other, without the long way round.

What may be done here, and why the journal is the same, is told in `weft.engine.runtime.lanes`,
which prepares all that is read here. Each step first works out all of what it will do; anything
out of the ordinary (a fault, a route that nobody has learnt) is found before the first change, and
the step is left to the long way.
"""

import msgspec

cimport cython
from cpython cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from libc.math cimport isfinite
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, strlen
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, clockid_t, timespec

from weft.engine.case import CaseState, ScopeState, WorkItem
from weft.engine.events import (
    CaseStarted,
    TransitionFired,
    WorkItemCompleted,
    WorkItemOffered,
    WorkItemStarted,
    encode,
)
from weft.engine.instances import INDEX, Instances, Listing
from weft.engine.lifecycle import CaseStatus, ItemStatus
from weft.engine.ports import Work
from weft.engine.runtime.clock import SystemClock
from weft.engine.table import settle
from weft.native import kernel
from weft.schema.jsonvalue import checked

cdef object _RUNNING = CaseStatus.RUNNING
cdef object _COMPLETED = CaseStatus.COMPLETED
cdef object _STARTED = ItemStatus.STARTED
cdef object _OFFERED = ItemStatus.OFFERED
cdef object _CaseState = CaseState
cdef object _ScopeState = ScopeState
cdef object _WorkItem = WorkItem
cdef object _CaseStarted = CaseStarted
cdef object _TransitionFired = TransitionFired
cdef object _Instances = Instances
cdef object _Listing = Listing
cdef str _INDEX = INDEX
cdef object _WorkItemStarted = WorkItemStarted
cdef object _WorkItemCompleted = WorkItemCompleted
cdef object _WorkItemOffered = WorkItemOffered
cdef object _SystemClock = SystemClock
cdef object _checked = checked
cdef object _settle = settle
cdef object _enabled = kernel.enabled
cdef object _Work = Work
cdef object _encode = encode
cdef object _pack = msgspec.msgpack.Encoder().encode

cdef extern from "sha256.h":
    int sha256_has_instructions()
    void sha256(const unsigned char*, size_t, unsigned char*, int)

cdef extern from "Python.h":
    PyObject* PyDict_GetItemWithError(dict, object) except? NULL
    PyObject** PySequence_Fast_ITEMS(tuple)
    object PyObject_Vectorcall(object, PyObject**, size_t, PyObject*)
    void PyObject_GC_UnTrack(PyObject*)
    Py_ssize_t Py_REFCNT(PyObject*)
    bint PyUnicode_IS_COMPACT_ASCII(object)
    const char* PyUnicode_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)

cdef list _NOBODY = []
cdef dict _NUMBERS = {}  # the serials of a case that has started nothing; nobody writes to it

INPUT = object()  # what is declared of an input: nothing, and its literals are nobody's own
cdef object _INPUT = INPUT
REQUIRED = object()  # stands for the value of a variable that has to be given
cdef object _REQUIRED = REQUIRED

cpdef enum:
    TURN = 64  # so many attempts, and so many nanoseconds, a turn takes at least
    TURN_NS = 1_000_000
    SMALL_TEXT = 65536
    LITERAL = 0
    NAME = 1
    EXPRESSION = 2
    ANYTHING = 0
    INTEGER = 1
    NUMBER = 2
    TEXT = 3
    TRUTH = 4
    OTHER = 5


cdef class Value:
    """One entry of a mapping: its name, how its value is found, and what type it must have."""

    cdef readonly str name
    cdef readonly int kind
    cdef readonly object source
    cdef readonly int type
    cdef readonly object declared

    def __init__(self, str name, int kind, object source, int type=ANYTHING, object declared=None):
        self.name = name
        self.kind = kind
        self.source = source
        self.type = type
        self.declared = declared


cdef class LaneTask:
    """A task as the lane knows it.

    One that is not ``plain`` does not start in it; one that is not ``offers`` is not offered in it.
    """

    cdef readonly str name
    cdef readonly bint plain
    cdef public bint offers
    cdef readonly tuple inputs
    cdef readonly tuple outputs
    cdef readonly tuple input_names
    cdef readonly tuple output_names
    cdef readonly object seconds
    cdef readonly object call
    cdef readonly object function
    cdef readonly object direct
    cdef readonly object result
    cdef public Several several
    cdef tuple kinds
    cdef str prefix
    cdef list names
    cdef tuple input_keys
    cdef tuple output_keys

    def __init__(
        self, str name, bint plain, tuple inputs, tuple outputs, seconds, call, direct
    ):
        self.name = name
        self.plain = plain
        self.prefix = name + "/"
        self.inputs = inputs
        self.outputs = outputs
        self.input_names = tuple([(<Value> value).name for value in inputs])
        self.output_names = tuple([(<Value> value).name for value in outputs or ()])
        self.input_keys = keys(self.input_names)
        self.output_keys = keys(self.output_names)
        self.seconds = seconds
        self.call = call
        self.names = []
        if direct is not None:
            kinds = dict(direct.exact)
            if kinds.keys() == set(self.input_names):
                self.direct = direct
                self.function = direct.function
                self.kinds = tuple([kinds[name] for name in self.input_names])
                self.result = direct.result

    cdef str item(self, long number):
        """The id of an item."""
        if number < 256:
            while len(self.names) <= number:
                self.names.append(self.prefix + str(len(self.names)))
            return <str> self.names[number]
        return self.prefix + str(number)


cdef class Several:
    """What makes a task one with many instances.

    Args:
        item: The variable that an instance finds its item in; None: it has none.
        number: How many there are (`Value`): a list with an item for each, or with ``counted`` the
            number; None: as many as in the route.
        told: Whether the list is told in the journal.
        collect: What of a result is kept, as an expression; None: all of it.
        listed: The declared type of what is kept, or None.
        outputs: What is written of the results when all are gathered; None: all of them, to the
            variable ``result``, of the type ``declared`` if it has one.
        places: The markings of the book.
        watched: The transitions of ``image`` that a completion may enable and that act by
            themselves; None: nobody knows them all.
        moved: The places whose tokens a completion changes, and by how many.
    """

    cdef readonly str item
    cdef readonly object number
    cdef readonly bint counted
    cdef readonly bint told
    cdef readonly object collect
    cdef readonly object listed
    cdef readonly tuple outputs
    cdef readonly str result
    cdef readonly object declared
    cdef readonly dict places
    cdef readonly object image
    cdef readonly tuple watched
    cdef readonly tuple moved

    def __init__(self, item, number, counted, told, collect, listed, outputs, result, declared,
                 places, image, watched, moved):
        self.item = item
        self.number = number
        self.counted = counted
        self.told = told
        self.collect = collect
        self.listed = listed
        self.outputs = outputs
        self.result = result
        self.declared = declared
        self.places = places
        self.image = image
        self.watched = watched
        self.moved = moved

    cdef object found(self, dict data):
        """The number, or the list, with these data; None: it is neither."""
        cdef Value value = <Value> self.number
        given = value.source
        if value.kind == NAME:
            if value.source not in data:
                return None
            given = data[value.source]
        elif value.kind == EXPRESSION:
            given = value.source.evaluate(data)
        if self.counted:
            return given if type(given) is int and given >= 0 else None
        return given if type(given) is list else None

    cdef object asked(self, dict data):
        """How many instances there would be with these data; None: nobody can tell."""
        given = self.found(data)
        return len(given) if type(given) is list else given

    cdef dict gathered(self, dict data, dict results, long long first):
        """What is written of the results; None: something does not fit its type."""
        cdef Value value
        cdef dict written = {}
        cdef list numbers = sorted(results)
        cdef list ordered = [results[number] for number in numbers]
        if self.outputs is None:
            if self.declared is not None and self.declared.check(ordered, self.result):
                return None
            return {self.result: ordered}
        indices = [number - first for number in numbers]
        data = {**data, "results": ordered, "indices": indices, "completed": len(ordered)}
        for entry in self.outputs:
            value = <Value> entry
            given = value.source
            if value.kind == NAME:
                if given not in data:
                    return None
                given = data[given]
            elif value.kind == EXPRESSION:
                given = given.evaluate(data)
            given = _checked(given, what=value.name)
            if value.declared is not None and value.declared.check(given, value.name):
                return None
            written[value.name] = given
        return written

    cpdef Place quiet(self, bytes marking):
        """Where a case stands when an instance is completed and nothing follows; None: it does.

        That is what `weft.engine.decide` asks: of the transitions that the completion has touched,
        none is enabled that acts by itself.
        """
        cdef bytes after
        cdef int* cells
        if self.watched is None:
            return None
        after = PyBytes_FromStringAndSize(PyBytes_AS_STRING(marking), PyBytes_GET_SIZE(marking))
        cells = <int*> PyBytes_AS_STRING(after)
        for place, change in self.moved:
            cells[<int> place] += <int> change
        for transition in self.watched:
            if _enabled(self.image, after, transition):
                return None
        found = self.places.get(after)
        return Place(after) if found is None else <Place> found


@cython.final
cdef class Activation:
    """The instances of a task, as `Instances` has them; with an item for each, or None."""

    cdef long long count
    cdef long long first
    cdef long long next
    cdef list items
    cdef dict results

    cdef object frozen(self):
        return _Instances(
            self.count, self.first, self.next, (), (_Listing(self.first, self.items),), {},
            _settle(self.results.copy()),
        )


@cython.final
@cython.no_gc
cdef class Item:
    """An item, and what has become of it: nothing that it refers to can refer to it.

    ``written`` are the values that its completion wrote (one alone is no tuple), ``route`` is what followed on that, at
    ``time``. One without a task is the start of the case: ``written`` are the data then. That of an
    instance has its number, and what is kept of its result.
    """

    cdef readonly str name
    cdef readonly LaneTask task
    cdef readonly tuple inputs
    cdef object written
    cdef Route route
    cdef long long time
    cdef long long instance
    cdef long long born  # of two items, the older one has the smaller number


cdef class Start:
    """A task that starts, so many times, and by which transition."""

    cdef readonly LaneTask task
    cdef readonly str transition
    cdef readonly long times
    cdef bytes written  # what its event says behind the item and before the inputs

    def __init__(self, LaneTask task, str transition, long times=1):
        self.task = task
        self.transition = transition
        self.times = times
        cdef bytes said = _encode(_WorkItemStarted("", transition, task.name))
        self.written = said[len(b'{"item":""') : len(said) - 1]


cdef class Offer:
    """A task is offered to somebody."""

    cdef readonly LaneTask task

    def __init__(self, LaneTask task):
        self.task = task


cdef class Enter:
    """So many instances of a task begin; ``event`` says it, but for their items."""

    cdef readonly LaneTask task
    cdef readonly long number
    cdef readonly object event

    def __init__(self, LaneTask task, long number, event):
        self.task = task
        self.number = number
        self.event = event


cdef class Gather:
    """The results of the instances go where they belong; what follows is in ``tree``."""

    cdef readonly LaneTask task
    cdef readonly object event
    cdef public object tree

    def __init__(self, LaneTask task, event):
        self.task = task
        self.event = event


cdef class Route:
    """What follows on a step: events, and items that start; then where the case stands.

    ``then`` is None when the case is completed by it. The cases that went by it for the first time
    after the same others had the same ``serials`` before it, and have the same ones after it: those
    are shared, and so is an empty dict by all that start.
    """

    cdef readonly tuple steps
    cdef readonly Place then
    cdef dict serials_before
    cdef dict serials_after
    cdef list names  # of the items that it starts then
    cdef bint repeats  # a task starts more than once
    cdef list written  # those of its events that are always the same (`Told`)
    cdef bint many  # instances begin, start or end, or something is offered
    cdef long long events

    def __init__(self, tuple steps, Place then):
        self.steps = steps
        self.then = then
        self.events = 0
        started = set()
        for step in steps:
            if type(step) is Start:
                name = (<Start> step).task.name
                self.repeats = self.repeats or (<Start> step).times > 1 or name in started
                self.many = self.many or (<Start> step).task.several is not None
                started.add(name)
                self.events += (<Start> step).times
            else:
                self.many = self.many or type(step) in (Enter, Gather, Offer)
                self.events += 1
                if type(step) is Offer:
                    name = (<Offer> step).task.name
                    self.repeats = self.repeats or name in started
                    started.add(name)


cdef class Fork:
    """A guard, and what follows when it holds and when it does not; None: nobody knows yet."""

    cdef readonly object guard
    cdef public object yes
    cdef public object no

    def __init__(self, guard):
        self.guard = guard


cdef class Counted:
    """How many instances a task begins with, and what follows on each number."""

    cdef readonly LaneTask task
    cdef readonly dict by

    def __init__(self, LaneTask task):
        self.task = task
        self.by = {}


cdef class Place:
    """A marking in which a case may stand, and what follows when an item of a task is completed.

    ``after`` has a `Route`, or a `Fork`, `Counted` or `Gather` that leads to one, for each task of
    which one is known.
    """

    cdef readonly bytes marking
    cdef readonly dict after

    def __init__(self, bytes marking):
        self.marking = marking
        self.after = {}


@cython.final
cdef class Lane:
    """A case on the lane: what `CaseState` says of it, as it changes.

    All open items are waiting for their attempt, but the one that is ``held``: it is worked at; and
    those that are ``offered`` (None: none is). A case in which no other is open is *parked*.
    What has happened and is in no record yet is in ``log``, in few words: for each batch the item
    that was completed (for the first batch, one that stands for the start), and the items that its
    route started; after the batches at which a snapshot is due, the state.

    ``base`` is what the engine knows of the case besides; None: nobody has asked it yet, and
    ``origin`` says what it would be made of.
    """

    cdef readonly object compiled
    cdef readonly object case
    cdef readonly Place place
    cdef dict variables
    cdef dict serials
    cdef bint serials_shared
    cdef dict several
    cdef list offered
    cdef readonly object journal
    cdef long long born
    cdef list log
    cdef list waiting
    cdef Py_ssize_t head
    cdef readonly Item held
    cdef readonly bint calling
    cdef readonly long long sequence
    cdef readonly long long started
    cdef readonly long long updated
    cdef readonly long long snapshot_at
    cdef long long snapshot_every
    cdef readonly bint attached
    cdef public bint driving
    cdef object frozen
    cdef public object base
    cdef readonly object origin
    cdef public long long number
    # Of a lane that is told of: its batch to come, and the hash behind which it goes.
    cdef readonly object batch
    cdef readonly bytes link
    cdef bytes case_head  # the case, as each hash has it
    cdef object traceparent  # of its start
    # What a step will come to, once it is sure that it is plain.
    cdef tuple next_writes
    cdef dict next_data
    cdef list next_inputs
    cdef Route next_route
    # The same of one that is not durable yet.
    cdef readonly Route planned
    cdef list planned_items
    cdef long long planned_time
    cdef dict planned_serials
    cdef object planned_result

    def __init__(self, compiled, case, Place place, dict variables, dict serials,
                 long long sequence, long long started, long long updated,
                 long long snapshot_at, long long snapshot_every):
        self.stand(compiled, case, variables, serials, snapshot_every)
        self.place = place
        self.sequence = sequence
        self.started = started
        self.updated = updated
        self.snapshot_at = snapshot_at

    cdef int stand(
        self, compiled, case, dict variables, dict serials, long long snapshot_every
    ) except -1:
        """What there is at the beginning of any lane."""
        self.compiled = compiled
        self.case = case
        self.variables = variables
        self.serials = serials
        self.serials_shared = True
        self.waiting = fresh()
        self.log = fresh()
        self.snapshot_every = snapshot_every
        self.attached = True
        return 0

    def tell(self, batch, link):
        """From here on each step is planned first, and happens when it is durable.

        Args:
            batch: What each of them becomes, one after the other.
            link: The hash of the newest event.
        """
        self.batch = batch
        self.link = link
        self.case_head = f"{len(self.case)}:{self.case}".encode()

    @property
    def told(self):
        """Whether each step is told of, in a batch."""
        return self.batch is not None

    def wait(self, str name, LaneTask task, dict inputs, instance):
        """One more item is open."""
        cdef Item item = Item.__new__(Item)
        item.name = name
        item.task = task
        item.inputs = tuple([inputs[name] for name in task.input_names])
        item.instance = -1 if instance is None else <long long> instance
        item.born = self.born
        self.born += 1
        self.waiting.append(item)

    def offer(self, str name, LaneTask task, dict inputs):
        """One more item is offered."""
        self.put_out(name, task, tuple([inputs[name] for name in task.input_names]))

    cdef Item put_out(self, str name, LaneTask task, tuple inputs):
        cdef Item item = Item.__new__(Item)
        item.name = name
        item.task = task
        item.inputs = inputs
        item.instance = -1
        item.born = self.born
        self.born += 1
        if self.offered is None:
            self.offered = []
        self.offered.append(item)
        if self.journal is not None:
            self.journal.offered(self, name)
        return item

    def hear(self, journal):
        """What is offered is put on the work list of a journal, now and from now on."""
        self.journal = journal
        if self.offered is not None:
            for item in self.offered:
                journal.offered(self, (<Item> item).name)

    @property
    def parked(self):
        """Whether there is nothing to do until somebody acts who is outside."""
        return self.place is not None and self.held is None and self.head >= len(self.waiting)

    @property
    def offers(self):
        """The items that are offered."""
        return [] if self.offered is None else [(<Item> item).name for item in self.offered]

    def row(self, str name):
        """An item that is offered, as a row of the work list."""
        from weft.engine.runtime.live import open_row

        for entry in self.offered:
            item = <Item> entry
            if item.name == name:
                return open_row(
                    self.case, self.compiled.net.tasks[item.task.name], self.open_item(item, True)
                )

    cdef object open_item(self, Item item, bint offered):
        """An item as `CaseState` has it."""
        return _WorkItem(
            item.name,
            item.task.name,
            0,
            _OFFERED if offered else _STARTED,
            0 if offered else 1,
            dict(zip(item.task.input_names, item.inputs)),
            instance=None if item.instance < 0 else item.instance,
        )

    def entered(self, str task, long long count, long long first, long long next, items, results):
        """A task has instances."""
        cdef Activation activation = Activation.__new__(Activation)
        activation.count, activation.first, activation.next = count, first, next
        activation.items = None if items is None else list(items)
        activation.results = dict(results)
        if self.several is None:
            self.several = {}
        self.several[task] = activation

    @property
    def ended(self):
        """Whether the case is completed."""
        return self.place is None

    @property
    def status(self):
        """The status of the case."""
        return _COMPLETED if self.place is None else _RUNNING

    @property
    def data(self):
        """The variables of the case as they stand; a step makes others, and never changes these."""
        return self.variables

    def copied(self):
        """A copy of them; None: some are containers, and nobody else may have those."""
        cdef dict data = self.variables
        for value in data.values():
            kind = type(value)
            if kind is dict or kind is list:
                return None
        return data.copy()

    @property
    def ready(self):
        """The items that wait for their attempt, in its order."""
        return [(<Item> item).name for item in self.waiting[self.head:]]

    def detach(self):
        """Somebody else writes to the case: nothing more is done here."""
        self.attached = False

    def drained(self):
        """What has happened since this was called: times, and the events that have them."""
        cdef list told = []
        cdef list log = self.log
        cdef Py_ssize_t at = 0
        cdef Item item
        cdef Start start
        self.log = fresh()
        while at < len(log):
            if type(log[at]) is _CaseState:
                told.append(log[at])
                at += 1
                continue
            item = <Item> log[at]
            at += 1
            told.append(item.time)
            if item.task is None:
                compiled = self.compiled
                told.append(
                    _CaseStarted(
                        self.case, compiled.name, compiled.version, compiled.hash, item.written, None
                    )
                )
            elif item.instance >= 0:
                told.append(_WorkItemCompleted(item.name, result=item.written))
            else:
                written = (item.written,) if len(item.task.output_names) == 1 else item.written
                writes = dict(zip(item.task.output_names, written))
                told.append(_WorkItemCompleted(item.name, writes))
            if item.route is None:  # an instance that nothing follows on
                continue
            for step in item.route.steps:
                if type(step) is Start:
                    start = <Start> step
                    for _ in range(start.times):
                        item = <Item> log[at]
                        at += 1
                        told.append(
                            _WorkItemStarted(
                                item.name,
                                start.transition,
                                start.task.name,
                                0,
                                dict(zip(start.task.input_names, item.inputs)),
                                None,
                                None if item.instance < 0 else item.instance,
                            )
                        )
                elif type(step) is Offer:
                    item = <Item> log[at]
                    at += 1
                    told.append(
                        _WorkItemOffered(
                            item.name,
                            item.task.name,
                            0,
                            dict(zip(item.task.input_names, item.inputs)),
                        )
                    )
                elif type(step) is Enter:
                    event = (<Enter> step).event
                    if (<Enter> step).task.several.told:
                        event = _TransitionFired(
                            event.transition, 0, event.counts, event.cleared, items=log[at]
                        )
                        at += 1
                    told.append(event)
                elif type(step) is Gather:
                    event = (<Gather> step).event
                    if (<Gather> step).task.several.outputs is not None:
                        event = _TransitionFired(
                            event.transition, 0, (), event.cleared, writes=log[at]
                        )
                        at += 1
                    told.append(event)
                else:
                    told.append(step)
        return told

    # ── steps ────────────────────────────────────────────────────────────────────────────────

    cdef bint begin(self, object after, long long now) except -1:
        """The case starts, by a route that is known; False: nobody knows one."""
        cdef list starts = []
        cdef Item item
        after = routed(after, self.variables)
        if after is None or not self.opened(<Route> after, self.variables, starts):
            return False
        item = Item.__new__(Item)
        item.instance = -1
        item.written = self.variables
        item.time = self.started = now
        self.log.append(item)
        self.sequence = 1
        self.follow(item, <Route> after, starts)
        return True

    cdef bint opened(self, Route route, dict data, list starts) except -1:
        """Work out the inputs of what a route starts; False: there is something about them."""
        if route.many:
            return self.opened_many(route, data, starts)
        for step in route.steps:
            if type(step) is Start:
                inputs = found((<Start> step).task.inputs, data, None, None)
                if inputs is None:
                    return False
                starts.append(inputs)
        return True

    cdef bint opened_many(self, Route route, dict data, list starts) except -1:
        """The same where some are instances; the lists of items are among the inputs."""
        cdef Start start
        cdef Several several
        cdef Activation activation
        cdef dict firsts = {}
        cdef dict lists = {}
        cdef dict own
        cdef long long first, next
        for step in route.steps:
            if type(step) is Enter:
                task = (<Enter> step).task
                several = (<LaneTask> task).several
                items = None
                if several.number is not None and not several.counted:
                    items = several.found(data)
                    if items is None or len(items) != (<Enter> step).number:
                        return False
                starts.append(items)
                lists[task] = items
                activation = self.activation(task)
                firsts[task] = 0 if activation is None else activation.count
            elif type(step) is Offer:
                inputs = found((<Offer> step).task.inputs, data, None, None)
                if inputs is None:
                    return False
                starts.append(inputs)
            elif type(step) is Start:
                start = <Start> step
                several = start.task.several
                if several is None or not start.task.inputs:
                    for _ in range(start.times):
                        inputs = found(start.task.inputs, data, None, None)
                        if inputs is None:
                            return False
                        starts.append(inputs)
                    continue
                activation = self.activation(start.task)
                if start.task in firsts:
                    first = next = firsts[start.task]
                    items = lists[start.task]
                elif activation is None:
                    return False
                else:
                    first, next, items = activation.first, activation.next, activation.items
                for number in range(start.times):
                    own = {_INDEX: next + number - first}
                    if several.item is not None:
                        own[several.item] = (
                            None if items is None else (<list> items)[next + number - first]
                        )
                    inputs = found(start.task.inputs, data, None, own)
                    if inputs is None:
                        return False
                    starts.append(inputs)
        return True

    cdef Activation activation(self, LaneTask task):
        return None if self.several is None else <Activation> self.several.get(task.name)

    cdef int follow(self, Item cause, Route route, list starts) except -1:
        """Let a route happen."""
        cdef LaneTask task
        cdef long number
        cdef Py_ssize_t index = 0
        cdef list log = self.log
        cdef dict serials = self.serials
        cdef dict known = serials if self.serials_shared else None
        cdef bint same = known is not None and route.serials_before is known
        cdef Item item
        cdef Activation activation
        cdef long long instance
        cause.route = route
        if starts and known is not None and not same:
            serials = self.serials = serials.copy()
            self.serials_shared = False
        for step in route.steps:
            if type(step) is Start:
                task = (<Start> step).task
                if same and not route.many:
                    item = Item.__new__(Item)
                    item.name = <str> route.names[index]
                    item.task = task
                    item.inputs = <tuple> starts[index]
                    item.instance = -1
                    item.born = self.born
                    self.born += 1
                    index += 1
                    log.append(item)
                    self.waiting.append(item)
                    continue
                before = PyDict_GetItemWithError(serials, task.name)
                number = 1 if before is NULL else <long> <object> before + 1
                instance = -1
                if task.several is not None:
                    activation = self.activation(task)
                    instance = activation.next
                    activation.next += (<Start> step).times
                for _ in range((<Start> step).times):
                    item = Item.__new__(Item)
                    item.name = task.item(number)
                    item.task = task
                    item.inputs = <tuple> starts[index]
                    item.instance = instance
                    item.born = self.born
                    self.born += 1
                    index += 1
                    number += 1
                    if instance >= 0:
                        instance += 1
                    log.append(item)
                    self.waiting.append(item)
                if not same:
                    serials[task.name] = number - 1
            elif type(step) is Offer:
                task = (<Offer> step).task
                before = PyDict_GetItemWithError(serials, task.name)
                number = 1 if before is NULL else <long> <object> before + 1
                if not same:
                    serials[task.name] = number
                log.append(self.put_out(task.item(number), task, <tuple> starts[index]))
                index += 1
            elif type(step) is Enter:
                activation = self.activation((<Enter> step).task)
                if activation is None:
                    self.entered((<Enter> step).task.name, 0, 0, 0, None, ())
                    activation = self.activation((<Enter> step).task)
                activation.first = activation.next = activation.count
                activation.count += (<Enter> step).number
                activation.items = starts[index]
                activation.results = {}
                index += 1
                if (<Enter> step).task.several.told:
                    log.append(activation.items)
            elif type(step) is Gather:
                self.activation((<Gather> step).task).results = {}
                if (<Gather> step).task.several.outputs is not None:
                    log.append(starts[index])
                index += 1
        if same:
            self.serials = route.serials_after
        elif starts and known is not None and route.serials_before is None and not route.repeats:
            route.serials_after = serials
            if not route.many:
                route.names = [(<Item> started).name for started in log[len(log) - index :]]
            route.serials_before = known
            self.serials_shared = True
        self.sequence += route.events
        self.place = route.then
        return self.stepped(cause)

    cdef int stepped(self, Item cause) except -1:
        """A batch has been told."""
        self.updated = cause.time
        self.frozen = None
        if self.place is None:
            self.waiting = _NOBODY
            self.head = 0
        if self.sequence - self.snapshot_at >= self.snapshot_every:
            state = self.freeze()
            self.log.append(state)  # who reads on another thread may have the log from above
            self.snapshot_at = self.sequence
        return 0

    cdef bint follows(self, Item item, object result) except -1:
        """Work out what follows when an item is completed; False: something is not plain."""
        cdef LaneTask task = item.task
        cdef dict data
        cdef object after
        if task.several is not None or not is_small(result):
            return False
        if type(result) is dict or type(result) is list:
            result = _checked(result, what="result")
        writes = found(task.outputs, self.variables, result, None)
        if writes is None:
            return False
        data = self.variables
        if <tuple> writes:
            data = data.copy()  # those who look on, on other threads too, have the old ones
            put(data, task.output_names, <tuple> writes)
        self.next_inputs = []
        after = routed(self.place.after.get(task), data)
        if after is None or not self.opened(<Route> after, data, self.next_inputs):
            return False
        self.next_writes = <tuple> writes
        self.next_data = data
        self.next_route = <Route> after
        return True

    cdef bint complete(self, Item item, object result, long long now) except -1:
        """Complete an item; False: something is not plain, and nothing has happened."""
        if item.task.several is not None:
            return self.complete_one(item, result, now)
        if not self.follows(item, result):
            return False
        # Nothing below fails.
        self.held = None
        self.variables = self.next_data
        item.written = self.next_writes
        if len(self.next_writes) == 1:
            item.written = self.next_writes[0]
        item.time = now
        self.log.append(item)
        self.sequence += 1
        self.follow(item, self.next_route, self.next_inputs)
        self.next_inputs = None
        return True

    cdef bint complete_one(self, Item item, object result, long long now) except -1:
        """Complete an instance; False: something is not plain, and nothing has happened."""
        cdef LaneTask task = item.task
        cdef Several several = task.several
        cdef Activation activation = self.activation(task)
        cdef Place place
        cdef dict data = self.variables
        cdef dict own, results, written
        cdef list starts
        if activation is None or item.instance < activation.first or not is_small(result):
            return False
        if type(result) is dict or type(result) is list:
            result = _checked(result, what="result")
        if several.collect is not None:
            own = {**data, _INDEX: item.instance - activation.first}
            if several.item is not None:
                own[several.item] = (
                    None
                    if activation.items is None
                    else activation.items[item.instance - activation.first]
                )
            own["result"] = result
            result = _checked(several.collect.evaluate(own), what="result")
            if not is_small(result):
                return False
        if several.listed is not None and several.listed.check(result, "result"):
            return False
        after = None
        if self.place.after is not None:
            after = self.place.after.get(task)
        if after is None:
            place = several.quiet(self.place.marking)
            if place is None:
                return False
            self.place = place
            item.written = result
            item.time = now
            self.log.append(item)
            activation.results[item.instance] = result
            self.held = None
            self.sequence += 1
            self.stepped(item)
            return True
        starts = []
        if type(after) is Gather:
            results = {**activation.results, item.instance: result}
            written = several.gathered(data, results, activation.first)
            if written is None:
                return False
            starts.append(written)
            data = {**data, **written}
            after = (<Gather> after).tree
        after = routed(after, data)
        if after is None or not self.opened(<Route> after, data, starts):
            return False
        # Nothing below fails.
        activation.results[item.instance] = result
        self.held = None
        self.variables = data
        item.written = result
        item.time = now
        self.log.append(item)
        self.sequence += 1
        self.follow(item, <Route> after, starts)
        return True

    # ── steps that are told of ───────────────────────────────────────────────────────────────

    cdef bint plan(self, Route route, dict data, list inputs, long long now) except -1:
        """Plan what follows on an event; False: a snapshot, or instances: not for here."""
        cdef LaneTask task
        cdef Item item
        cdef long number
        cdef Py_ssize_t index = 0
        cdef list items = []
        cdef dict known = self.serials
        cdef dict serials = known
        cdef bint same = self.serials_shared and route.serials_before is known
        if route.many:
            return False
        if self.sequence + 1 + len(route.steps) - self.snapshot_at >= self.snapshot_every:
            return False
        if inputs and not same:
            serials = known.copy()
        for step in route.steps:
            if type(step) is Start:
                task = (<Start> step).task
                item = Item.__new__(Item)
                if same:
                    item.name = <str> route.names[index]
                else:
                    before = PyDict_GetItemWithError(serials, task.name)
                    number = 1 if before is NULL else <long> <object> before + 1
                    serials[task.name] = number
                    item.name = task.item(number)
                item.task = task
                item.inputs = <tuple> inputs[index]
                item.instance = -1
                index += 1
                items.append(item)
        if same:
            serials = route.serials_after
        elif inputs and route.serials_before is None and not route.repeats and self.serials_shared:
            route.serials_after = serials
            route.names = [(<Item> begun).name for begun in items]
            route.serials_before = known
        self.planned = route
        self.planned_items = items
        self.planned_time = now
        self.planned_serials = serials
        self.next_data = data
        return True

    cdef bint plan_start(self, object after, object traceparent, long long now) except -1:
        """Plan the start of the case, by a route that is known; False: nobody knows one."""
        cdef list inputs = []
        after = routed(after, self.variables)
        if after is None or not self.opened(<Route> after, self.variables, inputs):
            return False
        if not self.plan(<Route> after, self.variables, inputs, now):
            return False
        self.traceparent = traceparent
        self.write()
        return True

    def attempt(self, engine, outcome, failed, prepare, perform):
        """Make the attempt at the next item, and plan what follows on it.

        Returns:
            None when that is planned, else the name of the item that has to go the long way, with
            how its attempt has ended (None: it was not made).
        """
        cdef Item item
        cdef dict arguments = None
        cdef object result
        cdef long long now
        if self.held is not None:  # Ctrl-C has ended its attempt
            return self.held.name, None
        item = <Item> self.waiting[self.head]
        for value in item.inputs:
            if not is_scalar(value):
                try:
                    arguments = prepare(dict(zip(item.task.input_names, item.inputs)))
                except Exception:
                    return item.name, None
                break
        self.head += 1
        self.held = item
        self.frozen = None
        self.calling = True
        try:
            if perform is None:
                result = self.performed(item, arguments, engine)
            else:
                if arguments is None:
                    arguments = dict(zip(item.task.input_names, item.inputs))
                result = perform(self.work(item, arguments, engine), item.task.name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return item.name, failed(error)
        finally:
            self.calling = False
        if not self.attached or engine.stands:
            return item.name, outcome(result)
        now = read(engine.clock)
        try:
            if self.follows(item, result) and self.plan(
                self.next_route, self.next_data, self.next_inputs, now
            ):
                self.write()
                self.planned_result = result
                return None
        except Exception:  # an expression has failed, or what it comes to cannot be stored
            self.planned = None
        return item.name, outcome(result)

    cdef int write(self) except -1:
        """Make what is planned the batch: its events encoded, and in the chain of hashes.

        `weft.engine.events` has what is written, and `record` there writes the same.
        """
        cdef Route route = self.planned
        cdef Item item = self.held
        cdef Start start
        cdef Told told
        cdef Py_ssize_t at = 0
        cdef Writer out = Writer.__new__(Writer)
        out.begin(self.case_head, self.sequence, self.link, self.planned_time, 1 + len(route.steps))
        if item is None:
            out.started(self)
        else:
            out.text('{"item":')
            out.json(item.name)
            out.entries(b',"writes":{', item.task.output_keys, self.next_writes)
            out.text("}")
            out.end(_ITEM_COMPLETED)
        if route.written is None:
            route.written = [
                None if type(step) is Start else told_of(step, _encode(step))
                for step in route.steps
            ]
        for known in route.written:
            if known is None:
                item = <Item> self.planned_items[at]
                start = <Start> route.steps[out.rows - 1]
                at += 1
                out.text('{"item":')
                out.json(item.name)
                out.put(start.written)
                out.entries(b',"inputs":{', item.task.input_keys, item.inputs)
                out.text("}")
                out.end(_ITEM_STARTED)
            else:
                told = <Told> known
                out.put(told.data)
                out.end(told)
        batch = self.batch
        batch.expected = self.sequence
        batch.sequence = out.sequence
        batch.updated = self.planned_time
        batch.packed = out.packed()
        batch.link = out.link()
        batch.status = "running" if route.then is not None else "completed"
        return 0

    @property
    def events(self):
        """The events of what is planned."""
        cdef Item item = self.held
        compiled = self.compiled
        if item is None:
            made = [
                _CaseStarted(
                    self.case, compiled.name, compiled.version, compiled.hash, self.variables,
                    self.traceparent,
                )
            ]
        else:
            writes = dict(zip(item.task.output_names, self.next_writes))
            made = [_WorkItemCompleted(item.name, writes)]
        begun = iter(self.planned_items)
        for step in self.planned.steps:
            if type(step) is Start:
                item = <Item> next(begun)
                inputs = dict(zip(item.task.input_names, item.inputs))
                step = _WorkItemStarted(
                    item.name, (<Start> step).transition, item.task.name, 0, inputs
                )
            made.append(step)
        return made

    def confirm(self):
        """What is planned is durable: it happens."""
        cdef Route route = self.planned
        self.planned = None
        self.planned_result = None
        self.held = None
        self.variables = self.next_data
        self.serials = self.planned_serials
        if self.head > 1024:
            del self.waiting[:self.head]
            self.head = 0
        self.waiting.extend(self.planned_items)
        self.planned_items = None
        self.sequence += 1 + len(route.steps)
        self.updated = self.planned_time
        self.place = route.then
        self.link = <bytes> self.batch.link
        self.frozen = None
        if route.then is None:
            self.waiting = _NOBODY
            self.head = 0

    def give_up(self):
        """What is planned does not happen; the result of the attempt that was made for it."""
        result = self.planned_result
        self.planned = None
        self.planned_result = None
        return result

    def run(self, engine, outcome, failed, prepare):
        """Do what waits, until somebody is to be told of each batch or another writes to the case.

        Returns:
            None when nothing waits any more, True when the turn is over and something does, else
            the name of the item that has to go the long way, with how its attempt has ended (None:
            it was not made).
        """
        cdef Py_ssize_t done = 0
        cdef long long now
        cdef object clock = engine.clock
        cdef long long* latest = NULL
        cdef Item item
        cdef dict arguments
        cdef dict known = engine.__dict__
        cdef object result
        cdef long long began = 0
        if type(clock) is _SystemClock:
            latest = (<array.array> clock.latest).data.as_longlongs
        if self.held is not None:  # Ctrl-C has ended its attempt
            return self.held.name, None
        if told(known) and self.head < len(self.waiting):
            return (<Item> self.waiting[self.head]).name, None
        while self.head < len(self.waiting):
            item = <Item> self.waiting[self.head]
            if not self.attached:
                return item.name, None
            if done % TURN == 0:
                if done == 0:
                    began = nanoseconds(CLOCK_MONOTONIC)
                elif nanoseconds(CLOCK_MONOTONIC) - began > TURN_NS:
                    return True
            done += 1
            arguments = None
            for value in item.inputs:
                if not is_scalar(value):
                    try:
                        arguments = prepare(dict(zip(item.task.input_names, item.inputs)))
                    except Exception:
                        return item.name, None
                    break
            self.head += 1
            if self.head > 1024:
                del self.waiting[:self.head]
                self.head = 0
            self.held = item
            self.frozen = None
            self.calling = True
            try:
                result = self.performed(item, arguments, engine)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                return item.name, failed(error)
            finally:
                self.calling = False
            if not self.attached or told(known):
                return item.name, outcome(result)
            now = read(clock) if latest is NULL else ticked(latest)
            try:
                if not self.complete(item, result, now):
                    return item.name, outcome(result)
            except Exception:  # an expression has failed, or the result is no JSON
                return item.name, outcome(result)
        if self.head and self.place is not None:  # it may stand here for long
            del self.waiting[:]
            self.head = 0
        return None

    cdef object performed(self, Item item, dict arguments, object engine):
        """The result of an attempt."""
        cdef LaneTask task = item.task
        cdef tuple inputs = item.inputs
        cdef bint exact = task.function is not None
        cdef Py_ssize_t i
        if exact:
            for i in range(len(inputs)):
                kind = task.kinds[i]
                if kind is not None and type(inputs[i]) is not kind:
                    exact = False
                    break
        if not exact:
            if arguments is None:
                arguments = dict(zip(task.input_names, inputs))
            return task.call(self.work(item, arguments, engine))
        try:
            if arguments is None:
                result = PyObject_Vectorcall(
                    task.function, PySequence_Fast_ITEMS(inputs), 0,
                    <PyObject*> task.input_names if len(inputs) else NULL,
                )
            else:
                result = task.function(**arguments)
        except BaseException as error:
            why = task.direct.failed(error)
            if why is error:
                raise
            raise why from error
        kind = type(result)
        if (kind is int or kind is str or kind is bool or kind is float or result is None) and (
            task.result is None or task.result is kind
        ):
            return result if is_small(result) else task.direct.finish(result)
        return task.direct.finish(result)

    cdef object work(self, Item item, dict arguments, object engine):
        """The attempt as a connector sees it."""
        return _Work(
            self.case, item.name, item.task.name, 1, f"{self.case}:{item.name}", arguments,
            item.task.seconds, None, engine.hold(self).token.child(),
        )

    # ── the state ────────────────────────────────────────────────────────────────────────────

    def freeze(self):
        """The case as it stands.

        Whoever asks on another thread gets it as it stood when he asked: the parts are read
        together, before anything is made of them, and are kept only if they are still the newest.
        """
        cdef dict tally, items
        cdef tuple key
        cdef Item item
        cdef long long sequence
        if self.frozen is not None:
            return self.frozen
        self.serials_shared = True
        sequence, place, held = self.sequence, self.place, self.held
        variables, serials, waiting = self.variables, self.serials, self.waiting[self.head:]
        offered = () if self.offered is None or place is None else tuple(self.offered)
        compiled = self.compiled
        marking = bytes(len(compiled.net.initial)) if place is None else (<Place> place).marking
        scope = _ScopeState(0, compiled.root, marking, variables)
        if self.several is not None and place is not None:
            several = {
                name: (<Activation> activation).frozen()
                for name, activation in self.several.items()
            }
            scope = _ScopeState(0, compiled.root, marking, variables, instances=several)
        items, tally = {}, {}
        held_first = waiting if held is None else [held, *waiting]
        if offered:
            held_first = sorted([*held_first, *offered], key=_born)
        for found in held_first:
            item = <Item> found
            task = item.task
            status = _OFFERED if item in offered else _STARTED
            items[item.name] = self.open_item(item, status is _OFFERED)
            key = (0, task.name, status)
            tally[key] = tally.get(key, 0) + 1
        made = _CaseState(
            self.case,
            compiled,
            _COMPLETED if place is None else _RUNNING,
            {0: scope},
            _settle(items),
            serials,
            1,
            None,
            tally,
        )
        if sequence == self.sequence and held is self.held:
            self.frozen = made
        return made


cdef inline long long nanoseconds(clockid_t clock) noexcept:
    """What a clock of the machine says."""
    cdef timespec now
    clock_gettime(clock, &now)
    return <long long> now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef inline long long ticked(long long* latest) noexcept:
    """What `SystemClock.now` would say; ``latest`` is its memory."""
    cdef long long now = nanoseconds(CLOCK_REALTIME) // 1000
    if now > latest[0]:
        latest[0] = now
    return latest[0]


cdef long long read(object clock) except -1:
    """What a clock says, of whatever kind."""
    if type(clock) is _SystemClock:
        return ticked((<array.array> clock.latest).data.as_longlongs)
    return clock.now()


cdef bint told(dict engine) except -1:
    """Whether somebody is to be told of each batch, or no new work may start."""
    cdef PyObject* listeners = PyDict_GetItemWithError(engine, "listeners")
    cdef PyObject* tracing = PyDict_GetItemWithError(engine, "tracing")
    cdef PyObject* draining = PyDict_GetItemWithError(engine, "_draining")
    if listeners is NULL or tracing is NULL or draining is NULL:
        return True
    return (
        len(<object> listeners) > 0
        or <object> tracing is not None
        or <object> draining is not False
    )


def started(compiled, case, dict data, first, origin, clock, long long snapshot_every):
    """The lane of a case that starts now by a route that is known; None: nobody knows one.

    An expression may fail: then the long way says how.
    """
    cdef Lane lane = Lane.__new__(Lane)
    lane.stand(compiled, case, data, _NUMBERS, snapshot_every)
    lane.origin = origin
    return lane if lane.begin(first, read(clock)) else None


def starting(compiled, case, dict data, first, batch, link, traceparent, long long snapshot_every):
    """The lane of a case whose start is planned, and told of by a batch; None: as `started`.

    Raises:
        Exception: An expression has failed, or something cannot be stored.
    """
    cdef Lane lane = Lane.__new__(Lane)
    lane.stand(compiled, case, data, _NUMBERS, snapshot_every)
    lane.started = lane.updated = batch.started
    lane.tell(batch, link)
    return lane if lane.plan_start(first, traceparent, lane.started) else None


# ── what a batch is written as ───────────────────────────────────────────────────────────────


cdef int _BY_INSTRUCTIONS = sha256_has_instructions()


def digest(bytes data, bint plain=False):
    """The SHA-256 of a text; ``plain``: without the instructions of the processor for it."""
    cdef unsigned char found[32]
    cdef const char* start = PyBytes_AS_STRING(data)
    cdef size_t size = <size_t> PyBytes_GET_SIZE(data)
    sha256(<const unsigned char*> start, size, found, 0 if plain else _BY_INSTRUCTIONS)
    return PyBytes_FromStringAndSize(<char*> found, 32)


cdef tuple keys(tuple names):
    """In the order in which they are written: which name it is, and what is before its value."""
    cdef list order = list(msgspec.json.decode(_encode(dict.fromkeys(names))))
    return tuple(
        [(names.index(name), (b"," if at else b"") + _encode(name) + b":")
         for at, name in enumerate(order)]
    )


@cython.final
cdef class Told:
    """A type of event: how the row of one begins, what its hash has of it, and for some the data."""

    cdef bytes row
    cdef bytes hashed
    cdef bytes data


cdef Told told_of(object event, bytes data):
    cdef Told made = Told.__new__(Told)
    name, version = type(event).__name__, event.version
    made.row = b"\x95" + _pack(name) + _pack(version)  # an array of five
    made.hashed = f":{name}:{version}:".encode()
    made.data = data
    return made


cdef Told _ITEM_STARTED = told_of(WorkItemStarted("", ""), None)
cdef Told _ITEM_COMPLETED = told_of(WorkItemCompleted(""), None)
cdef Told _CASE_STARTED = told_of(CaseStarted("", "", "", ""), None)


cdef struct Text:
    char* bytes
    Py_ssize_t size
    Py_ssize_t room


cdef int grow(Text* text, Py_ssize_t by) except -1:
    cdef Py_ssize_t room = max(2 * text.room, text.size + by, 512)
    cdef char* moved = <char*> realloc(text.bytes, <size_t> room)
    if moved is NULL:
        raise MemoryError
    text.bytes = moved
    text.room = room
    return 0


cdef inline int add(Text* text, const char* what, Py_ssize_t size) except -1:
    if text.room - text.size < size:
        grow(text, size)
    memcpy(text.bytes + text.size, what, <size_t> size)
    text.size += size
    return 0


cdef inline int add_number(Text* text, long long number) except -1:
    """A number in decimal digits."""
    cdef char digits[24]
    cdef int at = 24
    cdef unsigned long long left = <unsigned long long> number
    if number < 0:
        left = 0 - left
    while True:
        at -= 1
        digits[at] = <char> (c'0' + <int> (left % 10))
        left //= 10
        if left == 0:
            break
    if number < 0:
        at -= 1
        digits[at] = c'-'
    return add(text, digits + at, 24 - at)


cdef inline int add_big_endian(Text* text, char kind, unsigned long long number, int size) except -1:
    """A byte that says what comes, and a number of so many bytes."""
    cdef char into[9]
    cdef int i
    into[0] = kind
    for i in range(size):
        into[size - i] = <char> (number & 0xff)
        number >>= 8
    return add(text, into, size + 1)


cdef inline bint written_as_it_is(object text):
    """Whether JSON writes a string as it is, between quotes."""
    cdef const unsigned char* at
    cdef Py_ssize_t i
    if not PyUnicode_IS_COMPACT_ASCII(text):
        return False
    at = <const unsigned char*> PyUnicode_DATA(text)
    for i in range(PyUnicode_GET_LENGTH(text)):
        if at[i] < 0x20 or at[i] == 0x7f or at[i] == c'"' or at[i] == c'\\':
            return False
    return True


@cython.final
@cython.no_gc
cdef class Writer:
    """Writes the rows of a batch, as `Encoded` has them: in MessagePack, the data in JSON.

    An event is first written, then ended: that makes its link of the chain of hashes, and its row.
    """

    cdef bytes case
    cdef bytes time
    cdef bytes stamp
    cdef long long sequence
    cdef Py_ssize_t rows
    cdef unsigned char before[32]
    cdef Text event
    cdef Text hashed
    cdef Text batch

    def __dealloc__(self):
        free(self.event.bytes)
        free(self.hashed.bytes)
        free(self.batch.bytes)

    cdef int begin(
        self, bytes case, long long sequence, bytes link, long long time, Py_ssize_t rows
    ) except -1:
        """So many events come behind that one, which has this hash."""
        cdef object now = time
        if PyBytes_GET_SIZE(link) != 32:
            raise ValueError("a link has 32 bytes")
        self.case = case
        self.sequence = sequence
        self.time = _pack(now)
        self.stamp = b"%d:" % now
        memcpy(self.before, PyBytes_AS_STRING(link), 32)
        if rows < 16:
            add_big_endian(&self.batch, <char> (0x90 + rows), 0, 0)
        else:
            add_big_endian(&self.batch, <char> 0xdd, <unsigned long long> rows, 4)
        return 0

    cdef inline int text(self, const char* text) except -1:
        return add(&self.event, text, <Py_ssize_t> strlen(text))

    cdef inline int put(self, bytes text) except -1:
        return add(&self.event, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))

    cdef int json(self, object value) except -1:
        """A value, the same way as `weft.engine.events.encode` writes it."""
        cdef int overflow = 0
        cdef long long number
        kind = type(value)
        if kind is str:
            if written_as_it_is(value):
                add(&self.event, b'"', 1)
                add(&self.event, PyUnicode_DATA(value), PyUnicode_GET_LENGTH(value))
                return add(&self.event, b'"', 1)
        elif kind is int:
            number = PyLong_AsLongLongAndOverflow(value, &overflow)
            if overflow == 0:
                return add_number(&self.event, number)
        elif value is None:
            return add(&self.event, b"null", 4)
        elif value is True:
            return add(&self.event, b"true", 4)
        elif value is False:
            return add(&self.event, b"false", 5)
        return self.put(<bytes> _encode(value))

    cdef int entries(self, bytes opened, tuple keys, tuple values) except -1:
        """A field that is an object; an empty one is left out."""
        if not keys:
            return 0
        self.put(opened)
        for entry in keys:
            self.put(<bytes> (<tuple> entry)[1])
            self.json(values[<Py_ssize_t> (<tuple> entry)[0]])
        return add(&self.event, b"}", 1)

    cdef int started(self, Lane lane) except -1:
        """The start of a case."""
        compiled = lane.compiled
        self.put(
            <bytes> _encode(
                _CaseStarted(
                    lane.case, compiled.name, compiled.version, compiled.hash, lane.variables,
                    lane.traceparent,
                )
            )
        )
        return self.end(_CASE_STARTED)

    cdef int end(self, Told told) except -1:
        """The event is written: it becomes the next row."""
        cdef Text* hashed = &self.hashed
        cdef Text* batch = &self.batch
        cdef Py_ssize_t size = self.event.size
        self.rows += 1
        self.sequence += 1
        hashed.size = 0
        add(hashed, <char*> self.before, 32)
        add(hashed, PyBytes_AS_STRING(self.case), PyBytes_GET_SIZE(self.case))
        add_number(hashed, self.sequence)
        add(hashed, PyBytes_AS_STRING(told.hashed), PyBytes_GET_SIZE(told.hashed))
        add(hashed, PyBytes_AS_STRING(self.stamp), PyBytes_GET_SIZE(self.stamp))
        add_number(hashed, size)
        add(hashed, b":", 1)
        add(hashed, self.event.bytes, size)
        sha256(
            <unsigned char*> hashed.bytes, <size_t> hashed.size, self.before, _BY_INSTRUCTIONS
        )
        add(batch, PyBytes_AS_STRING(told.row), PyBytes_GET_SIZE(told.row))
        add(batch, PyBytes_AS_STRING(self.time), PyBytes_GET_SIZE(self.time))
        if size < 256:
            add_big_endian(batch, <char> 0xc4, <unsigned long long> size, 1)
        elif size < 65536:
            add_big_endian(batch, <char> 0xc5, <unsigned long long> size, 2)
        else:
            add_big_endian(batch, <char> 0xc6, <unsigned long long> size, 4)
        add(batch, self.event.bytes, size)
        add_big_endian(batch, <char> 0xc4, 32, 1)
        add(batch, <char*> self.before, 32)
        self.event.size = 0
        return 0

    cdef object packed(self):
        """All rows."""
        return PyBytes_FromStringAndSize(self.batch.bytes, self.batch.size)

    cdef object link(self):
        """The hash of the last one."""
        return PyBytes_FromStringAndSize(<char*> self.before, 32)


cdef list fresh():
    """A list that the garbage collector passes by: nothing in a log refers to it."""
    cdef list made = []
    PyObject_GC_UnTrack(<PyObject*> made)
    return made


def _born(item):
    return (<Item> item).born


cdef object routed(object after, dict data):
    """The route that follows with these data; None: nobody knows it."""
    cdef Fork fork
    while True:
        if type(after) is Fork:
            fork = <Fork> after
            after = fork.yes if fork.guard.test(data) else fork.no
        elif type(after) is Counted:
            after = (<Counted> after).by.get((<Counted> after).task.several.asked(data))
        else:
            return after


cdef bint is_scalar(object value):
    """Whether a value is shared with everybody as it is, and stands for nothing else."""
    kind = type(value)
    if kind is int or kind is bool or value is None or kind is float:
        return True
    return kind is str and not (<str> value).startswith("weft-blob:")


cdef bint is_small(object value) except -1:
    """Whether a value is case data, and so small that nobody need weigh it."""
    kind = type(value)
    cdef int overflow = 0
    if kind is int:
        PyLong_AsLongLongAndOverflow(value, &overflow)
        return overflow == 0
    if kind is bool or value is None:
        return True
    if kind is str:
        return len(<str> value) < SMALL_TEXT and (<str> value).isascii() and not (
            <str> value
        ).startswith("weft-blob:")
    if kind is float:
        return isfinite(<double> value)
    if kind is dict:
        if len(<dict> value) > 64:
            return False
        for key, part in (<dict> value).items():
            if type(key) is not str or not is_small_part(key) or not is_small_part(part):
                return False
        return True
    if kind is list:
        if len(<list> value) > 64:
            return False
        for part in <list> value:
            if not is_small_part(part):
                return False
        return True
    return False


cdef bint is_small_part(object value) except -1:
    """The same of a part, which is no container."""
    kind = type(value)
    if kind is dict or kind is list:
        return False
    return (kind is not str or len(<str> value) < 1024) and is_small(value)


cdef int put(dict into, tuple names, tuple values) except -1:
    """Give names their values."""
    cdef Py_ssize_t i
    for i in range(len(names)):
        into[names[i]] = values[i]
    return 0


cdef bint fits(Value value, object given) except -1:
    """Whether a value has the type that is declared."""
    kind = type(given)
    if value.type == ANYTHING:
        return True
    if value.type == INTEGER:
        return kind is int
    if value.type == NUMBER:
        return kind is int or kind is float
    if value.type == TEXT:
        return kind is str
    if value.type == TRUTH:
        return kind is bool
    return not value.declared.check(given, value.name)


def begun(tuple variables, given):
    """The variables of a case that is given some; None: there is something about them.

    ``variables`` has an entry for each, whose literal is its default.
    """
    cdef Value value
    cdef dict data = {}
    cdef Py_ssize_t used = 0
    cdef PyObject* there
    if type(given) is not dict:
        return None
    for entry in variables:
        value = <Value> entry
        there = PyDict_GetItemWithError(<dict> given, value.name)
        if there is NULL:
            if value.source is _REQUIRED:
                return None
            data[value.name] = value.source
            continue
        found = <object> there
        kind = type(found)
        if kind is dict or kind is list or not is_small(found) or not fits(value, found):
            return None
        data[value.name] = found
        used += 1
    return data if used == len(<dict> given) else None


cdef object found(tuple values, dict data, object result, dict own):
    """The values of a mapping, in its order; None: one is missing, or does not fit its type.

    ``result`` is what the name ``result`` means, in a mapping of outputs; ``own`` is what an
    instance sees before the data, in one of inputs.
    """
    cdef Value value
    cdef Py_ssize_t i
    cdef PyObject* there
    cdef bint alone = True
    cdef tuple into = PyTuple_New(len(values))
    for i in range(len(values)):
        value = <Value> values[i]
        if value.kind == LITERAL:
            given = value.source
            kind = type(given)
            if (kind is dict or kind is list) and value.declared is not _INPUT:
                given = _checked(given, what=value.name)
        elif value.kind == NAME:
            if value.source is None:
                given = result
            else:
                there = NULL if own is None else PyDict_GetItemWithError(own, value.source)
                if there is NULL:
                    there = PyDict_GetItemWithError(data, value.source)
                    if there is NULL:
                        return None
                given = <object> there
                kind = type(given)
                if kind is dict or kind is list:
                    given = _checked(given, what=value.name)
        elif value.declared is _INPUT:
            given = value.source.evaluate(data if own is None else {**data, **own})
        else:
            given = value.source.evaluate({**data, "result": result})
        if value.type != ANYTHING and not fits(value, given):
            return None
        kind = type(given)
        if kind is dict or kind is list:
            alone = False
        Py_INCREF(given)
        PyTuple_SET_ITEM(into, i, given)
    if alone:  # it holds no container, so the garbage collector need not look
        PyObject_GC_UnTrack(<PyObject*> into)
    return into
