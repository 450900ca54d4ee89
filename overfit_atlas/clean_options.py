"""What may be set of the Keras callback: `Options`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from overfit_atlas.keras_inputs import Wanted
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.fits import InvalidFit
from overfit_atlas.words import LANGUAGES

FEWEST_PROBED = 200
SHARE_PROBED = 1 / 20
"""The probe's share of the training images: scoring it must cost little beside training on all."""


@dataclass(frozen=True)
class Options:
    """What may be set; the defaults suit a classifier compiled with any cross-entropy.

    Attributes:
        output: name or place of the output that is judged, where the model has several.
        from_logits: whether it gives logits; None: as the compiled loss says, else seen from the
            outputs (probabilities are in 0..1 and add up to 1).
        batch_size: images scored at a time.
        probe_size: training images scored after each epoch; None: a twentieth of them, but 200
            where there are as many, and never more than validation images.
        train_steps, val_steps: batches of an epoch, for data without an end.
        max_megabytes: memory for the images that are scored; of more than fit, a random part is.
        seed: of the choice of these images.
        rules: thresholds of the verdict; `target_accuracy` says what the task is known to allow.
        live: whether a line is printed after each epoch from the tenth on; None: where `fit` is
            verbose.
        stop_when: end the fit when this score (loss, calibrated_loss, accuracy) is materially
            worse than at its best epoch, with probability `stop_at`, and give back the weights of
            that epoch; None: never.
        log_to_mlflow: log curves, gap, best epochs and verdict to the MLflow run that is active
            when the fit begins.
        language: of what is printed and shown, "en" or "ja".
    """

    output: str | int | None = None
    from_logits: bool | None = None
    batch_size: int = 256
    probe_size: int | None = None
    train_steps: int | None = None
    val_steps: int | None = None
    max_megabytes: int = 1024
    seed: int = 0
    rules: Rules = field(default_factory=Rules)
    live: bool | None = None
    stop_when: str | None = None
    stop_at: float = 0.9
    log_to_mlflow: bool = False
    language: str = "en"

    def __post_init__(self) -> None:
        for name in ("batch_size", "probe_size", "train_steps", "val_steps", "max_megabytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidFit(f"CleanScores: {name}={value!r}; expected at least 1.")
        if self.language not in LANGUAGES:
            known = ", ".join(LANGUAGES)
            raise InvalidFit(f"CleanScores: language={self.language!r}; there are: {known}.")

    @classmethod
    def named(cls, given: Mapping[str, Any]) -> "Options":
        """The options of these names.

        Raises:
            InvalidFit: there is none of a name, or a value is none that it takes.
        """
        known = [one.name for one in fields(cls)]
        for name in given:
            if name not in known:
                raise InvalidFit(f"CleanScores: no option {name=}; there are: {', '.join(known)}.")
        return cls(**given)

    def wanted(self, num_val: int | None = None) -> Wanted:
        """Which images are held: of validation all, of train the probe for `num_val` of these."""
        half = self.max_megabytes * 2**19
        if num_val is None:
            return Wanted(bytes=half, steps=self.val_steps, output=self.output, seed=self.seed)
        asked = self.probe_size is not None
        return Wanted(
            size=self.probe_size if asked else num_val,
            least=FEWEST_PROBED,
            share=1.0 if asked else SHARE_PROBED,
            bytes=half,
            steps=self.train_steps,
            output=self.output,
            seed=self.seed,
        )
