"""Weft: an embeddable workflow engine."""
