"""Reports what each node knows of itself."""
