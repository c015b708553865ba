"""The mean of numbers that stay where they are."""
