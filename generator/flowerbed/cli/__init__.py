"""The command line: parse, call one function, print, return the exit code."""
