"""One network compiled for training and scoring, used again for every seed and rate of dropout.

A whole epoch is one call into TensorFlow: the images stay resident as `uint8`, and batches are
gathered, augmented and learned from in the graph. That, and not a faster formula, is where the
speed comes from (`docs/performance.md`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline import models, tiny_images
from pipeline.data.prepared import Prepared
from pipeline.params import Train
from pipeline.training import augmentation, balancing, devices, losses, optimizers
from pipeline.training.devices import CPU, Arithmetic
from pipeline.training.dropout import Rates
from pipeline.training.task import FitTask

SCORING_BATCH = 512


@dataclass(frozen=True)
class Resident:
    """One data set in the device's memory: `uint8` images and `int32` labels, once a process.

    Or, in place of images, their features `(num_images, num_features)` in `float16`. Of augmented
    ones there are `num_passes` versions, one behind the other, which the epochs take in turn.
    """

    images: Any
    labels: Any
    val_images: Any
    probe_images: Any
    data: Prepared
    num_passes: int = 1

    @property
    def num_bytes(self) -> int:
        """What the training images take."""
        return int(self.images.dtype.size * np.prod(self.images.shape))

    @property
    def shape(self) -> Any:
        """Of one image, or of its features."""
        return tuple(self.data.train.images.shape[1:])

    def rows(self, order: np.ndarray, epoch: int) -> np.ndarray:
        """Where the images of `order` stand in `images`, in the version for that epoch."""
        return order + (epoch - 1) % self.num_passes * np.int32(len(self.data.train))

    @classmethod
    def of(cls, data: Prepared) -> "Resident":
        """The arrays of `data` as tensors."""
        return cls(
            images=_tensor(data.train.images),
            labels=_tensor(data.train.labels),
            val_images=_tensor(data.val.images),
            probe_images=_tensor(data.probe.images),
            data=data,
        )


class Program:
    """A model, its optimizer and its compiled epoch.

    Attributes:
        model: in float32, which is scored and saved. With lower precision, and where weights are
            averaged, another one learns, whose weights, or their average, it has after every epoch.
    """

    def __init__(self, task: FitTask, data: Prepared, arithmetic: Arithmetic = CPU) -> None:
        self._task = task
        self._arithmetic = arithmetic
        self._shape = data.train.images.shape[1:]
        self._dtype = tf.as_dtype(data.train.images.dtype)
        on_images = len(self._shape) == 3  # features were augmented when they were computed
        given = task.train
        self._train = given if on_images else given.model_copy(update={"augmentation": ()})
        self.num_classes = data.manifest.num_classes
        self.model = self._learner = self._build(task.seed)
        if arithmetic.policy != "float32":
            with _policy(arithmetic.policy):
                self._learner = self._build(task.seed)
        elif self._train.ema is not None:
            self._learner = self._build(task.seed)
        self._rates = {model: Rates(model) for model in {self.model, self._learner}}
        self.optimizer = optimizers.make(task.train, models.backbone_variables(self._learner))
        self.optimizer.build(self._learner.trainable_variables)
        self._first_slots = [variable.numpy() for variable in self.optimizer.variables]
        self._logits, self._learnt_logits = map(_without_softmax, (self.model, self._learner))
        self._augment = _augmenter(self._train, self._shape, data)
        self._per_image = losses.per_image_loss(task.train.loss, task.train.label_smoothing)
        images = tf.TensorSpec((None, *self._shape), self._dtype)
        self._score = _graph(self._score_batch, input_signature=[images])
        self._epochs: dict[bool, Callable[..., Any]] = {}
        self.num_traces = 0

    def _build(self, seed: int) -> Any:
        return models.build(
            self._task.model, self._task.section, self._shape, self.num_classes, seed
        )

    def begin(self, net: Any) -> None:
        """Take over the weights and the rates of dropout of `net`, fresh from `models.build`.

        It must be of the same `dropout.structure` as the model that this program was made for. The
        optimizer gets its initial state.
        """
        for rates in self._rates.values():
            rates.take_over(net)
        self.restore(net.get_weights(), self._first_slots)

    def restore(self, weights: Sequence[np.ndarray], slots: Sequence[np.ndarray] = ()) -> None:
        """Set the variables of the net that learns and of the optimizer, as they were told.

        Without `slots` the optimizer stays as it is.
        """
        for model in self._rates:
            model.set_weights(weights)
        for variable, value in zip(self.optimizer.variables, slots, strict=bool(slots)):
            variable.assign(value)
        if self._learner is not self.model and self.optimizer.iterations.numpy():
            self._deliver()

    def weights(self) -> list[np.ndarray]:
        """The variables of the net that learns; of the model the same, or those averaged."""
        return self._learner.get_weights()  # type: ignore[no-any-return]

    def _deliver(self) -> None:
        """Have the model take over what the other one has learnt, where there is another one."""
        if self._learner is self.model:
            return
        for own, learnt in zip(self.model.weights, self._learner.weights, strict=True):
            own.assign(learnt)
        if self._train.ema is not None:
            averages = self.optimizer._model_variables_moving_average
            for own, average in zip(self.model.trainable_variables, averages, strict=True):
                own.assign(average)

    def slots(self) -> list[np.ndarray]:
        """The optimizer's variables: moments and step counters."""
        return [variable.numpy() for variable in self.optimizer.variables]

    @property
    def num_parameters(self) -> int:
        """The number of trainable and frozen weights of the model."""
        return int(self.model.count_params())

    def train_epoch(
        self,
        resident: Resident,
        epoch: int,
        seed: int,
        rate: float,
        rows: np.ndarray | None = None,
    ) -> dict[str, float]:
        """Train one epoch; the running loss (with penalty) and accuracy as Keras would show them.

        The order of the images and every random layer are seeded from `seed` and `epoch`, so an
        epoch does not depend on how the process came to it.

        Args:
            rows: int32, the train images there are to learn from; all of them by default.
        """
        generator = np.random.default_rng([seed, epoch])
        labels = resident.data.train.labels if rows is None else resident.data.train.labels[rows]
        order = balancing.order(labels, self.num_classes, self._train.balance, generator)
        order = order if rows is None else rows[order]
        order = resident.rows(order, epoch)
        self._reseed(generator)
        self.optimizer.learning_rate.assign(rate)
        burn_in = epoch <= self._train.schedule.burn_in_epochs
        salt = tf.constant(int(generator.integers(2**31 - 1)), tf.int32)
        terms = balancing.terms(labels, self.num_classes, self._train.balance)
        frozen = models.frozen_backbone(self._learner) if burn_in else nullcontext()
        with frozen:
            totals = self._epoch(burn_in)(resident.images, resident.labels, order, salt, *terms)
        self._deliver()
        loss, correct = (float(total) for total in totals)
        return {"loss": loss / len(order), "accuracy": correct / len(order)}

    def penalty(self) -> float:
        """The L1 and L2 penalty of the present weights, which Keras adds to every loss it shows."""
        return float(sum(float(term) for term in self.model.losses))

    def logits(self, images: Any) -> np.ndarray:
        """Logits `(num_images, num_classes)` in inference mode: no dropout, no augmentation."""
        starts = range(0, len(images), SCORING_BATCH)
        batches = [self._score(images[start : start + SCORING_BATCH]) for start in starts]
        return np.concatenate([batch.numpy() for batch in batches])

    def _score_batch(self, images: Any) -> Any:
        with tiny_images.rewritten(self.model):
            return tf.cast(self._logits(images, training=False), tf.float32)

    def _reseed(self, generator: np.random.Generator) -> None:
        for variable in _seed_states(self._learner):
            variable.assign(np.array([generator.integers(2**31), 0], dtype=np.uint32))

    def _epoch(self, burn_in: bool) -> Callable[..., Any]:
        if burn_in not in self._epochs:
            self._epochs[burn_in] = self._compiled()
        return self._epochs[burn_in]

    def _compiled(self) -> Callable[..., Any]:
        update = partial(self._update, list(self._learner.trainable_variables))
        if self._arithmetic.xla:
            update = _graph(update, jit_compile=True)
        size = self._train.batch_size
        signature = [
            tf.TensorSpec((None, *self._shape), self._dtype),
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec((), tf.int32),
            tf.TensorSpec((self.num_classes,), tf.float32),
            tf.TensorSpec((self.num_classes,), tf.float32),
        ]

        def epoch(images: Any, labels: Any, order: Any, salt: Any, weights: Any, prior: Any) -> Any:
            self.num_traces += 1
            num_steps = (tf.size(order) + size - 1) // size

            def advance(step: Any, loss: Any, correct: Any) -> Any:
                index = order[step * size : (step + 1) * size]
                batch = tf.gather(images, index), tf.gather(labels, index)
                sums = self._step(batch, salt + step, update, (weights, prior))
                return step + 1, loss + sums[0], correct + sums[1]

            first = tf.constant(0), tf.constant(0.0, tf.float64), tf.constant(0, tf.int32)
            with tiny_images.rewritten(self._learner), self._rates[self._learner].variable():
                return tf.while_loop(lambda step, *_: step < num_steps, advance, first)[1:]

        return _graph(epoch, input_signature=signature)  # type: ignore[no-any-return]

    def _step(
        self, batch: tuple[Any, Any], salt: Any, update: Any, terms: Any, share: Any = 1.0
    ) -> Any:
        """One update; with `share` below 1 the batch is that part of one shared over devices."""
        images, labels = batch
        targets = tf.one_hot(labels, self.num_classes)
        if self._train.augmentation:
            images, targets = self._augment(tf.cast(images, tf.float32), targets, salt)
        return update(images, targets, terms, share)

    def _update(self, variables: Any, images: Any, targets: Any, terms: Any, share: Any) -> Any:
        weights, prior = terms
        with tf.GradientTape() as tape:
            logits = tf.cast(self._learnt_logits(images, training=True), tf.float32)
            per_image = self._per_image(targets, logits + prior)
            weighted = per_image * tf.reduce_sum(targets * weights, -1)
            penalties = self._learnt_logits.losses
            penalty = tf.add_n(penalties) if penalties else tf.constant(0.0)
            loss = tf.reduce_mean(weighted) + penalty
            shared = loss * share
        gradients = tape.gradient(shared, variables)
        self.optimizer.apply(gradients, variables)
        count = tf.shape(targets)[0]
        hits = tf.equal(tf.argmax(logits, -1), tf.argmax(targets, -1))
        return tf.cast(loss, tf.float64) * tf.cast(count, tf.float64), tf.math.count_nonzero(
            hits, dtype=tf.int32
        )


