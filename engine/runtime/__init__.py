"""The part of the engine that waits: clocks, attempts, retries, and the nursery that owns them.

Imports are left to `weft.engine.runtime.engine` (the `Engine` and its `Case` handles),
`weft.engine.runtime.live` (stored cases) and `weft.engine.runtime.clock`.
"""
