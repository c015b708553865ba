"""What runs on each node: train the model on the node's own data, send back the weights and metrics."""

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from .task import evaluate, fit, get_arrays, load_data, new_model, set_arrays

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train from the weights in the message. The data stays on the node."""
    run = context.run_config
    model = new_model(int(run["seed"]))
    set_arrays(model, message.content["arrays"])
    data = load_data(context)
    fit(model, data, int(run["local-epochs"]), float(run["learning-rate"]))
    # Flower weights the average by num-examples.
    metrics = MetricRecord({"num-examples": len(data.labels), **evaluate(model, data)})
    return Message(RecordDict({"arrays": get_arrays(model), "metrics": metrics}), reply_to=message)
