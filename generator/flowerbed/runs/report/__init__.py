"""The report of a run: what the SuperLink says of it, and what its log says of its rounds."""
