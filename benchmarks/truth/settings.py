"""What the truth bench trains: every setting follows from its part and its number alone.

Candidates are drawn from a natural mix (`_plain`, `_odd`), and kept with a chance that depends on
their kind (`CHANCES`), so that fits with damage, and odd ones, are met more often than in the mix.
The weight of a setting is one over that chance: weighted by it, the settings are the mix again.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

Part = Literal["tune", "report", "transfer"]
Kind = Literal[
    "noisy", "clean", "calm", "random labels", "chance", "slow",
    "cnn", "features", "two classes", "hundred classes", "imbalance",
]  # fmt: skip

PARTS: tuple[Part, ...] = ("tune", "report", "transfer")
DATASETS: dict[Part, str] = {"tune": "mnist", "report": "fashion_mnist"}
"""The part that rules are tuned on, and the part they are reported on, share no image."""
FAMILIES: tuple[Kind, ...] = ("cnn", "features", "two classes", "hundred classes", "imbalance")
"""The kinds of the part "transfer" (`transfer`), of nets and data that are in no other part."""
UNEVEN: tuple[Kind, ...] = ("two classes", "imbalance")
"""Families whose classes have different numbers of images."""
NUM_JUDGED, NUM_FRESH = 3, 10
BATCH_SIZE = 32
NUM_TRUTH = 6000
"""Images that no side saw, on which each net is scored after every epoch."""
CHANCES: dict[Kind, float] = {
    "noisy": 1.0,
    "clean": 0.3,
    "calm": 0.1,
    "random labels": 0.35,
    "chance": 0.35,
    "slow": 0.35,
}
"""With which chance a candidate is kept.