class Distributed(Program):
    """A program of which each replica of a `tf.distribute` strategy learns its share of a batch."""

    def __init__(self, task: FitTask, data: Prepared, arithmetic: Arithmetic, over: Any) -> None:
        self._over = over
        with over.scope():
            super().__init__(task, data, arithmetic)

    def _step(
        self, batch: tuple[Any, Any], salt: Any, update: Any, terms: Any, share: Any = 1.0
    ) -> Any:
        def replica() -> Any:
            context = tf.distribute.get_replica_context()
            rank, count = context.replica_id_in_sync_group, context.num_replicas_in_sync
            own, part = _share(batch, rank, count)
            learn = super(Distributed, self)._step
            loss, hits = learn(own, salt + rank, update, terms, share * part)
            # A batch too small to share out was learnt from by all, but counts once.
            counted = tf.logical_or(tf.size(batch[1]) >= count, tf.equal(rank, 0))
            return loss * tf.cast(counted, loss.dtype), hits * tf.cast(counted, hits.dtype)

        add = tf.distribute.ReduceOp.SUM
        return tuple(self._over.reduce(add, sums, axis=None) for sums in self._over.run(replica))


def on_devices(task: FitTask, data: Prepared, over: Any = None) -> Program:
    """The compiled program of one kind of fit, on all devices of `over`.

    Args:
        over: a `tf.distribute` strategy; by default that of all devices this process sees.
    """
    over = over or devices.strategy()
    if over is None:
        return Program(task, data, devices.arithmetic())
    # Devices add up their gradients in the update, which XLA cannot take as one.
    return Distributed(task, data, replace(devices.arithmetic(), xla=False), over)


