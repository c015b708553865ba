"""The Flower side: apps packed and checked, runs submitted and followed, and the programs that pods run.

Nothing here needs more than the standard library and what comes with `flwr`: charts mount these files on
plain Flower images.
"""
