"""The views of the SQLite store: its contents in plain SQL, for any program that reads SQLite.

The events of a batch are one msgpack value (``docs/decisions/0002-journal-layout.md``). A view can
read it all the same: a recursive query walks over its bytes, one value a step, and notes where
each event's type, version, time and data begin. So the views cost nothing when events are written
and not a byte of the file, and they cannot disagree with the journal, since they are made of it
(``docs/decisions/0007-sql-views.md``). ``docs/sql.md`` describes their columns.

They use what SQLite 3.38 (2022) knows, and no function of ours.
"""

from __future__ import annotations

from typing import Final

__all__ = ["VIEWS"]


def _number(value: str, size: int) -> str:
    """SQL: the number in the ``size`` bytes (most significant first) of a blob."""
    last = 2 * size - 1
    return " + ".join(
        f"(instr('123456789ABCDEF', substr(hex({value}), {i + 1}, 1)) << {4 * (last - i)})"
        for i in range(last + 1)
    )


def _bytes(at: str, offset: int, size: int) -> str:
    """SQL: the number in some bytes of a batch, ``offset`` behind the position ``at``."""
    return _number(f"substr(e.data, {at} + {offset}, {size})", size)


def _whole(at: str) -> str:
    """SQL: the whole number (not negative) that is written at a position in msgpack."""
    return (
        f"CASE substr(e.data, {at}, 1) WHEN x'cf' THEN {_bytes(at, 1, 8)}"
        f" WHEN x'ce' THEN {_bytes(at, 1, 4)} WHEN x'cd' THEN {_bytes(at, 1, 2)}"
        f" WHEN x'cc' THEN {_bytes(at, 1, 1)} ELSE {_bytes(at, 0, 1)} END"
    )


def _text(at: str) -> str:
    """SQL: the text, or the bytes as a text, that are written at a position in msgpack."""
    sizes = (("x'c4', x'd9'", 1), ("x'c5', x'da'", 2), ("x'c6', x'db'", 4))
    ways = " ".join(
        f"WHEN substr(e.data, {at}, 1) IN ({heads})"
        f" THEN substr(e.data, {at} + {1 + size}, {_bytes(at, 1, size)})"
        for heads, size in sizes
    )
    return f"CAST(CASE {ways} ELSE substr(e.data, {at} + 1, {_bytes(at, 0, 1)} - 160) END AS TEXT)"


def _iso(microseconds: str) -> str:
    """SQL: a time as text, ISO 8601 in UTC, so that the texts sort as the times do."""
    return (
        f"strftime('%Y-%m-%dT%H:%M:%S', ({microseconds}) / 1000000, 'unixepoch')"
        f" || printf('.%06dZ', ({microseconds}) % 1000000)"
    )


def _last(value: str, condition: str = "1") -> str:
    """SQL: the value in the row with the highest sequence number of a group."""
    numbered = f"printf('%020d', sequence) || {value}"
    return f"substr(max(CASE WHEN {condition} THEN {numbered} END), 21)"


_HEAD = "substr(e.data, at, 1)"
_LENGTH = f"""CASE
    WHEN step % 6 = 0 OR {_HEAD} < x'80' THEN 1
    WHEN {_HEAD} < x'c0' THEN {_bytes("at", 0, 1)} - 159
    WHEN {_HEAD} IN (x'c4', x'd9') THEN 2 + {_bytes("at", 1, 1)}
    WHEN {_HEAD} IN (x'c5', x'da') THEN 3 + {_bytes("at", 1, 2)}
    WHEN {_HEAD} IN (x'c6', x'db') THEN 5 + {_bytes("at", 1, 4)}
    ELSE CASE {_HEAD} WHEN x'cc' THEN 2 WHEN x'cd' THEN 3 WHEN x'ce' THEN 5 WHEN x'cf' THEN 9 END
    END"""
"""SQL: the length of the msgpack value at a position. Step 0 of 6 is the head of an event, an array
of five; a length that is not known is null, and ends the walk."""

_TYPE, _VERSION, _TIME, _DATA, _HASH = (f"json_extract(w.value, '$[{i}]')" for i in range(5))