Nets that are wide, free and long enough trained to be harmed are "noisy" or "clean" by their
labels, all other plain ones "calm": of the noisy ones most lose accuracy by training on, of the
clean ones most lose by the loss alone, of the calm ones few lose anything.
"""
FREE_WIDTH, FREE_DROPOUT = 28, 0.35
FREE_TRAINING = {"noisy": 150.0, "clean": 400.0}
"""From how many updates on, each counted as its learning rate over the middle one it may have."""
ODD_SHARES = {"random labels": 0.015, "chance": 0.015, "slow": 0.03}
NOISES = {0.0: 0.65, 0.1: 0.12, 0.2: 0.13, 0.4: 0.1}
VAL_SIZES = {80: 0.17, 150: 0.17, 250: 0.16, 400: 0.25, 600: 0.15, 1000: 0.1}
WIDTHS = {(4, 160): 0.94, (160, 512): 0.06}
"""Log-uniform within either range: few are wide, as wide ones cost most of the time."""
DEPTHS = {1: 0.5, 2: 0.4, 3: 0.1}
POOLINGS = {2: 0.9, 1: 0.1}
"""Most are trained on images of half the height and width: a third of the time a fit."""
OPTIMIZERS = {"adam": 0.6, "sgd": 0.25, "rmsprop": 0.15}
RATES = {
    1: {"adam": (3e-4, 3e-3), "sgd": (3e-3, 1e-1), "rmsprop": (2e-4, 2e-3)},
    2: {"adam": (1e-3, 1e-2), "sgd": (1e-2, 1.5e-1), "rmsprop": (6e-4, 6e-3)},
}
"""By pooling: a quarter of the inputs moves a net a quarter as far at the same learning rate."""


@dataclass(frozen=True)
class Setting:
    """One recipe: a dense net, how it is trained, and on how many images.

    Attributes:
        units: one number a hidden layer; of a "cnn" first the number of its filters.
        momentum: of sgd; other optimizers have none.
        l2: penalty l2 * sum(kernel ** 2) of every layer, as Keras adds it.
        label_noise: share of labels, on every side, that name another class drawn evenly; where
            `kind` is "random labels", every label is drawn evenly from all classes instead.
        pooling: images are made smaller by means over squares of that many pixels a side.
        num_probe: images of train that are scored beside val, as many as val has where train has.
        weight: how many settings of the natural mix this one stands for.
    """

    part: Part
    number: int
    kind: Kind
    dataset: str
    units: tuple[int, ...]
    activation: Literal["relu", "tanh", "sigmoid"]
    dropout: float
    optimizer: Literal["adam", "sgd", "rmsprop"]
    learning_rate: float
    momentum: float
    l2: float
    label_noise: float
    num_train: int
    num_val: int
    epochs: int
    pooling: int = 1
    batch_size: int = BATCH_SIZE
    num_truth: int = NUM_TRUTH
    weight: float = 1.0

    @property
    def num_probe(self) -> int:
        """How many images the probe has."""
        return min(self.num_val, self.num_train)

    def generator(self, *purpose: int) -> np.random.Generator:
        """Random numbers of this setting alone, others for each purpose."""
        return np.random.default_rng([PARTS.index(self.part), self.number, *purpose])


def setting(part: Part, number: int) -> Setting:
    """The setting of that number, of a part other than "transfer"."""
    generator = np.random.default_rng([PARTS.index(part), number])
    while True:
        candidate = _candidate(part, number, generator)
        chance = CHANCES[candidate.kind]
        if generator.random() < chance:
            return replace(candidate, weight=1 / chance)


def _candidate(part: Part, number: int, generator: np.random.Generator) -> Setting:
    plain = _plain(part, number, generator)
    at = generator.random()
    for kind, share in ODD_SHARES.items():
        if at < share:
            return _odd(plain, kind, generator)
        at -= share
    return plain


def _plain(part: Part, number: int, generator: np.random.Generator) -> Setting:
    optimizer = _one(OPTIMIZERS, generator)
    noise = _one(NOISES, generator)
    low, high = _one(WIDTHS, generator)
    width = round(log_uniform(low, high, generator))
    pooling = _one(POOLINGS, generator)
    dropout = 0.0 if generator.random() < 0.5 else float(generator.uniform(0.05, 0.7))
    plain = Setting(
        part=part,
        number=number,
        kind="noisy" if noise else "clean",
        dataset=DATASETS[part],
        units=(width,) * _one(DEPTHS, generator),
        activation="relu" if generator.random() < 0.85 else "tanh",
        dropout=round(dropout, 3),
        optimizer=optimizer,
        learning_rate=log_uniform(*RATES[pooling][optimizer], generator),
        momentum=0.9 if optimizer == "sgd" else 0.0,
        l2=0.0 if generator.random() < 0.8 else log_uniform(1e-5, 1e-3, generator),
        label_noise=noise,
        num_train=round(log_uniform(200, 1600, generator)),
        num_val=_one(VAL_SIZES, generator),
        epochs=int(generator.integers(15, 41)),
        pooling=pooling,
    )
    return plain if _free(plain) else replace(plain, kind="calm")


def _free(plain: Setting) -> bool:
    updates = plain.epochs * -(-plain.num_train // plain.batch_size)
    middle = np.sqrt(np.prod(RATES[plain.pooling][plain.optimizer]))
    training = updates * plain.learning_rate / middle
    loose = plain.units[0] >= FREE_WIDTH and plain.dropout < FREE_DROPOUT
    return loose and training >= FREE_TRAINING[plain.kind]


def _odd(plain: Setting, kind: str, generator: np.random.Generator) -> Setting:
    if kind == "random labels":
        return replace(plain, kind="random labels", label_noise=1.0)
    if kind == "slow":
        slower = plain.learning_rate * log_uniform(0.01, 0.1, generator)
        return replace(plain, kind="slow", learning_rate=slower)
    return replace(
        plain,
        kind="chance",
        units=plain.units[:1] * 3,
        activation="sigmoid",
        optimizer="sgd",
        learning_rate=log_uniform(1e-4, 1e-3, generator),
        momentum=0.0,
    )


def _one(shares: dict[Any, float], generator: np.random.Generator) -> Any:
    at = generator.choice(len(shares), p=np.array(list(shares.values())))
    return list(shares)[at]


def log_uniform(low: float, high: float, generator: np.random.Generator) -> float:
    """A number between two others, drawn by its logarithm, to four digits."""
    value = np.exp(generator.uniform(np.log(low), np.log(high)))
    return float(f"{value:.4g}")
