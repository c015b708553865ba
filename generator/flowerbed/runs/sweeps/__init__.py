"""Sweeps: a run for each combination of values of the run config, some at a time, resumable."""
