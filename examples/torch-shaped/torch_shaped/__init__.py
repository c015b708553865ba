"""A model with a state_dict, as PyTorch has it."""
