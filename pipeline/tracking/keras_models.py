"""Keras models as MLflow keeps them, and back."""

import hashlib
import importlib.metadata
import tempfile
import warnings
from pathlib import Path
from typing import Any

from pipeline.tracking import address
from pipeline.tracking.address import TrackingError
from pipeline.tracking.connection import load_mlflow

REQUIREMENTS = ("tensorflow", "keras", "numpy", "pandas")


def content(model: Any) -> str:
    """A hash of the weights of the Keras `model`: equal weights, equal hash, whatever the run."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(str(weight.shape).encode())
        digest.update(weight.tobytes())
    return digest.hexdigest()[:32]


def save(model: Any, folder: Path) -> None:
    """Save the Keras `model` in MLflow's format, with signature, example and requirements.

    The signature is that of every model here: uint8 images (n, height, width, channels) in,
    float32 probabilities (n, classes) out.
    """
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    load_mlflow()
    with warnings.catch_warnings():  # of type hints in MLflow's own modules
        warnings.simplefilter("ignore", UserWarning)
        import mlflow.pyfunc
    image, classes = tuple(model.input_shape[1:]), model.output_shape[-1]
    folder.mkdir()  # MLflow writes the example into it before it makes it
    mlflow.keras.save_model(
        model,
        str(folder),
        signature=ModelSignature(
            Schema([TensorSpec(np.dtype(np.uint8), (-1, *image))]),
            Schema([TensorSpec(np.dtype(np.float32), (-1, classes))]),
        ),
        input_example=np.zeros((1, *image), np.uint8),
        # Left out, MLflow imports TensorFlow in a process of its own to find them: 7 s a model.
        pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in REQUIREMENTS],
    )


def load_champion(dataset: str) -> Any:
    """The Keras model with the best validation score of `dataset`.

    Raises:
        TrackingError: there is none yet, or MLflow cannot be reached.
    """
    mlflow = load_mlflow()
    from mlflow.exceptions import MlflowException

    uri = f"models:/{address.project_name(dataset)}@champion"
    try:
        return mlflow.keras.load_model(uri)
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"{uri}: {error}. Run `dvc repro evaluate` with this data set first: it elects "
            "the champion."
        ) from None


def model_file(uri: str, folder: Path) -> Path:
    """The `.keras` file of a registered model such as `models:/NAME@champion`, below `folder`.

    It is named by its content, so that another version under the same alias is another file.

    Raises:
        TrackingError: there is no such model, or MLflow cannot be reached.
    """
    load_mlflow()
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        try:
            fetched = Path(download_artifacts(artifact_uri=uri, dst_path=temporary))
        except (MlflowException, OSError) as error:
            raise TrackingError(
                f"{uri}: {error}. Give the name of a registered model, as the MLflow UI shows it, "
                "with a version or an alias: models:/NAME/1 or models:/NAME@champion."
            ) from None
        found = sorted(fetched.rglob("*.keras"))
        if not found:
            raise TrackingError(f"{uri}: holds no .keras file; only models logged here do.")
        name = hashlib.sha256(found[0].read_bytes()).hexdigest()[:24]
        return found[0].replace(folder / f"{name}.keras")
