"""What is done with a declared federation's releases: apply, diff, status, doctor, uninstall."""
