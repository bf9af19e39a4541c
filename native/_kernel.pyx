# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, binding=True
"""The kernel, compiled: `weft.native.reference` again, function by function, in C.

The reference is the specification, and its docstrings are those of this module. What is rare
goes to the reference as a whole: every fault, so that both raise alike; a cell that may pass
`CELL_MAX`; a buffer that is oddly laid out. So whatever is done here at speed has passed every
test, and nothing here needs a message.

The loops run over a `Net`, a struct of pointers into the arrays of a `NetImage`, which have been
checked there. They touch no Python object, allocate nothing and need no lock of the interpreter.
The functions that Python calls hold it all the same: each takes less than letting it go would.
"""

from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_WRITABLE, PyBuffer_Release
from cpython.exc cimport PyErr_CheckSignals, PyErr_Clear
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint64_t, uintptr_t
from libc.string cimport memcmp, memcpy

import atexit
from array import array
from functools import partial
from operator import index
from threading import RLock

from weft.native import reference
from weft.native.backward import OutOfBounds
from weft.native.image import NetImage
from weft.native.imagefile import StoredImage, arrays_of
from weft.native.space import Space

cdef extern from "Python.h":
    # Declared again: without an exception to raise (NULL) the first clips, and a failure of the
    # second is no error here but a reason to ask the reference.
    Py_ssize_t PyNumber_AsSsize_t(object number, void *overflow) except? -1
    bytes PyBytes_FromStringAndSize(const char *text, Py_ssize_t size)
    int PyObject_GetBuffer(object exporter, Py_buffer *view, int flags)
    Py_buffer *PyMemoryView_GET_BUFFER(object view)

__all__ = reference.__all__

cdef bint FAST = fast_processor()

cdef enum:
    CELL_MAX = 2147483647
    SLICE = 1048576  # firings between two looks at pending signals, where they are not listed
    ROOM = 4096  # firings between two looks at pending signals
    COUNTS = 16  # counted puts of one transition; who has more goes to the reference
    ANY = -1  # as many cells as there are


cdef extern from *:
    int popcount "__builtin_popcountll"(uint64_t word) nogil
    int lowest "__builtin_ctzll"(uint64_t word) nogil

cdef extern from "net.h" nogil:
    ctypedef struct Rows:  # a Relation
        const int32_t *start
        const int32_t *place
        const int32_t *weight

    ctypedef struct Net:
        Py_ssize_t places
        Py_ssize_t transitions
        Rows take
        Rows put
        Rows needs
        Rows lacks
        Rows clear
        const int32_t *touch_start
        const int32_t *touch
        const int32_t *sources
        Py_ssize_t source_count
        const unsigned char *external

    ctypedef struct Packing:
        Py_ssize_t words

    bint fast_processor()
    bint packing_make(Packing *packing, const Net *net, int32_t bits)
    void packing_free(Packing *packing)

cdef extern from "firing.h" nogil:
    ctypedef struct Plans:
        pass

    enum: QUIET
    enum: LIMIT
    enum: OVERFLOW

    bint plans_make(Plans *plans, const Net *net, const int32_t *order)
    void plans_free(Plans *plans)
    int plans_settle "settle"(
        Plans *plans, int32_t *cells, int64_t limit, int64_t *fired, bint fast
    )

cdef extern from "pool.h" nogil:
    ctypedef struct PoolWorker:
        int64_t result
        int number

    ctypedef void (*PoolRun)(void *job, uint64_t item, PoolWorker *worker) noexcept nogil

    ctypedef struct CPool "Pool":
        int threads

    enum: WORKERS_MOST

    CPool *pool_make(int threads, bint pinned)
    void pool_close(CPool *pool)
    bint pool_here(const CPool *pool)
    int64_t pool_do(
        CPool *pool, PoolRun run, void *job, int64_t count, bint lazy, uint64_t *stolen
    )
    int64_t pool_share(CPool *pool, PoolRun run, void *job, int64_t count)


cdef extern from "many.h" nogil:
    ctypedef struct Blocks:
        Py_ssize_t first
        Py_ssize_t end
        Py_ssize_t block

    ctypedef struct SettleJob:
        Blocks blocks
        Plans **plans
        int32_t *cells
        int64_t limit
        int32_t *fired
        unsigned char *hand
        bint fast

    Blocks blocks_of(Py_ssize_t first, Py_ssize_t end, int workers)
    int64_t blocks_count(const Blocks *blocks)
    Py_ssize_t block_first(const Blocks *blocks, uint64_t item)
    Py_ssize_t block_end(const Blocks *blocks, uint64_t item)
    void settle_block(void *job, uint64_t item, PoolWorker *worker)
    void add_item(void *job, uint64_t item, PoolWorker *worker)
    Py_ssize_t cases_pack "pack_cases"(
        const Packing *packing, const int32_t *cells, Py_ssize_t places, Py_ssize_t count,
        uint64_t *cases
    )
    void enabled_words(
        const Packing *packing, const Net *net, const uint64_t *cases, Py_ssize_t count,
        uint64_t *found, bint fast
    )

cdef struct Search:
    # Where `next_enabled` is: among the sources, then at touch[k] of a marked place.
    bint external
    Py_ssize_t source
    Py_ssize_t place
    int32_t k
    int32_t end


cdef struct Draw:
    # What a simulation may fire: a bit a transition.
    uint64_t state
    uint64_t *enabled
    uint64_t *immediate
    Py_ssize_t words
    Py_ssize_t size  # how many are enabled
    Py_ssize_t at_once  # how many of them are immediate


cdef struct Agenda:
    # A binary heap of transitions by (order, transition), the next one at 0.
    const int32_t *order
    int32_t *heap
    Py_ssize_t size
    unsigned char *waiting  # a byte a transition: is it in the heap?


cdef extern from "space.h" nogil:
    ctypedef struct Worker:
        uint64_t firings
        uint64_t dead
        uint64_t most
        uint64_t total
        unsigned char *seen
        uint64_t *dead_marking
        int dead_kept

    ctypedef struct CSpace "Space":
        Packing packing
        bint direct
        bint monotone
        Py_ssize_t words
        uint64_t count
        int stop
        Worker *worker

    enum: COMPLETE
    enum: MAX_STATES
    enum: MAX_BYTES
    enum: WIDER
    enum: UNBOUNDED
    enum: WIDTHS
    const int32_t *width_bits

    bint space_make(
        CSpace *space, const Net *net, int32_t bits, const int32_t *cells,
        const unsigned char *guarded, bint graph, int threads, uint64_t max_states,
        uint64_t max_bytes
    )
    bint space_work(CSpace *space, int64_t chunks, bint fast)
    void space_end(CSpace *space)
    void space_free(CSpace *space)
    size_t space_edges(const CSpace *space)
    void space_rows(const CSpace *space, int64_t *start, int32_t *transition, int32_t *target)
    uint64_t *record_of(const CSpace *space, uint64_t number)
    void unpack(
        const Packing *packing, const uint64_t *marking, Py_ssize_t places, int32_t *cells
    )


cdef extern from "backward.h" nogil:
    ctypedef struct Known:
        int32_t move
        int32_t then

    ctypedef struct Backward:
        Known *known
        int64_t done
        int32_t looked
        int32_t count

    enum: SEARCHING
    enum: COVERED
    enum: NOT_COVERED
    enum: NO_MEMORY

    bint backward_make(
        Backward *search, const Net *net, const unsigned char *moves, const int32_t *target,
        const Rows *limits, const int32_t *totals, int32_t limit_count, int64_t most_bytes
    )
    int backward_look(
        Backward *search, const int32_t *cells, int64_t work, int64_t slice, int32_t *found
    )
    void backward_free(Backward *search)


