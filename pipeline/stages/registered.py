"""Weights to begin with that MLflow keeps: `models.efficientnet.weights: models:/NAME@ALIAS`."""

from pipeline import tracking
from pipeline.params import Params
from pipeline.stages import cli

REGISTERED = "models:/"


def fetched(settings: Params) -> Params:
    """`settings` with a registered model's weights as a file of this machine; else as they are.

    Raises:
        TrackingError: there is no such model, or MLflow cannot be reached.
    """
    network = settings.models.efficientnet
    if network.weights is None or not network.weights.startswith(REGISTERED):
        return settings
    path = tracking.model_file(network.weights, cli.root() / ".checkpoints" / "weights")
    known = network.model_copy(update={"weights": str(path)})
    models = settings.models.model_copy(update={"efficientnet": known})
    return settings.model_copy(update={"models": models})
