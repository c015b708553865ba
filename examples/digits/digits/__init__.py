"""Handwritten digits, trained with federated averaging: a small Flower app to start from."""
