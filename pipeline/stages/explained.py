"""Where models looked: Grad-CAM of the surest mistakes and right answers, and of val images."""

import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.scoring.scores import Predictions
from pipeline import evaluation, explain, prediction
from pipeline.data import prepared
from pipeline.evaluation import Evaluated
from pipeline.files import replacing
from pipeline.training.aside import Aside

NUM_EXAMPLES = 12
NUM_EXPLAINED = 80  # val images of which the page can show where the model looked
Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Chosen:
    """The rows of a split that are looked at, with what one fit says of them."""

    split: str
    rows: NDArray[np.int64]
    labels: NDArray[np.int32]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32]


def _chosen(split: str, said: Predictions, seed: int, count: int) -> Chosen:
    rows = np.sort(evaluation.shown_examples(said, seed, count))
    return Chosen(
        split=split,
        rows=rows,
        labels=said.labels[rows],
        predicted=said.predicted[seed][rows],
        probabilities=said.probabilities[seed][rows],
    )


@contextmanager
def beside(
    aside: Aside, folder: Path, data: Path, models: Mapping[str, tuple[str, Path, Evaluated]]
) -> Iterator[None]:
    """Makes the maps of `models` while the block lasts, and writes them to `folder` after it.

    Maps of an earlier run stay where weights and images are the same.

    Args:
        data: prepared images.
        models: by name what predictions depend on, the weights of the best seed, and its scores.
    """
    keys = {name: f"{key} {one.held_out} and val" for name, (key, _, one) in models.items()}
    begun: dict[str, Future[Arrays]] = {}
    for name, (_, weights, model) in models.items():
        if not _same_key(folder / f"{name}.npz", keys[name]):
            seed = best_seed(model)
            held_out = _chosen(model.held_out, model.splits[model.held_out], seed, NUM_EXAMPLES)
            val = _chosen("val", model.splits["val"], seed, NUM_EXPLAINED)
            begun[name] = aside.call(maps, weights, data, held_out, val)
    yield
    with replacing(folder) as made:
        made.mkdir()
        for name, key in keys.items():
            if name in begun:
                found = begun[name].result()
                np.savez(made / f"{name}.npz", allow_pickle=False, key=np.array(key), **found)
            else:
                shutil.copy(folder / f"{name}.npz", made)


def best_seed(model: Evaluated) -> int:
    """The fit of a model that is best on val, by its place."""
    return evaluation.champion({"": model})[1]


def _same_key(path: Path, key: str) -> bool:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return str(arrays["key"]) == key
    except (OSError, KeyError, ValueError, BadZipFile):
        return False


def maps(weights: Path, folder: Path, held_out: Chosen, val: Chosen) -> Arrays:
    """The maps of one fit, and what they are of; nothing of a net that has no places to show."""
    model = prediction.load(weights)
    try:
        layer = explain.default_layer(model)
    except explain.ExplainError:
        return {}
    data = prepared.read(folder)
    height, width, _ = data.manifest.image_shape
    images = np.asarray(data.split(held_out.split).images[held_out.rows])
    of_val = np.asarray(data.split(val.split).images[val.rows])
    found = {
        f"maps_{kind}": explain.upscaled(
            explain.grad_cam(model, images, classes, layer.name), height, width
        )
        for kind, classes in (("true", held_out.labels), ("predicted", held_out.predicted))
    }
    val_maps = explain.grad_cam(model, of_val, val.predicted, layer.name)
    numbers = np.arange(len(images))
    return {
        **found,
        "val_rows": val.rows,
        "val_maps": np.round(255 * val_maps).astype(np.uint8),  # as coarse as they are
        "images": images,
        "labels": held_out.labels,
        "predicted": held_out.predicted,
        "p_true": held_out.probabilities[numbers, held_out.labels],
        "p_predicted": held_out.probabilities[numbers, held_out.predicted],
        "layer": np.array(str(layer)),
    }
