"""Variants of a network: those of a grid of parameters, or of a function's draws, one by one or all in a sweep."""
