"""Programs that mypy refuses, each at the line that says for what.

They are never run; running them would meet some of these mistakes, and not others.
"""

from __future__ import annotations

import weft
from tests.typing.words import (
    Claim,
    Decision,
    assess,
    book,
    claim,
    count,
    decide,
    improve,
    notify,
    pay,
    refuse,
)
from weft.engine.ports import CaseId, ItemId
from weft.flow import (
    by,
    constant,
    for_each,
    graph,
    parallel,
    process,
    race,
    repeat,
    skip,
    task,
    times,
    together,
    when,
)
from weft.handles import AsyncIdleCase, CancelledCase, CompletedCase, FailedCase, IdleCase

# The value of one task is not what the next one takes.
process("a", claim).then(assess).then(pay).build()  # E: arg-type
process("a", count).then(assess).build()  # E: arg-type
process("a").then(assess).build()  # E: arg-type
assess.then(notify)  # E: arg-type
refuse.then(notify).then(notify)  # E: arg-type
pay.then(parallel(notify, assess))  # E: arg-type
parallel(assess, improve).then(book)  # E: arg-type
parallel(improve, assess, refuse).then(book)  # E: arg-type
race(assess, refuse).then(notify)  # E: arg-type
when("true", refuse).otherwise(assess).then(notify)  # E: arg-type
when("true", refuse).otherwise(skip).then(notify)  # E: arg-type
repeat(assess, until="true")  # E: misc
refuse.on_failure(assess)  # E: arg-type
assess.on_failure(refuse).then(notify)  # E: arg-type
refuse.timeout("1h").on_timeout(assess)  # E: arg-type
refuse.timeout("1h").on_timeout(skip).on_failure(assess)  # E: arg-type
assess.timeout("1h").on_timeout(refuse).on_failure(refuse).then(notify)  # E: arg-type
refuse.due("1h").on_due(assess)  # E: arg-type

# Many instances: the list's items are what the task takes, and its results are a list.
process("a", claim).then(for_each(assess)).build()  # E: arg-type
for_each(assess).then(book)  # E: arg-type
for_each(refuse, wait=False).then(notify)  # E: arg-type
times(3, assess)  # E: arg-type
for_each(assess, rest="keep")  # E: call-overload

# A process that is not complete cannot be built, a choice that is not is no step.
process("a", claim).build()  # E: attr-defined
process("a", claim).then(when("true", assess))  # E: arg-type
graph("a").build()  # E: attr-defined

# What a task is given.
pay.given(count)  # E: arg-type
pay.given(assess.result)  # E: arg-type
book.given(together(assess.result, claim))  # E: arg-type
book.given(constant(1))  # E: arg-type
assess.into(count)  # E: arg-type

# Conditions.
when(claim.map(lambda c: c.amount), pay)  # E: return-value
when(claim.map(lambda c: c.amuont > 1), pay)  # E: attr-defined
when(count, pay)  # E: arg-type
repeat(improve)  # E: call-overload

# Calls of the function itself.
assess(1)  # E: arg-type
assess()  # E: call-arg
task(1)  # E: call-overload

# Ids.
made = graph("ids")
first = made.task(refuse)
ready = made.place("ready")
made.join(ready, by("synchronization"))  # E: arg-type
made.on_failure(ready, first)  # E: arg-type
made.then("refuse", first)  # E: arg-type
made.start("refuse")  # E: arg-type
built = process("built", claim).then(assess).build()


def handles(engine: weft.SyncEngine, item_id: ItemId, other: CaseId) -> None:
    built.run(engine)  # E: call-overload
    built.run(engine, 5)  # E: call-overload
    built.open(engine, item_id)  # E: call-overload
    built.open(engine, "case-1")  # E: call-overload
    running = built.start(engine, Claim("a", 1.0))
    print(running.output)  # E: attr-defined
    running.resume()  # E: attr-defined
    match now := running.settle():
        case CompletedCase(output=output):
            print(len(output))  # E: arg-type
            now.cancel()  # E: attr-defined
            now.resume()  # E: attr-defined
        case IdleCase():
            (item,) = now.items_of(decide)
            now.complete(item, "pay")  # E: misc
            now.complete(other, Decision("pay"))  # E: arg-type
            now.resume()  # E: attr-defined
            Decision("perhaps")  # E: arg-type
        case FailedCase():
            print(now.complete)  # E: attr-defined
            print(now.output)  # E: attr-defined
        case CancelledCase():
            now.cancel()  # E: attr-defined


async def asynchronous(engine: weft.Engine) -> None:
    now = await built.run(engine, Claim("a", 1.0))
    now.id.missing()  # E: attr-defined
    if isinstance(now, AsyncIdleCase):
        print(now.output)  # E: attr-defined
        running = await now.complete(now.items_of(decide)[0], Decision("pay"))
        print(running.output)  # E: attr-defined
    print(built.run(engine, Claim("a", 1.0)).output)  # E: attr-defined
