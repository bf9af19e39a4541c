"""What a net, a marking and a case are; how a case moves, is stored, and is run.

The pure core is `weft.engine.decide` (command to events) and `weft.engine.evolve` (event to next
case); `weft.engine.runtime` is the only part that waits.
"""