cdef extern from "imagefile.h" nogil:
    ctypedef struct ImageCounts:
        Py_ssize_t places
        Py_ssize_t transitions
        Py_ssize_t[5] arcs
        Py_ssize_t touch
        Py_ssize_t sources

    enum: IMAGE_HEADER
    enum: IMAGE_PUT

    bint image_header(const unsigned char *data, size_t size, ImageCounts *counts)
    bint image_sound(
        const unsigned char *data, const ImageCounts *counts, Net *net, Py_ssize_t *counted
    )


cdef class Compiled:
    """The pointers into one image. It holds the image's views, so that they stay."""

    cdef Net net
    cdef list views
    cdef bytes external
    cdef Planned planned  # for the order that was run last
    cdef Packing safe  # one bit a place, once it was asked for
    cdef bint packed
    cdef bint counted  # some transition has a counted put

    def __cinit__(self):
        self.views = []

    cdef Compiled of_image(self, image):
        if type(image) is not NetImage:
            raise TypeError(f"a NetImage is needed, not {type(image).__name__}")
        self.external = image.external
        self.net.places = image.places
        self.net.transitions = image.transitions
        self.net.take = self.rows(image.take)
        self.net.put = self.rows(image.put)
        self.net.needs = self.rows(image.needs)
        self.net.lacks = self.rows(image.lacks)
        self.net.clear = self.rows(image.clear)
        self.net.touch_start = self.pointer(image.touch_start)
        self.net.touch = self.pointer(image.touch)
        self.net.sources = self.pointer(image.sources)
        self.net.source_count = len(image.sources)
        self.net.external = self.external
        self.count(len(image.put.weight))
        return self

    cdef void count(self, Py_ssize_t puts) noexcept:
        cdef Py_ssize_t k
        for k in range(puts):
            self.counted = self.counted or self.net.put.weight[k] == 0

    def __dealloc__(self):
        if self.packed:
            packing_free(&self.safe)

    cdef Planned plan(self, const int32_t *order):
        # Nobody else may be using what is given out: it has room for one marking.
        cdef Py_ssize_t size = self.net.transitions * sizeof(int32_t)
        cdef Planned planned = self.planned
        if planned is None or planned.busy or memcmp(planned.order, order, size) != 0:
            planned = Planned(self, <bytes> (<const char *> order)[:size])
            self.planned = planned
        return planned

    cdef const Packing *safe_packing(self) except NULL:
        if not self.packed:
            if not packing_make(&self.safe, &self.net, 1):
                raise MemoryError(f"no memory to pack a net of {self.net.places} places")
            self.packed = True
        return &self.safe

    cdef Rows rows(self, relation) except *:
        cdef Rows rows
        rows.start = self.pointer(relation.start)
        rows.place = self.pointer(relation.place)
        rows.weight = self.pointer(relation.weight)
        return rows

    cdef const int32_t *pointer(self, numbers) except? NULL:
        # A view of our own: releasing the image's view then leaves the memory where it is.
        view = memoryview(numbers)
        self.views.append(view)
        return <const int32_t *> PyMemoryView_GET_BUFFER(view).buf


cdef class Planned:
    """How to run freely in one order. One caller at a time may use it, and marks it as busy."""

    cdef Plans plans
    cdef bytes kept
    cdef const char *order
    cdef Compiled compiled  # the net stays
    cdef bint busy

    def __cinit__(self, Compiled compiled, bytes order):
        self.compiled = compiled
        self.kept = order
        self.order = order
        if not plans_make(&self.plans, &compiled.net, <const int32_t *> self.order):
            raise MemoryError(f"no memory to run a net of {compiled.net.places} places")

    def __dealloc__(self):
        plans_free(&self.plans)


cdef inline const Net *net_of(image) except NULL:
    return &compiled_of(image).net


cdef inline Compiled compiled_of(image):
    compiled = image.compiled
    if compiled is None:
        compiled = Compiled().of_image(image)
        # Another thread may have been first. Its pointers may be in use, and must stay.
        if image.compiled is None:
            object.__setattr__(image, "compiled", compiled)
        compiled = image.compiled
    return <Compiled?> compiled


cdef inline bint has(const Net *net, Py_ssize_t t) noexcept nogil:
    return 0 <= t < net.transitions


cdef inline bint get(marking, Py_ssize_t count, int flags, Py_buffer *buffer) noexcept:
    # The cells of a marking, to be released; False leaves it to the reference to judge them.
    if PyObject_GetBuffer(marking, buffer, PyBUF_ND | PyBUF_FORMAT | flags) < 0:
        PyErr_Clear()
        return False
    if (
        buffer.ndim == 1
        and buffer.format != NULL
        and (buffer.format[0] == b"i" or buffer.format[0] == b"B")
        and buffer.format[1] == 0
        and buffer.len == (buffer.len & ~3 if count == ANY else 4 * count)
        and (buffer.len == 0 or (<uintptr_t> buffer.buf & 3) == 0)
    ):
        return True
    PyBuffer_Release(buffer)
    return False


cdef bint is_enabled(const Net *net, const int32_t *cells, Py_ssize_t t) noexcept nogil:
    cdef int32_t k
    for k in range(net.take.start[t], net.take.start[t + 1]):
        if cells[net.take.place[k]] < net.take.weight[k]:
            return False
    for k in range(net.needs.start[t], net.needs.start[t + 1]):
        if cells[net.needs.place[k]] < net.needs.weight[k]:
            return False
    for k in range(net.lacks.start[t], net.lacks.start[t + 1]):
        if cells[net.lacks.place[k]] >= net.lacks.weight[k]:
            return False
    return True


cdef bint fires(
    const Net *net, int32_t *cells, Py_ssize_t t, const int64_t *counts
) noexcept nogil:
    # Fire what is enabled; False, and nothing done, if some cell might pass CELL_MAX. Weights of
    # a row may add up in one place, and taking or clearing may make room: cells are compared
    # with all that the row puts, and the few that come so far are left to the reference.
    cdef int32_t k
    cdef int64_t weight, sum = 0
    cdef Py_ssize_t c = 0
    for k in range(net.put.start[t], net.put.start[t + 1]):
        weight = net.put.weight[k]
        if weight == 0:
            weight = counts[c]
            c += 1
        if weight > CELL_MAX:
            return False
        sum += weight
        if cells[net.put.place[k]] > CELL_MAX - sum:
            return False
    for k in range(net.take.start[t], net.take.start[t + 1]):
        cells[net.take.place[k]] -= net.take.weight[k]
    for k in range(net.clear.start[t], net.clear.start[t + 1]):
        cells[net.clear.place[k]] = 0
    c = 0
    for k in range(net.put.start[t], net.put.start[t + 1]):
        weight = net.put.weight[k]
        if weight == 0:
            weight = counts[c]
            c += 1
        cells[net.put.place[k]] += <int32_t> weight
    return True


def enabled(image, marking, t):
    cdef const Net *net = net_of(image)
    cdef Py_ssize_t transition = PyNumber_AsSsize_t(t, NULL)
    cdef Py_buffer buffer
    if not has(net, transition) or not get(marking, net.places, 0, &buffer):
        return reference.enabled(image, marking, t)
    cdef bint yes = is_enabled(net, <const int32_t *> buffer.buf, transition)
    PyBuffer_Release(&buffer)
    return yes


def fire(image, marking, t, counts=()):
    cdef const Net *net = net_of(image)
    cdef Py_ssize_t transition = PyNumber_AsSsize_t(t, NULL)
    cdef tuple given
    cdef int64_t numbers[COUNTS]
    cdef Py_buffer buffer
    cdef bint done = False
    if type(counts) is tuple:
        given = counts
    elif type(counts) is list:
        given = tuple(counts)
    else:
        return reference.fire(image, marking, t, counts)
    if has(net, transition) and get(marking, net.places, PyBUF_WRITABLE, &buffer):
        done = (
            count(net, transition, given, numbers)
            and is_enabled(net, <int32_t *> buffer.buf, transition)
            and fires(net, <int32_t *> buffer.buf, transition, numbers)
        )
        PyBuffer_Release(&buffer)
    if not done:
        reference.fire(image, marking, t, counts)


