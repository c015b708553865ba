"""What a run's log says about its rounds: figures, replies and failures, and who took part.

Flower 1.41 keeps no metrics of a run on the SuperLink; a strategy writes them into the ServerApp's log.
Read here are the lines of `flwr.serverapp.strategy` (of every strategy, since all share `Strategy.start`)
and of the older `flwr.server` API, and two kinds of line that an app may add: `metrics {JSON}` and
`config {JSON}` (docs/how-to/report.md). Any other line is passed over.

A log is what strangers' code printed: nothing in it is evaluated, and a line that does not parse counts
as one of the others.
"""