VIEWS: Final = f"""
CREATE VIEW workflows AS
SELECT name, version, format, CAST(source AS TEXT) AS source, net, origin, {_iso("added")} AS added,
    no = (SELECT s.no FROM specifications s WHERE s.name = specifications.name
        ORDER BY s.added DESC, s.no DESC LIMIT 1) AS newest
FROM specifications;

CREATE VIEW executions AS
SELECT id AS case_id, specification AS workflow, version, status, idle,
    {_iso("started")} AS started, {_iso("updated")} AS updated,
    CASE WHEN status IN ('completed', 'cancelled') THEN {_iso("updated")} END AS ended,
    (updated - started) / 1e6 AS seconds,
    sequence AS events, {_iso("wake_at")} AS wake_at, CAST(error AS TEXT) AS error, net
FROM cases;

CREATE VIEW history AS
SELECT c.id AS case_id, e.first + w.key AS sequence,
    {_text(_TYPE)} AS type, {_whole(_VERSION)} AS version, {_iso(_whole(_TIME))} AS time,
    {_text(_DATA)} AS data, lower(hex(substr(e.data, {_HASH} + 2, 32))) AS hash,
    e.command AS command, {_whole(_TIME)} AS microseconds
FROM cases c
CROSS JOIN json_each((
    WITH RECURSIVE chain (no, previous) AS (
        SELECT no, previous FROM events WHERE no = c.tail
        UNION ALL
        SELECT x.no, x.previous FROM chain CROSS JOIN events x
        ON x.no = chain.previous AND x.no < chain.no
    )
    SELECT json_group_array(no) FROM (SELECT no FROM chain ORDER BY no)
)) AS r
CROSS JOIN events e ON e.no = r.value
CROSS JOIN json_each((
    WITH RECURSIVE walk (step, at, type_at, version_at, time_at, data_at) AS (
        SELECT 0, CASE substr(e.data, 1, 1) WHEN x'dc' THEN 4 WHEN x'dd' THEN 6 ELSE 2 END,
            0, 0, 0, 0
        UNION ALL
        SELECT step + 1, at + {_LENGTH},
            CASE step % 6 WHEN 1 THEN at ELSE type_at END,
            CASE step % 6 WHEN 2 THEN at ELSE version_at END,
            CASE step % 6 WHEN 3 THEN at ELSE time_at END,
            CASE step % 6 WHEN 4 THEN at ELSE data_at END
        FROM walk WHERE at <= length(e.data)
    )
    SELECT json_group_array(json_array(type_at, version_at, time_at, data_at, at))
    FROM walk WHERE step % 6 = 5
)) AS w;

CREATE VIEW step_history AS
SELECT h.case_id, x.value AS item, h.sequence, h.time, h.type, h.data, h.microseconds,
    CASE WHEN x.key < json_array_length(h.data, '$.cancelled') THEN 'cancelled' ELSE CASE h.type
        WHEN 'WorkItemOffered' THEN 'offered'
        WHEN 'WorkItemStarted' THEN 'started'
        WHEN 'WorkItemRetried' THEN 'started'
        WHEN 'WorkItemCompleted' THEN 'completed'
        WHEN 'WorkItemFailed' THEN 'failed'
        WHEN 'WorkItemGivenUp' THEN 'given up'
        WHEN 'WorkItemWithdrawn' THEN 'cancelled' END END AS status
FROM history h CROSS JOIN json_each(
    CASE WHEN h.type LIKE 'WorkItem%' THEN json_insert(
        coalesce(json_extract(h.data, '$.cancelled'), '[]'), '$[#]', json_extract(h.data, '$.item'))
    ELSE coalesce(json_extract(h.data, '$.cancelled'), '[]') END
) AS x;

CREATE VIEW step_executions AS
SELECT s.case_id, s.item, s.task, s.scope,
    CASE WHEN s.closed THEN 'cancelled' ELSE s.status END AS status, s.attempts,
    {_iso("s.begun")} AS started,
    CASE WHEN s.closed THEN {_iso("c.updated")}
        WHEN s.status IN ('completed', 'cancelled', 'given up') THEN {_iso("s.changed")}
        END AS ended,
    (CASE WHEN s.closed THEN c.updated
        WHEN s.status IN ('completed', 'cancelled', 'given up') THEN s.changed
        END - s.begun) / 1e6 AS seconds,
    s.done_by, s.error
FROM (
    SELECT t.case_id, t.item, max(json_extract(t.data, '$.task')) AS task,
        coalesce(max(CASE WHEN t.type IN ('WorkItemOffered', 'WorkItemStarted')
            THEN json_extract(t.data, '$.scope') END), 0) AS scope,
        {_last("status", "status IS NOT NULL")} AS status,
        CAST({_last("microseconds", "status IS NOT NULL")} AS INTEGER) AS changed,
        sum(t.status IS 'started') AS attempts,
        min(CASE t.status WHEN 'started' THEN t.microseconds END) AS begun,
        {_last("json_extract(data, '$.by')", "type = 'WorkItemCompleted' AND status = 'completed'")}
            AS done_by,
        {_last("json_extract(data, '$.error')", "type = 'WorkItemFailed' AND status = 'failed'")}
            AS error,
        {_last("status", "status IS NOT NULL")} IN ('offered', 'started', 'failed')
            AND (SELECT status FROM cases WHERE id = t.case_id) IN ('completed', 'cancelled')
            AS closed
    FROM step_history t GROUP BY t.case_id, t.item
) AS s
CROSS JOIN cases c ON c.id = s.case_id;

CREATE VIEW step_attempts AS
SELECT a.case_id, a.item, a.attempt,
    CASE WHEN a.after IS NOT NULL THEN CASE a.after WHEN 'started' THEN 'interrupted' ELSE a.after END
        WHEN c.status IN ('completed', 'cancelled') THEN 'cancelled' ELSE 'started' END AS status,
    {_iso("a.begun")} AS started,
    {_iso("coalesce(a.changed, CASE WHEN c.status IN ('completed', 'cancelled') THEN c.updated END)")}
        AS ended,
    (coalesce(a.changed, CASE WHEN c.status IN ('completed', 'cancelled') THEN c.updated END)
        - a.begun) / 1e6 AS seconds,
    a.error
FROM (
    SELECT case_id, item, status, microseconds AS begun,
        sum(status = 'started') OVER sofar AS attempt,
        lead(status) OVER ahead AS after,
        lead(microseconds) OVER ahead AS changed,
        lead(CASE WHEN status = 'failed' THEN json_extract(data, '$.error') END) OVER ahead AS error
    FROM step_history WHERE status IS NOT NULL
    WINDOW ahead AS (PARTITION BY case_id, item ORDER BY sequence),
        sofar AS (PARTITION BY case_id, item ORDER BY sequence ROWS UNBOUNDED PRECEDING)
) AS a
CROSS JOIN cases c ON c.id = a.case_id
WHERE a.status = 'started';
"""
"""A script that makes the views of version 2 of the store."""