cdef bint count(const Net *net, Py_ssize_t t, tuple given, int64_t *numbers) noexcept:
    # Read the counts of a firing; False if they do not fit, or are too many or too odd for here.
    cdef int32_t k
    cdef int overflow = 0
    cdef Py_ssize_t c, counted = 0
    for k in range(net.put.start[t], net.put.start[t + 1]):
        counted += net.put.weight[k] == 0
    if counted != PyTuple_GET_SIZE(given) or counted > COUNTS:
        return False
    for c in range(counted):
        number = <object> PyTuple_GET_ITEM(given, c)
        if not PyLong_CheckExact(number):
            return False
        numbers[c] = PyLong_AsLongLongAndOverflow(number, &overflow)
        if overflow or numbers[c] < 0:
            return False
    return True


def enabled_transitions(image, marking):
    cdef const Net *net = net_of(image)
    cdef Py_buffer buffer
    cdef Py_ssize_t t
    cdef list found = []
    if not get(marking, net.places, 0, &buffer):
        return reference.enabled_transitions(image, marking)
    try:
        for t in range(net.transitions):
            if is_enabled(net, <const int32_t *> buffer.buf, t):
                found.append(t)
    finally:
        PyBuffer_Release(&buffer)
    return found


def enabled_external(image, marking):
    cdef const Net *net = net_of(image)
    cdef Search search = Search(external=True, source=0, place=-1, k=0, end=0)
    cdef Py_buffer buffer
    cdef Py_ssize_t t
    cdef list found = []
    if not get(marking, net.places, 0, &buffer):
        return reference.enabled_external(image, marking)
    try:
        while True:
            t = next_enabled(net, <const int32_t *> buffer.buf, &search)
            if t < 0:
                break
            found.append(t)
    finally:
        PyBuffer_Release(&buffer)
    found.sort()
    return found


cdef Py_ssize_t next_enabled(
    const Net *net, const int32_t *cells, Search *search
) noexcept nogil:
    # The next enabled transition of the kind searched for, or -1. What is enabled is found at
    # the first place that it takes or needs, which is marked; the sources have none.
    cdef Py_ssize_t t
    while search.source < net.source_count:
        t = net.sources[search.source]
        search.source += 1
        if net.external[t] == search.external and is_enabled(net, cells, t):
            return t
    while True:
        while search.k < search.end:
            t = net.touch[search.k]
            search.k += 1
            if (
                net.external[t] == search.external
                and first_place(net, t) == search.place
                and is_enabled(net, cells, t)
            ):
                return t
        search.place = next_marked(cells, search.place + 1, net.places)
        if search.place == net.places:
            return -1
        search.k = net.touch_start[search.place]
        search.end = net.touch_start[search.place + 1]


cdef inline Py_ssize_t first_place(const Net *net, Py_ssize_t t) noexcept nogil:
    if net.take.start[t] < net.take.start[t + 1]:
        return net.take.place[net.take.start[t]]
    if net.needs.start[t] < net.needs.start[t + 1]:
        return net.needs.place[net.needs.start[t]]
    return -1


cdef Py_ssize_t next_marked(
    const int32_t *cells, Py_ssize_t place, Py_ssize_t places
) noexcept nogil:
    # The first marked place from `place` on, or `places`. Sixteen empty cells are passed at a
    # time: a compiler makes a few vector instructions of that block.
    cdef int32_t tokens
    cdef Py_ssize_t i
    while place + 16 <= places:
        tokens = 0
        for i in range(16):
            tokens |= cells[place + i]
        if tokens:
            break
        place += 16
    while place < places and cells[place] == 0:
        place += 1
    return place


def marked(marking):
    cdef Py_buffer buffer
    cdef Py_ssize_t place, places
    cdef list found = []
    if not get(marking, ANY, 0, &buffer):
        return reference.marked(marking)
    places = buffer.len // 4
    try:
        place = next_marked(<const int32_t *> buffer.buf, 0, places)
        while place < places:
            found.append(place)
            place = next_marked(<const int32_t *> buffer.buf, place + 1, places)
    finally:
        PyBuffer_Release(&buffer)
    return found


def touched(image, t):
    if not has(net_of(image), PyNumber_AsSsize_t(t, NULL)):
        return reference.touched(image, t)
    return image.touched(t)


def touched_immediate(image, t):
    if not has(net_of(image), PyNumber_AsSsize_t(t, NULL)):
        return reference.touched_immediate(image, t)
    return image.touched(t, immediate=True)


def degree(image, marking, t):
    cdef const Net *net = net_of(image)
    cdef Py_ssize_t transition = PyNumber_AsSsize_t(t, NULL)
    cdef Py_buffer buffer
    if not has(net, transition) or not get(marking, net.places, 0, &buffer):
        return reference.degree(image, marking, t)
    cdef int32_t times = how_often(net, <const int32_t *> buffer.buf, transition)
    PyBuffer_Release(&buffer)
    return times


cdef int32_t how_often(const Net *net, const int32_t *cells, Py_ssize_t t) noexcept nogil:
    cdef int32_t k, times, least = CELL_MAX
    if not is_enabled(net, cells, t):
        return 0
    for k in range(net.take.start[t], net.take.start[t + 1]):
        times = cells[net.take.place[k]] // net.take.weight[k]
        if times < least:
            least = times
    return least


def run(image, marking, order, limit):
    cdef const Net *net = net_of(image)
    cdef Py_ssize_t most = PyNumber_AsSsize_t(limit, NULL)
    cdef Search search = Search(external=False, source=0, place=-1, k=0, end=0)
    cdef Py_buffer buffer, ranks
    cdef Agenda agenda
    cdef int32_t *cells
    cdef int32_t *before = NULL
    cdef int32_t just_fired[ROOM]
    cdef Py_ssize_t t, room, number
    cdef list fired = []
    if most < 0 or image.counted_immediate >= 0:
        return reference.run(image, marking, order, limit)
    if not get(marking, net.places, PyBUF_WRITABLE, &buffer):
        return reference.run(image, marking, order, limit)
    if not get(order, net.transitions, 0, &ranks):
        PyBuffer_Release(&buffer)
        return reference.run(image, marking, order, limit)
    cells = <int32_t *> buffer.buf
    agenda = Agenda(order=<const int32_t *> ranks.buf, heap=NULL, size=0, waiting=NULL)
    try:
        before = <int32_t *> PyMem_Malloc(buffer.len)
        agenda.heap = <int32_t *> PyMem_Malloc(net.transitions * sizeof(int32_t))
        agenda.waiting = <unsigned char *> PyMem_Calloc(net.transitions, 1)
        if before == NULL or agenda.heap == NULL or agenda.waiting == NULL:
            raise MemoryError(f"no memory to run a net of {net.places} places")
        memcpy(before, cells, buffer.len)
        try:
            t = next_enabled(net, cells, &search)
            while t >= 0:
                push(&agenda, t)
                t = next_enabled(net, cells, &search)
            while True:
                room = min(most - len(fired), <Py_ssize_t> ROOM)
                number = fire_next(net, cells, &agenda, just_fired, room)
                fired.extend([just_fired[i] for i in range(number)])
                if agenda.size == 0 or len(fired) == most:
                    return fired, agenda.size > 0
                if number < room:
                    t = agenda.heap[0]
                    reference.fire(image, marking, t)
                    fired.append(t)
                    announce(net, cells, &agenda, t)
                PyErr_CheckSignals()
        except BaseException:
            memcpy(cells, before, buffer.len)
            raise
    finally:
        PyMem_Free(agenda.waiting)
        PyMem_Free(agenda.heap)
        PyMem_Free(before)
        PyBuffer_Release(&ranks)
        PyBuffer_Release(&buffer)


