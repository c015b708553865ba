"""Linear regression in a loop of its own."""
