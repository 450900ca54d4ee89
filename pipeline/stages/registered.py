"""Weights to begin with that MLflow keeps: `models.efficientnet.weights: models:/NAME@ALIAS`."""

from pipeline import tracking
from pipeline.files import FETCHED_WEIGHTS
from pipeline.params import Params
from pipeline.stages import cli

REGISTERED = "models:/"


def fetched(settings: Params, model: str) -> Params:
    """`settings` with a registered model's weights as a file of this machine; else as they are.

    Args:
        model: the one that is to be fitted; others are not looked up.

    Raises:
        TrackingError: there is no such model, or MLflow cannot be reached.
    """
    network = settings.models.efficientnet
    registered = (network.weights or "").startswith(REGISTERED)
    if model != "efficientnet" or not registered:
        return settings
    path = tracking.model_file(str(network.weights), cli.root() / FETCHED_WEIGHTS)
    known = network.model_copy(update={"weights": str(path)})
    models = settings.models.model_copy(update={"efficientnet": known})
    return settings.model_copy(update={"models": models})