cdef Py_ssize_t fire_next(
    const Net *net, int32_t *cells, Agenda *agenda, int32_t *fired, Py_ssize_t room
) noexcept nogil:
    # Fire up to `room` transitions and say how many. If any is left on the agenda, its first one
    # is enabled; it was `room`, or that one, which only the reference can fire, that ended this.
    cdef Py_ssize_t t, number = 0
    while agenda.size:
        t = agenda.heap[0]
        if not is_enabled(net, cells, t):
            pop(agenda)
        elif number == room or not fires(net, cells, t, NULL):
            break
        else:
            fired[number] = <int32_t> t
            number += 1
            announce(net, cells, agenda, t)
    return number


cdef void announce(
    const Net *net, const int32_t *cells, Agenda *agenda, Py_ssize_t t
) noexcept nogil:
    # Put on the agenda what a firing may have enabled. Taking does so where something is lacking.
    announce_row(net, cells, agenda, &net.take, t)
    announce_row(net, cells, agenda, &net.clear, t)
    announce_row(net, cells, agenda, &net.put, t)


cdef void announce_row(
    const Net *net, const int32_t *cells, Agenda *agenda, const Rows *rows, Py_ssize_t t
) noexcept nogil:
    cdef int32_t k, j, place
    cdef Py_ssize_t u
    for k in range(rows.start[t], rows.start[t + 1]):
        place = rows.place[k]
        for j in range(net.touch_start[place], net.touch_start[place + 1]):
            u = net.touch[j]
            if not agenda.waiting[u] and not net.external[u] and is_enabled(net, cells, u):
                push(agenda, u)


cdef inline bint sooner(const Agenda *agenda, int32_t a, int32_t b) noexcept nogil:
    if agenda.order[a] != agenda.order[b]:
        return agenda.order[a] < agenda.order[b]
    return a < b


cdef void push(Agenda *agenda, Py_ssize_t t) noexcept nogil:
    cdef Py_ssize_t i = agenda.size, parent
    agenda.waiting[t] = True
    agenda.size += 1
    while i > 0:
        parent = (i - 1) // 2
        if not sooner(agenda, <int32_t> t, agenda.heap[parent]):
            break
        agenda.heap[i] = agenda.heap[parent]
        i = parent
    agenda.heap[i] = <int32_t> t


cdef void pop(Agenda *agenda) noexcept nogil:
    cdef Py_ssize_t i = 0, child = 1
    cdef int32_t last
    agenda.waiting[agenda.heap[0]] = False
    agenda.size -= 1
    last = agenda.heap[agenda.size]
    while child < agenda.size:
        if child + 1 < agenda.size and sooner(agenda, agenda.heap[child + 1], agenda.heap[child]):
            child += 1
        if not sooner(agenda, agenda.heap[child], last):
            break
        agenda.heap[i] = agenda.heap[child]
        i = child
        child = 2 * i + 1
    agenda.heap[i] = last


def settle(image, marking, order, limit):
    cdef Compiled compiled = compiled_of(image)
    cdef const Net *net = &compiled.net
    cdef Py_ssize_t most = PyNumber_AsSsize_t(limit, NULL)
    cdef Py_buffer buffer, ranks
    cdef Planned planned
    cdef int32_t *before = NULL
    cdef int64_t total = 0, number = 0, room = ROOM
    cdef int why
    if most < 0 or image.counted_immediate >= 0:
        return reference.settle(image, marking, order, limit)
    if not get(marking, net.places, PyBUF_WRITABLE, &buffer):
        return reference.settle(image, marking, order, limit)
    if not get(order, net.transitions, 0, &ranks):
        PyBuffer_Release(&buffer)
        return reference.settle(image, marking, order, limit)
    try:
        before = <int32_t *> PyMem_Malloc(buffer.len)
        if before == NULL:
            raise MemoryError(f"no memory to run a net of {net.places} places")
        memcpy(before, buffer.buf, buffer.len)
        planned = compiled.plan(<const int32_t *> ranks.buf)
        planned.busy = True
        try:
            while True:
                if room == ROOM:  # most runs are short: letting the lock go would take longer
                    why = plans_settle(
                        &planned.plans, <int32_t *> buffer.buf, min(room, most - total), &number,
                        FAST,
                    )
                else:
                    with nogil:
                        why = plans_settle(
                            &planned.plans, <int32_t *> buffer.buf, min(room, most - total),
                            &number, FAST,
                        )
                total += number
                if why == QUIET:
                    return total, False
                if why == LIMIT and total == most:
                    return total, True
                if why == OVERFLOW:
                    fired, more = run(image, marking, order, min(<int64_t> ROOM, most - total))
                    total += len(fired)
                    if not more or total == most:
                        return total, more
                room = SLICE
                PyErr_CheckSignals()
        except BaseException:
            memcpy(buffer.buf, before, buffer.len)
            raise
        finally:
            planned.busy = False
    finally:
        PyMem_Free(before)
        PyBuffer_Release(&ranks)
        PyBuffer_Release(&buffer)


cdef class Pool:
    """Threads that share native work; the calling thread is one of its workers.

    Args:
        threads: How many workers there are at most; fewer where no more can be started.
        pinned: Keep each thread that is started on a processor of its own (on Linux).

    Raises:
        ValueError: ``threads`` is less than 1.
    """

    cdef CPool *pool
    cdef readonly bint pinned

    def __cinit__(self, threads, pinned=False):
        cdef Py_ssize_t wanted = PyNumber_AsSsize_t(threads, NULL)
        if wanted < 1:
            raise ValueError(f"a pool has 1 or more threads, not {threads}")
        self.pinned = pinned
        self.pool = pool_make(<int> min(wanted, <Py_ssize_t> WORKERS_MOST), self.pinned)
        if self.pool == NULL:
            raise MemoryError(f"no memory for a pool of {threads} threads")

    def __dealloc__(self):
        if self.pool != NULL:
            with nogil:
                pool_close(self.pool)

    cdef CPool *here(self) except NULL:
        if self.pool == NULL:
            raise ValueError("this pool is closed")
        if not pool_here(self.pool):
            raise ValueError("this pool is of another process: threads do not survive a fork")
        return self.pool

    @property
    def threads(self):
        """How many workers there are."""
        return self.here().threads

    def count(self, items, working=True):
        """Let as many items add their numbers: the sum, and how many of them were stolen.

        This measures what an item costs. Without ``working`` the caller only hands them out.
        """
        cdef CPool *pool = self.here()
        cdef int64_t sum, number = items
        cdef uint64_t stolen
        cdef bint lazy = not working
        with nogil:
            sum = pool_do(pool, add_item, NULL, number, lazy, &stolen)
        return sum, stolen

    def close(self):
        """End the threads, after the work that is under way."""
        cdef CPool *pool = self.pool
        self.pool = NULL
        if pool != NULL:
            with nogil:
                pool_close(pool)


cdef Pool shared = None


cdef Pool shared_pool(Py_ssize_t threads):
    # The pool of this process, which is kept; a fork leaves its child without one.
    global shared
    cdef int wanted = <int> min(threads, <Py_ssize_t> WORKERS_MOST)
    if shared is None or shared.pool == NULL or not pool_here(shared.pool) or (
        shared.pool.threads != wanted
    ):
        shared = Pool(wanted)
    return shared


def _end_shared():
    global shared
    shared = None


atexit.register(_end_shared)


