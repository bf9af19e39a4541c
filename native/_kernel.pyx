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

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_WRITABLE, PyBuffer_Release
from cpython.exc cimport PyErr_CheckSignals, PyErr_Clear
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uintptr_t
from libc.string cimport memcpy

from operator import index

from weft.native import reference
from weft.native.image import NetImage

cdef extern from "Python.h":
    # Declared again: without an exception to raise (NULL) the first clips, and a failure of the
    # second is no error here but a reason to ask the reference.
    Py_ssize_t PyNumber_AsSsize_t(object number, void *overflow) except? -1
    int PyObject_GetBuffer(object exporter, Py_buffer *view, int flags)
    Py_buffer *PyMemoryView_GET_BUFFER(object view)

__all__ = reference.__all__

cdef enum:
    CELL_MAX = 2147483647
    ROOM = 4096  # firings between two looks at pending signals
    COUNTS = 16  # counted puts of one transition; who has more goes to the reference
    ANY = -1  # as many cells as there are


cdef struct Rows:  # a Relation
    const int32_t *start
    const int32_t *place
    const int32_t *weight


cdef struct Net:
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


cdef struct Search:
    # Where `next_enabled` is: among the sources, then at touch[k] of a marked place.
    bint external
    Py_ssize_t source
    Py_ssize_t place
    int32_t k
    int32_t end


cdef struct Agenda:
    # A binary heap of transitions by (order, transition), the next one at 0.
    const int32_t *order
    int32_t *heap
    Py_ssize_t size
    unsigned char *waiting  # a byte a transition: is it in the heap?


cdef class Compiled:
    """The pointers into one image. It holds the image's views, so that they stay."""

    cdef Net net
    cdef list views
    cdef bytes external

    def __cinit__(self, image):
        if type(image) is not NetImage:
            raise TypeError(f"a NetImage is needed, not {type(image).__name__}")
        self.views = []
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


cdef inline const Net *net_of(image) except NULL:
    compiled = image.compiled
    if compiled is None:
        compiled = Compiled(image)
        # Another thread may have been first. Its pointers may be in use, and must stay.
        if image.compiled is None:
            object.__setattr__(image, "compiled", compiled)
        compiled = image.compiled
    return &(<Compiled?> compiled).net


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
        and (<uintptr_t> buffer.buf & 3) == 0
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