def _share(batch: Any, rank: Any, count: int) -> tuple[Any, Any]:
    """Every `count`-th image of a batch from `rank` on, and what part of the batch that is.

    A batch smaller than `count` is given whole to every replica.
    """
    images, labels = batch
    size = tf.size(labels)
    whole = size < count
    first, stride = tf.where(whole, 0, rank), tf.where(whole, 1, count)
    index = tf.range(first, size, stride)
    share = tf.where(
        whole, 1 / count, tf.cast(tf.size(index), tf.float32) / tf.cast(size, tf.float32)
    )
    return (tf.gather(images, index), tf.gather(labels, index)), share


_graph = partial(tf.function, autograph=False)
"""AutoGraph has nothing to do here, takes time, and leaves files of killed workers behind."""


def _without_softmax(model: Any) -> Any:
    return keras.Model(model.input, model.get_layer("logits").output)


@contextmanager
def _policy(name: str) -> Iterator[None]:
    """Layers made inside the block compute by the Keras dtype policy `name`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _tensor(array: np.ndarray) -> Any:
    return tf.convert_to_tensor(np.asarray(array))


def _augmenter(train: Train, shape: Any, data: Prepared) -> Callable[..., Any]:
    """What is done to a batch; with `balance: augmentation` the more, the rarer the class."""
    chances = None
    if train.balance == "augmentation":
        counts = np.bincount(data.train.labels, minlength=data.manifest.num_classes)
        chances = augmentation.chances_by_rarity(counts)
    strength = train.augmentation_strength
    return augmentation.augment(train.augmentation, shape, chances, strength)


def _seed_states(model: Any) -> list[Any]:
    return [variable for variable in model.variables if "seed_generator_state" in variable.path]
