"""For all tests: a run that a shell put in the background ignores Ctrl-C, and so would all that it starts."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
