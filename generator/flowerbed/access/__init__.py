"""A user's connection to a SuperLink: what it is, and the stock `flwr` command over it.

`flwr` 1.41 cannot present a client certificate. Where the SuperLink's gateway wants one, a small HAProxy on
this machine's loopback adds it, for the time of one session and for this session's `flwr` alone.
"""
