"""What is added to the processes of Flower, where Python loads it as they start."""

# Beside sitecustomize.py, which calls them.
PARTS = (
    "hooks",
    "app_folder",
    "app_starts",
    "app_stop",
    "app_ends",
    "app_replies",
    "app_loading",
    "apps",
    "pace",
    "warm",
    "warm_server",
)