cdef class Team:
    """The workers of a call over many cases, and the plans of each: nobody else may use them."""

    cdef Pool pool  # None: the caller alone
    cdef CPool *threads
    cdef int size
    cdef list planned
    cdef Plans *plans[WORKERS_MOST]

    def __cinit__(self, Py_ssize_t threads):
        self.size = 1
        self.threads = NULL
        self.planned = []
        if threads > 1:
            self.pool = shared_pool(threads)
            self.threads = self.pool.here()
            self.size = self.threads.threads

    cdef plan(self, Compiled compiled, const int32_t *order):
        cdef Planned planned
        for worker in range(self.size):
            planned = compiled.plan(order)
            planned.busy = True
            self.planned.append(planned)
            self.plans[worker] = &planned.plans

    def __dealloc__(self):
        cdef Planned planned
        for planned in self.planned:
            planned.busy = False


cdef Py_ssize_t team_of(threads) except 0:
    cdef Py_ssize_t number = PyNumber_AsSsize_t(threads, NULL)
    if number < 1:
        raise ValueError(f"there are 1 or more threads, not {threads}")
    return number


def settle_cases(image, markings, order, limit, fired, threads=1):
    cdef Compiled compiled = compiled_of(image)
    cdef const Net *net = &compiled.net
    cdef Py_ssize_t most = PyNumber_AsSsize_t(limit, NULL)
    cdef Py_buffer buffer, ranks, numbers
    cdef Team team
    cdef SettleJob job
    cdef int32_t *before = NULL
    cdef int32_t *counts
    cdef Py_ssize_t cases, slice_, end, i, at = 0, live = 0
    if most < 0 or most > CELL_MAX or image.counted_immediate >= 0:
        return reference.settle_cases(image, markings, order, limit, fired, threads)
    if not get(fired, ANY, PyBUF_WRITABLE, &numbers):
        return reference.settle_cases(image, markings, order, limit, fired, threads)
    cases = numbers.len // 4
    if not get(order, net.transitions, 0, &ranks):
        PyBuffer_Release(&numbers)
        return reference.settle_cases(image, markings, order, limit, fired, threads)
    if not get(markings, net.places * cases, PyBUF_WRITABLE, &buffer):
        PyBuffer_Release(&numbers)
        PyBuffer_Release(&ranks)
        return reference.settle_cases(image, markings, order, limit, fired, threads)
    try:
        team = Team(team_of(threads))
        team.plan(compiled, <const int32_t *> ranks.buf)
        # The numbers of firings last, so that nothing is changed until all is well; then a byte
        # a case, for those that need a hand.
        before = <int32_t *> PyMem_Malloc(buffer.len + numbers.len + cases)
        if before == NULL:
            raise MemoryError(f"no memory to run {cases} cases of {net.places} places")
        memcpy(before, buffer.buf, buffer.len)
        counts = before + net.places * cases
        job.plans, job.limit, job.fast = team.plans, most, FAST
        job.cells, job.fired = <int32_t *> buffer.buf, counts
        job.hand = <unsigned char *> (counts + cases)
        slice_ = team.size * (SLICE // (1 + min(most, SLICE - 1)) + 1)
        try:
            while at < cases:
                end = min(cases, at + slice_)
                job.blocks = blocks_of(at, end, team.size)
                with nogil:
                    live += pool_share(team.threads, settle_block, &job, blocks_count(&job.blocks))
                for i in range(at, end):
                    if job.hand[i]:
                        own = memoryview(markings).cast("B").cast("i")[
                            i * net.places:(i + 1) * net.places
                        ]
                        number, more = settle(image, own, order, most - counts[i])
                        counts[i] += number
                        live += more
                at = end
                PyErr_CheckSignals()
            memcpy(numbers.buf, counts, numbers.len)
            return live
        except BaseException:
            memcpy(buffer.buf, before, buffer.len)
            raise
    finally:
        PyMem_Free(before)
        PyBuffer_Release(&numbers)
        PyBuffer_Release(&ranks)
        PyBuffer_Release(&buffer)


def replay(image, marking, steps):
    cdef Compiled compiled = compiled_of(image)
    cdef const Net *net = &compiled.net
    cdef Py_buffer buffer, recorded
    cdef int32_t *before = NULL
    cdef Py_ssize_t i, end, count
    cdef bint done = True
    numbers = steps
    if type(steps) is list or type(steps) is tuple:
        try:
            numbers = array("i", steps)
        except (TypeError, OverflowError):
            return reference.replay(image, marking, steps)
    if type(numbers) is not array or numbers.typecode != "i" or compiled.counted:
        return reference.replay(image, marking, steps)
    if not get(marking, net.places, PyBUF_WRITABLE, &buffer):
        return reference.replay(image, marking, steps)
    if not get(numbers, ANY, 0, &recorded):
        PyBuffer_Release(&buffer)
        return reference.replay(image, marking, steps)
    try:
        before = <int32_t *> PyMem_Malloc(buffer.len)
        if before == NULL:
            raise MemoryError(f"no memory to replay on {net.places} places")
        memcpy(before, buffer.buf, buffer.len)
        count = recorded.len // 4
        i = 0
        while done and i < count:
            end = min(count, i + SLICE)
            with nogil:
                while i < end:
                    done = fires_if_enabled(
                        net, <int32_t *> buffer.buf, (<const int32_t *> recorded.buf)[i]
                    )
                    if not done:
                        break
                    i += 1
            if end < count and done:
                try:
                    PyErr_CheckSignals()
                except BaseException:
                    memcpy(buffer.buf, before, buffer.len)
                    raise
        if not done:
            memcpy(buffer.buf, before, buffer.len)
    finally:
        PyMem_Free(before)
        PyBuffer_Release(&recorded)
        PyBuffer_Release(&buffer)
    if not done:
        reference.replay(image, marking, steps)


cdef bint fires_if_enabled(const Net *net, int32_t *cells, Py_ssize_t t) noexcept nogil:
    return has(net, t) and is_enabled(net, cells, t) and fires(net, cells, t, NULL)


cdef struct ReplayJob:
    Blocks blocks
    const Net *net
    int32_t *cells
    const int32_t *steps
    const int32_t *start


cdef void replay_block(void *argument, uint64_t item, PoolWorker *worker) noexcept nogil:
    # The worker's result counts the cases that the reference has to judge.
    cdef ReplayJob *job = <ReplayJob *> argument
    cdef Py_ssize_t i
    cdef int32_t k
    for i in range(block_first(&job.blocks, item), block_end(&job.blocks, item)):
        for k in range(job.start[i], job.start[i + 1]):
            if not fires_if_enabled(job.net, job.cells + i * job.net.places, job.steps[k]):
                worker.result += 1
                break


def replay_cases(image, markings, steps, start, threads=1):
    cdef Compiled compiled = compiled_of(image)
    cdef const Net *net = &compiled.net
    cdef Py_buffer buffer, recorded, bounds
    cdef Team team
    cdef ReplayJob job
    cdef int32_t *before = NULL
    cdef Py_ssize_t cases, end, i, at = 0
    cdef int64_t bad = 0
    cdef bint fits
    if compiled.counted or not get(start, ANY, 0, &bounds):
        return reference.replay_cases(image, markings, steps, start, threads)
    if not get(steps, ANY, 0, &recorded):
        PyBuffer_Release(&bounds)
        return reference.replay_cases(image, markings, steps, start, threads)
    cases = bounds.len // 4 - 1
    job.start, job.steps = <const int32_t *> bounds.buf, <const int32_t *> recorded.buf
    fits = cases >= 0 and job.start[0] == 0 and job.start[cases] == recorded.len // 4
    for i in range(cases):
        fits = fits and job.start[i] <= job.start[i + 1]
    if not fits or not get(markings, net.places * cases, PyBUF_WRITABLE, &buffer):
        PyBuffer_Release(&recorded)
        PyBuffer_Release(&bounds)
        return reference.replay_cases(image, markings, steps, start, threads)
    try:
        team = Team(team_of(threads))
        before = <int32_t *> PyMem_Malloc(buffer.len)
        if before == NULL:
            raise MemoryError(f"no memory to replay {cases} cases of {net.places} places")
        memcpy(before, buffer.buf, buffer.len)
        job.net, job.cells = net, <int32_t *> buffer.buf
        try:
            while at < cases and bad == 0:
                end = at + 1  # so many that a second or so passes until signals are looked at
                while end < cases and job.start[end] - job.start[at] < team.size * 16 * SLICE:
                    end += 1
                job.blocks = blocks_of(at, end, team.size)
                with nogil:
                    bad = pool_share(team.threads, replay_block, &job, blocks_count(&job.blocks))
                at = end
                PyErr_CheckSignals()
        except BaseException:
            memcpy(buffer.buf, before, buffer.len)
            raise
        if bad:
            memcpy(buffer.buf, before, buffer.len)
    finally:
        PyMem_Free(before)
        PyBuffer_Release(&recorded)
        PyBuffer_Release(&bounds)
        PyBuffer_Release(&buffer)
    if bad:
        reference.replay_cases(image, markings, steps, start, threads)


def simulate(image, marking, seed, limit):
    cdef Compiled compiled = compiled_of(image)
    cdef const Net *net = &compiled.net
    cdef Py_ssize_t most = PyNumber_AsSsize_t(limit, NULL)
    cdef Py_ssize_t words = (net.transitions + 63) // 64
    cdef Py_buffer buffer
    cdef Draw draw
    cdef int32_t *before = NULL
    cdef int32_t just_fired[ROOM]
    cdef Py_ssize_t t, room, number
    cdef list fired = []
    seed = index(seed)
    if most < 0 or compiled.counted:
        return reference.simulate(image, marking, seed, limit)
    if not get(marking, net.places, PyBUF_WRITABLE, &buffer):
        return reference.simulate(image, marking, seed, limit)
    draw = Draw(
        state=seed & 0xFFFF_FFFF_FFFF_FFFF, enabled=NULL, immediate=NULL, words=words,
        size=0, at_once=0,
    )
    try:
        before = <int32_t *> PyMem_Malloc(buffer.len)
        draw.enabled = <uint64_t *> PyMem_Calloc(words + 1, sizeof(uint64_t))
        draw.immediate = <uint64_t *> PyMem_Calloc(words + 1, sizeof(uint64_t))
        if before == NULL or draw.enabled == NULL or draw.immediate == NULL:
            raise MemoryError(f"no memory to simulate a net of {net.places} places")
        memcpy(before, buffer.buf, buffer.len)
        try:
            for t in range(net.transitions):
                if not net.external[t]:
                    draw.immediate[t // 64] |= <uint64_t> 1 << (t % 64)
            for t in range(net.transitions):
                look(net, <int32_t *> buffer.buf, &draw, t)
            while True:
                room = min(most - len(fired), <Py_ssize_t> ROOM)
                number = fire_at_random(net, <int32_t *> buffer.buf, &draw, just_fired, room)
                fired.extend([just_fired[i] for i in range(number)])
                if draw.size == 0 or len(fired) == most:
                    return fired, draw.size > 0
                if number < room:
                    t = drawn(&draw)
                    reference.fire(image, marking, t)
                    fired.append(t)
                    look_again(net, <int32_t *> buffer.buf, &draw, t)
                PyErr_CheckSignals()
        except BaseException:
            memcpy(buffer.buf, before, buffer.len)
            raise
    finally:
        PyMem_Free(draw.immediate)
        PyMem_Free(draw.enabled)
        PyMem_Free(before)
        PyBuffer_Release(&buffer)


cdef Py_ssize_t fire_at_random(
    const Net *net, int32_t *cells, Draw *draw, int32_t *fired, Py_ssize_t room
) noexcept nogil:
    # Fire up to `room` transitions and say how many; as with `fire_next`, one that only the
    # reference can fire ends this, and it is what is drawn again.
    cdef Py_ssize_t t, number = 0
    cdef uint64_t before
    while draw.size and number < room:
        before = draw.state
        t = drawn(draw)
        if not fires(net, cells, t, NULL):
            draw.state = before
            break
        fired[number] = <int32_t> t
        number += 1
        look_again(net, cells, draw, t)
    return number


cdef Py_ssize_t drawn(Draw *draw) noexcept nogil:
    # The transition with the drawn number among those that may be drawn, ascending.
    cdef uint64_t mixed, word
    cdef uint64_t choices = draw.at_once if draw.at_once else draw.size
    cdef Py_ssize_t w = 0, here, skip
    draw.state += <uint64_t> 0x9E3779B97F4A7C15
    mixed = (draw.state ^ (draw.state >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
    mixed = (mixed ^ (mixed >> 27)) * <uint64_t> 0x94D049BB133111EB
    skip = <Py_ssize_t> (((mixed ^ (mixed >> 31)) >> 32) * choices >> 32)
    while True:
        word = draw.enabled[w]
        if draw.at_once:
            word &= draw.immediate[w]
        here = popcount(word)
        if skip < here:
            break
        skip -= here
        w += 1
    while skip:
        word &= word - 1
        skip -= 1
    return w * 64 + lowest(word)


cdef void look(const Net *net, const int32_t *cells, Draw *draw, Py_ssize_t t) noexcept nogil:
    # Bring in line what is known of one transition.
    cdef uint64_t bit = <uint64_t> 1 << (t % 64)
    cdef bint now = is_enabled(net, cells, t)
    if now != (draw.enabled[t // 64] & bit != 0):
        draw.enabled[t // 64] ^= bit
        draw.size += 1 if now else -1
        if draw.immediate[t // 64] & bit:
            draw.at_once += 1 if now else -1


cdef void look_again(
    const Net *net, const int32_t *cells, Draw *draw, Py_ssize_t t
) noexcept nogil:
    look_at_row(net, cells, draw, &net.take, t)
    look_at_row(net, cells, draw, &net.clear, t)
    look_at_row(net, cells, draw, &net.put, t)


cdef void look_at_row(
    const Net *net, const int32_t *cells, Draw *draw, const Rows *rows, Py_ssize_t t
) noexcept nogil:
    cdef int32_t k, j, place
    for k in range(rows.start[t], rows.start[t + 1]):
        place = rows.place[k]
        for j in range(net.touch_start[place], net.touch_start[place + 1]):
            look(net, cells, draw, net.touch[j])


cdef struct SimulateJob:
    Blocks blocks
    const Net *net
    int32_t *cells
    uint64_t seed
    Py_ssize_t limit
    int32_t *fired
    uint64_t *enabled  # the words of a worker after those of another
    uint64_t *immediate
    Py_ssize_t words


cdef void simulate_block(void *argument, uint64_t item, PoolWorker *worker) noexcept nogil:
    # The worker's result counts the cases that could go on; -1 as a number of firings leaves a
    # case to the reference.
    cdef SimulateJob *job = <SimulateJob *> argument
    cdef const Net *net = job.net
    cdef Draw draw
    cdef int32_t just_fired[ROOM]
    cdef int32_t *cells
    cdef Py_ssize_t i, t, total, number, room
    draw.enabled = job.enabled + worker.number * job.words
    draw.immediate = job.immediate
    draw.words = job.words
    for i in range(block_first(&job.blocks, item), block_end(&job.blocks, item)):
        cells = job.cells + i * net.places
        draw.state = job.seed + <uint64_t> i
        draw.size = draw.at_once = 0
        for t in range(job.words):
            draw.enabled[t] = 0
        for t in range(net.transitions):
            look(net, cells, &draw, t)
        total = 0
        while True:
            room = min(job.limit - total, <Py_ssize_t> ROOM)
            number = fire_at_random(net, cells, &draw, just_fired, room)
            total += number
            if draw.size == 0 or total == job.limit:
                worker.result += draw.size > 0
                break
            if number < room:
                total = -1
                break
        job.fired[i] = <int32_t> total


def simulate_cases(image, markings, seed, limit, fired, threads=1):
    cdef Compiled compiled = compiled_of(image)
    cdef const Net *net = &compiled.net
    cdef Py_ssize_t most = PyNumber_AsSsize_t(limit, NULL)
    cdef Py_ssize_t words = ((net.transitions + 63) // 64 + 16) & ~<Py_ssize_t> 15  # apart
    cdef Py_buffer buffer, numbers
    cdef Team team
    cdef SimulateJob job
    cdef int32_t *before = NULL
    cdef uint64_t *room = NULL
    cdef Py_ssize_t cases, slice_, end, i, t, at = 0, live = 0
    seed = index(seed)
    if most < 0 or most > CELL_MAX or compiled.counted:
        return reference.simulate_cases(image, markings, seed, limit, fired, threads)
    if not get(fired, ANY, PyBUF_WRITABLE, &numbers):
        return reference.simulate_cases(image, markings, seed, limit, fired, threads)
    cases = numbers.len // 4
    if not get(markings, net.places * cases, PyBUF_WRITABLE, &buffer):
        PyBuffer_Release(&numbers)
        return reference.simulate_cases(image, markings, seed, limit, fired, threads)
    try:
        team = Team(team_of(threads))
        before = <int32_t *> PyMem_Malloc(buffer.len + numbers.len)
        room = <uint64_t *> PyMem_Calloc((team.size + 1) * words, sizeof(uint64_t))
        if before == NULL or room == NULL:
            raise MemoryError(f"no memory to simulate {cases} cases of {net.places} places")
        memcpy(before, buffer.buf, buffer.len)
        job.net, job.cells, job.limit, job.words = net, <int32_t *> buffer.buf, most, words
        job.seed = seed & 0xFFFF_FFFF_FFFF_FFFF
        job.fired = before + net.places * cases
        job.immediate, job.enabled = room, room + words
        for t in range(net.transitions):
            if not net.external[t]:
                job.immediate[t // 64] |= <uint64_t> 1 << (t % 64)
        slice_ = team.size * (SLICE // (1 + min(most, SLICE - 1)) + 1)
        try:
            while at < cases:
                end = min(cases, at + slice_)
                job.blocks = blocks_of(at, end, team.size)
                with nogil:
                    live += pool_share(
                        team.threads, simulate_block, &job, blocks_count(&job.blocks)
                    )
                for i in range(at, end):
                    if job.fired[i] < 0:  # from its beginning: the reference knows what is wrong
                        memcpy(
                            job.cells + i * net.places, before + i * net.places, 4 * net.places
                        )
                        own = memoryview(markings).cast("B").cast("i")[
                            i * net.places:(i + 1) * net.places
                        ]
                        steps, more = simulate(image, own, seed + i, most)
                        job.fired[i] = len(steps)
                        live += more
                at = end
                PyErr_CheckSignals()
            memcpy(numbers.buf, job.fired, numbers.len)
            return live
        except BaseException:
            memcpy(buffer.buf, before, buffer.len)
            raise
    finally:
        PyMem_Free(room)
        PyMem_Free(before)
        PyBuffer_Release(&numbers)
        PyBuffer_Release(&buffer)


def pack_cases(image, markings, count):
    cdef Compiled compiled = compiled_of(image)
    cdef const Net *net = &compiled.net
    cdef Py_ssize_t cases = PyNumber_AsSsize_t(count, NULL)
    cdef const Packing *packing = compiled.safe_packing()
    cdef Py_ssize_t done = -1
    cdef Py_buffer buffer
    cdef bytes packed
    cdef uint64_t *words
    if not 0 <= cases <= CELL_MAX or not get(markings, net.places * cases, 0, &buffer):
        return reference.pack_cases(image, markings, count)
    try:
        packed = PyBytes_FromStringAndSize(NULL, 8 * packing.words * cases)
        words = <uint64_t *> <char *> packed
        with nogil:
            done = cases_pack(packing, <const int32_t *> buffer.buf, net.places, cases, words)
    finally:
        PyBuffer_Release(&buffer)
    if done < cases:
        return reference.pack_cases(image, markings, count)
    return packed


def enabled_cases(image, packed, count):
    cdef Compiled compiled = compiled_of(image)
    cdef const Net *net = &compiled.net
    cdef Py_ssize_t cases = PyNumber_AsSsize_t(count, NULL)
    cdef const Packing *packing = compiled.safe_packing()
    cdef bytes found
    cdef const uint64_t *words
    cdef uint64_t *bits
    if (
        type(packed) is not bytes
        or not 0 <= cases <= CELL_MAX
        or PyBytes_GET_SIZE(packed) != 8 * packing.words * cases
    ):
        return reference.enabled_cases(image, packed, count)
    words = <const uint64_t *> <const char *> (<bytes> packed)
    found = PyBytes_FromStringAndSize(NULL, 8 * ((net.transitions + 63) // 64) * cases)
    bits = <uint64_t *> <char *> found
    with nogil:
        enabled_words(packing, net, words, cases, bits, FAST)
    return found


def explore(
    image, marking, guarded=b"", graph=False, threads=1, max_states=1_000_000, max_bytes=2**32
):
    cdef Compiled compiled = compiled_of(image)
    cdef const Net *net = &compiled.net
    cdef Py_ssize_t most = PyNumber_AsSsize_t(max_states, NULL)
    cdef Py_ssize_t bytes_ = PyNumber_AsSsize_t(max_bytes, NULL)
    cdef Py_ssize_t workers = PyNumber_AsSsize_t(threads, NULL)
    cdef Explored explored
    cdef Py_ssize_t t
    if (
        most < 1 or bytes_ < 1 or workers < 1 or compiled.counted or type(guarded) is not bytes
        or len(guarded) not in (0, net.transitions)
        or min(reference._cells(marking, net.places), default=0) < 0
    ):
        return reference.explore(image, marking, guarded, graph, threads, max_states, max_bytes)
    marking = array("i", reference._cells(marking))  # aligned, and nobody else's
    kinds = bytes(
        [0 if image.external[t] else 2 if guarded and guarded[t] else 1
         for t in range(net.transitions)]
    )
    workers = min(workers, 64)
    for width in range(WIDTHS):
        explored = Explored(compiled, kinds)
        explored.look(marking, width_bits[width], graph, workers, most, bytes_)
        if explored.space.direct and explored.space.monotone and explored.space.stop in (
            MAX_STATES, MAX_BYTES
        ):
            # Whether there is an end at all can be told only from the paths.
            explored = Explored(compiled, kinds)
            explored.look(marking, width_bits[width], True, workers, most, bytes_)
        if explored.space.stop != WIDER:
            break
    return explored.result(graph)


ENDED = {
    COMPLETE: "complete",
    MAX_STATES: "states",
    MAX_BYTES: "memory",
    WIDER: "tokens",
    UNBOUNDED: "unbounded",
}


cdef class Explored:
    """The markings of an exploration; what is kept of them is a `Graph` of `weft.native.space`."""

    cdef CSpace space
    cdef Compiled compiled
    cdef bytes kinds
    cdef readonly object start
    cdef readonly object transition
    cdef readonly object target

    def __cinit__(self, Compiled compiled, bytes kinds):
        self.compiled = compiled
        self.kinds = kinds
        self.start = self.transition = self.target = None

    def __dealloc__(self):
        space_free(&self.space)

    cdef look(
        self, marking, int32_t bits, bint graph, int threads, uint64_t max_states,
        uint64_t max_bytes
    ):
        cdef Py_buffer buffer
        cdef bint ready, going
        cdef const unsigned char *kinds = self.kinds
        if not get(marking, self.compiled.net.places, 0, &buffer):
            raise ValueError(f"this is no marking of {self.compiled.net.places} places")
        ready = space_make(
            &self.space, &self.compiled.net, bits, <const int32_t *> buffer.buf, kinds, graph,
            threads, max_states, max_bytes,
        )
        PyBuffer_Release(&buffer)
        if not ready:
            if self.space.stop == 0:
                raise MemoryError(
                    f"no memory to explore a net of {self.compiled.net.places} places"
                )
            return
        try:
            while True:
                with nogil:
                    going = space_work(&self.space, 64, FAST)
                if not going:
                    return
                PyErr_CheckSignals()
        except BaseException:
            with nogil:
                space_end(&self.space)
            raise

    cdef result(self, bint graph):
        cdef Worker *worker = self.space.worker
        cdef Py_ssize_t i
        cdef Py_buffer start, transition, target
        if graph:
            self.start = array("q", bytes(8 * (self.space.count + 1)))
            edges = bytes(4 * space_edges(&self.space))
            self.transition = array("i", edges)
            self.target = array("i", edges)
            PyObject_GetBuffer(self.start, &start, PyBUF_WRITABLE)
            PyObject_GetBuffer(self.transition, &transition, PyBUF_WRITABLE)
            PyObject_GetBuffer(self.target, &target, PyBUF_WRITABLE)
            with nogil:
                space_rows(
                    &self.space, <int64_t *> start.buf, <int32_t *> transition.buf,
                    <int32_t *> target.buf,
                )
            PyBuffer_Release(&start)
            PyBuffer_Release(&transition)
            PyBuffer_Release(&target)
        return Space(
            states=self.space.count,
            firings=worker.firings,
            deadlocks=worker.dead,
            most_in_place=worker.most,
            most_in_marking=worker.total,
            fired=worker.seen[:self.compiled.net.transitions] if worker.seen != NULL
            else bytes(self.compiled.net.transitions),
            dead_markings=tuple(
                [self.cells(worker.dead_marking + i * self.space.words)
                 for i in range(worker.dead_kept)]
            ),
            ended=ENDED[self.space.stop],
            graph=self if graph else None,
        )

    cdef bytes cells(self, const uint64_t *marking):
        cdef Py_ssize_t places = self.compiled.net.places
        cdef bytes cells = PyBytes_FromStringAndSize(NULL, 4 * places)
        unpack(&self.space.packing, marking, places, <int32_t *> <char *> cells)
        return cells

    def __len__(self):
        return self.space.count

    def marking(self, number):
        return self.cells(record_of(&self.space, self.checked(number)))

    def found_by(self, number):
        cdef uint64_t by = record_of(&self.space, self.checked(number))[self.space.words]
        return <int32_t> by, <int32_t> (by >> 32)

    cdef Py_ssize_t checked(self, number) except -1:
        cdef Py_ssize_t i = index(number)
        if not 0 <= i < <Py_ssize_t> self.space.count:
            raise IndexError(f"marking {number} is not one of the {self.space.count} found")
        return i


def saturation(image, target, limits=None, moves=b"", max_bytes=2**30):
    return Saturated(
        compiled_of(image), *reference._sought(image, target, limits, moves, max_bytes)
    )


cdef class Saturated:
    """A `Saturation` of `weft.native.backward`."""

    cdef Backward search
    cdef Compiled compiled
    cdef list kept  # what the search has pointers to
    cdef object lock

    def __cinit__(self, Compiled compiled, target, limits, bytes moves, max_bytes):
        cdef Rows rows
        self.compiled = compiled
        self.lock = RLock()
        self.kept = [limits, moves]
        rows.start = self.pointer(limits.rows.start)
        rows.place = self.pointer(limits.rows.place)
        rows.weight = self.pointer(limits.rows.weight)
        if not backward_make(
            &self.search, &compiled.net, moves, self.pointer(target), &rows,
            self.pointer(limits.totals), <int32_t> len(limits.totals), clipped(max_bytes),
        ):
            raise self.no_memory()

    def __dealloc__(self):
        backward_free(&self.search)

    cdef const int32_t *pointer(self, numbers) except? NULL:
        view = memoryview(numbers)
        self.kept.append(view)
        return <const int32_t *> PyMemoryView_GET_BUFFER(view).buf

    cdef no_memory(self):
        return MemoryError(f"no memory to search a net of {self.compiled.net.places} places")

    @property
    def done(self):
        return self.search.done

    def path(self, marking, work):
        cdef int64_t most = clipped(index(work))
        cdef int32_t found = -1
        cdef int why = SEARCHING
        cdef const int32_t *cells
        cdef list moves = []
        # Aligned, and nobody else's while others run.
        view = memoryview(
            array("i", reference._cells(marking, self.compiled.net.places).tobytes())
        )
        cells = <const int32_t *> PyMemoryView_GET_BUFFER(view).buf
        with self.lock:
            self.search.looked = 0
            if self.search.count < ROOM:  # most are short: letting the lock go would take longer
                why = backward_look(&self.search, cells, most, ROOM, &found)
            while why == SEARCHING:
                PyErr_CheckSignals()
                with nogil:
                    why = backward_look(&self.search, cells, most, SLICE, &found)
            if why == COVERED:
                while self.search.known[found].then >= 0:
                    moves.append(self.search.known[found].move)
                    found = self.search.known[found].then
        if why == COVERED:
            return moves
        if why == NOT_COVERED:
            return None
        if why == NO_MEMORY:
            raise self.no_memory()
        raise OutOfBounds


cdef int64_t clipped(number) except? -1:
    return max(min(number, 2**63 - 1), -2**63)


def open_image(data):
    view = memoryview(data)
    cdef const Py_buffer *buffer = PyMemoryView_GET_BUFFER(view)
    cdef const unsigned char *start = <const unsigned char *> buffer.buf
    cdef ImageCounts counts
    cdef Compiled compiled
    cdef Py_ssize_t counted = -1
    cdef bint sound = False
    if (
        buffer.ndim != 1 or buffer.itemsize != 1 or not view.c_contiguous
        or (<uintptr_t> start & 3) != 0
    ):
        return reference.open_image(data)
    compiled = Compiled()
    with nogil:
        if image_header(start, buffer.len, &counts):
            sound = image_sound(start + IMAGE_HEADER, &counts, &compiled.net, &counted)
    if not sound:
        return reference.open_image(data)
    compiled.views.append(view)
    compiled.count(counts.arcs[IMAGE_PUT])
    view = view.toreadonly()
    return StoredImage(
        NetImage.of_checked(
            places=counts.places,
            transitions=counts.transitions,
            counted_immediate=counted,
            arrays=partial(arrays_of, view),
            compiled=compiled,
        ),
        view,
    )


def clear_places(marking, places):
    cdef Py_buffer buffer
    cdef Py_ssize_t i, count
    cdef list chosen
    cdef bint known = True
    if not get(marking, ANY, PyBUF_WRITABLE, &buffer):
        return reference.clear_places(marking, places)
    try:
        count = buffer.len // 4
        chosen = [index(place) for place in places]
        for i in range(len(chosen)):
            known = known and 0 <= PyNumber_AsSsize_t(chosen[i], NULL) < count
        if known:
            for i in range(len(chosen)):
                (<int32_t *> buffer.buf)[PyNumber_AsSsize_t(chosen[i], NULL)] = 0
    finally:
        PyBuffer_Release(&buffer)
    if not known:
        reference.clear_places(marking, chosen)


for _name in __all__:
    globals()[_name].__doc__ = getattr(reference, _name).__doc__
