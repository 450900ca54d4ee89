"""The same work as `benchmarks.notebook` does, through the project's own code.

python -m benchmarks.ours '{"folder": ..., "epochs": 2, "trials": [...]}'    (an ensemble)
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
    print(json.dumps(ensemble(**json.loads(sys.argv[1]))))
