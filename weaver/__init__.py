"""Telemetry: registries read, checked and compared; what was emitted held against them."""
