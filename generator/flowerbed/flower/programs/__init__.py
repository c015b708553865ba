"""Programs, each a module to run: those of pods, and those of a federation on one machine."""
