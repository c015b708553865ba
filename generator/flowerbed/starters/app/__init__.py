"""A Flower app: `task.py` is the subject, `client_app.py` trains on a node, `server_app.py` averages."""
