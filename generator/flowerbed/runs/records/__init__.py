"""Records of runs: a folder `runs/RUN` for each, complete even when nobody followed to the end.

    record.json     all that is known, in the form of schema/run.schema.json
    log.txt         the run's log
    artifacts/      the files that the app gave

Each file is written whole or not at all, `record.json` last; whoever asks later completes what is missing.
"""
