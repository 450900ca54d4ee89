"""What is minimised, image by image, from logits and one-hot or soft labels.

Each is Keras' loss of that name on the softmax of the logits, computed from the logits where that
is more exact. Labels are float32 `(batch, classes)`, each row adding up to 1, so that label
smoothing, MixUp and CutMix need no case of their own.
"""

from collections.abc import Callable
from typing import Any

FOCAL_GAMMA = 2.0
TINY = 1e-37

Loss = Callable[[Any, Any], Any]


def per_image_loss(name: str, label_smoothing: float = 0.0) -> Loss:
    """A function of labels and logits, both `(batch, classes)`, to losses `(batch,)`.

    Args:
        name: a value of `params.Train.loss`.
        label_smoothing: 0 to 1; this share of every label is spread evenly over the classes
            (binary cross-entropy: over the two answers of each class, as Keras does).
    """
    loss = _LOSSES[name]
    towards_half = name == "binary_crossentropy"

    def smoothed_loss(labels: Any, logits: Any) -> Any:
        if label_smoothing:
            spread = 0.5 if towards_half else 1.0 / labels.shape[-1]
            labels = labels * (1.0 - label_smoothing) + label_smoothing * spread
        return loss(labels, logits)

    return smoothed_loss


def _categorical_crossentropy(labels: Any, logits: Any) -> Any:
    """-sum y log p."""
    import tensorflow as tf

    return tf.nn.softmax_cross_entropy_with_logits(labels, logits)


def _binary_crossentropy(labels: Any, logits: Any) -> Any:
    """-mean over classes of y log p + (1 - y) log(1 - p), one against the rest.

    1 - p is the sum of the other classes' probabilities, which does not cancel as p nears 1.
    """
    import tensorflow as tf

    num_classes = logits.shape[-1]
    others = tf.matmul(tf.nn.softmax(logits), 1.0 - tf.eye(num_classes))
    yes = labels * tf.nn.log_softmax(logits)
    no = (1.0 - labels) * tf.math.log(tf.maximum(others, TINY))
    return -tf.reduce_mean(yes + no, -1)


def _kl_divergence(labels: Any, logits: Any) -> Any:
    """sum y log(y / p): cross-entropy less the entropy of the labels, so the same gradient."""
    import tensorflow as tf

    crossed = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
    return crossed + tf.reduce_sum(tf.math.xlogy(labels, labels), -1)


def _cosine_similarity(labels: Any, logits: Any) -> Any:
    """-cos of the angle between labels and probabilities: -1 is best, 0 is worst."""
    import tensorflow as tf

    probabilities = tf.nn.softmax(logits)
    return -tf.reduce_sum(
        tf.math.l2_normalize(labels, -1) * tf.math.l2_normalize(probabilities, -1), -1
    )


def _mean_absolute_error(labels: Any, logits: Any) -> Any:
    """Mean over classes of |y - p|."""
    import tensorflow as tf

    return tf.reduce_mean(tf.abs(labels - tf.nn.softmax(logits)), -1)


def _focal(labels: Any, logits: Any) -> Any:
    """-sum (1 - p)^gamma y log p (Lin et al. 2017), with gamma 2 and without their alpha."""
    import tensorflow as tf

    log_probabilities = tf.nn.log_softmax(logits)
    rest = 1.0 - tf.exp(log_probabilities)
    return -tf.reduce_sum(rest**FOCAL_GAMMA * labels * log_probabilities, -1)


_LOSSES: dict[str, Loss] = {
    "categorical_crossentropy": _categorical_crossentropy,
    "binary_crossentropy": _binary_crossentropy,
    "kl_divergence": _kl_divergence,
    "cosine_similarity": _cosine_similarity,
    "mean_absolute_error": _mean_absolute_error,
    "focal": _focal,
}
