"""A Flower app before it is sent: read, checked, corrected, packed."""
