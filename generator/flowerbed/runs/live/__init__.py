"""What is shown of a run while it is followed: a table on a terminal, or in a notebook."""
