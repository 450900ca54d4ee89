"""The same work as `benchmarks.notebook` does, through the project's own code.

python -m benchmarks.ours ensemble '{"folder": ..., "epochs": 2, "trials": [...]}'
"""

import json
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import params as parameters
from pipeline import prediction
from pipeline.data import prepared
from pipeline.params import Workers
from pipeline.training import session, workers
from pipeline.training.task import FitResult, FitTask


def task(
    folder: str, model: str, width: int, epochs: int, seed: int, dropout: float = 0.0
) -> FitTask:
    """The fit that `benchmarks.notebook.fit` does with the same arguments."""
    sections: dict[str, Any] = {
        "dense": {"units": [width], "dropout": dropout},
        "cnn": {"filters": [width], "dense_units": 128, "dropout": dropout},
        "efficientnet": {"dropout": dropout, "batch_norm_momentum": 0.9},
    }
    document = {"models": {model: sections[model]}, "train": {"epochs": epochs}}
    params = parameters.parse(document)
    return FitTask(
        model=model,
        section=getattr(params.models, model),
        train=params.train,
        seed=seed,
        data=Path(folder),
        data_hash=prepared.read_manifest(Path(folder)).content_hash,
    )


def trained(**request: Any) -> dict[str, Any]:
    """One fit in this process, as a worker does it, with clean scores after every epoch."""
    asked = task(**request)
    moments = [time.perf_counter()]
    result = session.run(asked, lambda _: moments.append(time.perf_counter()))
    return {
        "seconds": time.perf_counter() - moments[0],
        "epochs": np.diff(moments).tolist(),
        "loss": final_loss(result),
    }


def ensemble(folder: str, epochs: int, trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Fits side by side on workers, and the loss of the average of what they say."""
    tasks = [task(folder=folder, epochs=epochs, **trial) for trial in trials]
    with workers.pool(Workers()) as pool:
        results = [result for _, result in pool.run(tasks, "ensemble")]
    labels = np.asarray(prepared.read(Path(folder)).val.labels)
    mean = np.mean([result.probabilities for result in results], axis=0, dtype=np.float64)
    return {"loss": _cross_entropy(mean, labels), "num_fits": len(results)}


def predicted(folder: str, weights: str) -> dict[str, Any]:
    """All training images through `pipeline.prediction`; seconds and the loss."""
    split = prepared.read(Path(folder)).train
    call = _compiled(weights)
    started = time.perf_counter()
    probabilities = prediction.run(call, split.images)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "loss": _cross_entropy(probabilities, np.asarray(split.labels))}


def saved(folder: str, weights: str) -> dict[str, Any]:
    """An untrained EfficientNetB0 in the file `weights`."""
    from pipeline import models, quiet

    quiet.tensorflow()
    asked = task(folder, "efficientnet", 0, 1, 0, 0.2)
    shape = prepared.read_manifest(Path(folder)).image_shape
    models.build("efficientnet", asked.section, shape, 10, 0).save(weights)
    return {"loss": 0.0}


def saved_extractor(folder: str, weights: str) -> dict[str, Any]:
    """EfficientNet-Lite0 from ImageNet without its head, in the file `weights`."""
    from pipeline import models, quiet

    quiet.tensorflow()
    shape = prepared.read_manifest(Path(folder)).image_shape
    models.extractor("efficientnet", _frozen().models.efficientnet, shape).save(weights)
    return {"loss": 0.0}


def features(folder: str, weights: str) -> dict[str, Any]:
    """The features of all images by all workers; the mean of those of train, as `loss`."""
    params = _frozen()
    manifest = prepared.read_manifest(Path(folder))
    asked = FitTask(
        model="efficientnet",
        section=params.models.efficientnet,
        train=params.train,
        seed=0,
        data=Path(folder),
        data_hash=manifest.content_hash,
    )
    with workers.pool(Workers()) as pool:
        list(pool.run([asked], "features"))
    pieces = sorted(Path(f"{folder}.features").glob("*/train-*.npy"))
    kept = np.concatenate([np.load(piece) for piece in pieces])
    return {"loss": float(kept.mean(dtype=np.float64)), "weights": weights}


def _frozen() -> parameters.Params:
    """One epoch of the head alone."""
    network = {"variant": "Lite0", "weights": "imagenet", "freeze_ratio": 1.0, "resolution": 128}
    return parameters.parse({"models": {"efficientnet": network}, "train": {"epochs": 1}})


def final_loss(result: FitResult) -> float:
    """The clean validation loss after the last epoch; a failed fit has none."""
    return float("nan") if result.failed else float(result.history.series("val", "loss")[-1])


def _cross_entropy(probabilities: Any, labels: Any) -> float:
    chosen = np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, None)
    return float(-np.log(chosen).mean())


@lru_cache(maxsize=1)
def _compiled(weights: str) -> Any:
    model = prediction.load(Path(weights))
    call = prediction.compiled(model)
    prediction.run(call, np.zeros((32, *model.input_shape[1:]), np.uint8))
    return call


if __name__ == "__main__":
    done = {"ensemble": ensemble, "features": features}
    print(json.dumps(done[sys.argv[1]](**json.loads(sys.argv[2]))))
