"""Rounds of a known length that say how many nodes answered."""
