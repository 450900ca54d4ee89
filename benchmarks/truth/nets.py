"""Many dense nets of one shape trained at once: arithmetic as in Keras, members side by side.

Every array has the members as its first axis. All weights of all members lie in one flat vector,
so that the optimizer goes over memory once; layers are views of it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.settings import Setting

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
CHUNK = 1 << 15
"""Weights that are updated at once: what the optimizer reads and writes then stays in the cache."""
SCORING_VALUES = 1 << 20
"""Hidden values that are held at once while many images are scored."""
SQUARE = 9
SEEN = SQUARE * 3
"""What a convolution sees at a place: 3 by 3 pixels of three colours."""
BETA_1, BETA_2, RHO, EPSILON = (np.float32(value) for value in (0.9, 0.999, 0.9, 1e-7))


@dataclass(frozen=True)
class Layer:
    """Views of one layer: kernel (members, inputs, outputs), bias (members, 1, outputs)."""

    kernel: Floats
    bias: Floats


class Stack:
    """`num_members` nets: hidden layers with dropout, then a layer of logits.

    Attributes:
        layers: the weights, to be read and set.

    Args:
        smoothing: share of each label that is dealt evenly to all classes (label smoothing).
    """

    def __init__(
        self,
        setting: Setting,
        num_inputs: int,
        num_classes: int,
        members: int,
        smoothing: float = 0.0,
    ) -> None:
        self._setting, self._smoothing = setting, smoothing
        shapes = self._shapes(num_inputs, num_classes)
        size = members * sum((a + 1) * b for a, b in shapes)
        self._flat, self._gradient = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self.layers = _views(self._flat, shapes, members)
        self._gradients = _views(self._gradient, shapes, members)
        self._update = OPTIMIZERS[setting.optimizer](setting, size)
        self._activate, self._slope = ACTIVATIONS[setting.activation]

    def _shapes(self, num_inputs: int, num_classes: int) -> list[tuple[int, int]]:
        """Inputs and outputs of each layer's kernel."""
        return list(pairwise([num_inputs, *self._setting.units, num_classes]))

    def initialise(self, generators: Sequence[np.random.Generator]) -> None:
        """Glorot's uniform kernels and biases of zero, a generator a member."""
        for layer in self.layers:
            limit = np.sqrt(6 / sum(self._fans(layer)))
            for kernel, generator in zip(layer.kernel, generators, strict=True):
                kernel[...] = generator.uniform(-limit, limit, kernel.shape)
            layer.bias[...] = 0

    def _fans(self, layer: Layer) -> tuple[int, ...]:
        return layer.kernel.shape[1:]

    def train_epoch(
        self, pixels: Floats, labels: Integers, order: Integers, generator: np.random.Generator
    ) -> None:
        """One epoch; `order` (members, num_images) is each member's own, `generator` drops."""
        size = self._setting.batch_size
        for start in range(0, order.shape[1], size):
            batch = order[:, start : start + size]
            self._learn(pixels[batch], labels[batch], generator)

    def logits(self, pixels: Floats) -> Floats:
        """Logits (members, num_images, num_classes), nothing dropped."""
        members, _, num_classes = self.layers[-1].kernel.shape
        found = np.empty((members, len(pixels), num_classes), np.float32)
        first = self.layers[0].kernel
        # All members see the same images, so their first layers are one wide layer.
        wide = np.ascontiguousarray(first.transpose(1, 0, 2)).reshape(first.shape[1], -1)
        step = max(1, SCORING_VALUES // wide.shape[1])
        for start in range(0, len(pixels), step):
            part = pixels[start : start + step] @ wide
            part += self.layers[0].bias.reshape(-1)
            hidden = part.reshape(len(part), members, -1).transpose(1, 0, 2)
            found[:, start : start + step] = self._after(self._activate(hidden), 1)
        return found

    def _after(self, values: Floats, first: int) -> Floats:
        """Logits from what goes into the layer number `first`."""
        for position, layer in enumerate(self.layers[first:], start=first):
            values = values @ layer.kernel
            values += layer.bias
            if position + 1 < len(self.layers):
                values = self._activate(values)
        return values

    def _learn(self, pixels: Floats, labels: Integers, generator: np.random.Generator) -> None:
        self._backward(*self._forward(pixels, labels, generator, 0))
        self._update(self._flat, self._gradient)

    def _forward(
        self, values: Floats, labels: Integers, generator: np.random.Generator, first: int
    ) -> tuple[Floats, list[Floats], list[Floats]]:
        """What is wrong of the outputs, inputs of all layers from `first` on, and slopes."""
        inputs, slopes = [values], []
        for layer in self.layers[first:-1]:
            hidden = inputs[-1] @ layer.kernel
            hidden += layer.bias
            hidden = self._activate(hidden)
            slope = self._slope(hidden)
            if self._setting.dropout:
                kept = _kept(hidden.shape, self._setting.dropout, generator)
                hidden *= kept
                slope = slope * kept
            inputs.append(hidden)
            slopes.append(slope)
        error = _softmax(inputs[-1] @ self.layers[-1].kernel + self.layers[-1].bias)
        members, images = np.ogrid[: labels.shape[0], : labels.shape[1]]
        error[members, images, labels] -= np.float32(1 - self._smoothing)
        if self._smoothing:
            error -= np.float32(self._smoothing / error.shape[-1])
        error /= np.float32(labels.shape[1])
        return error, inputs, slopes

    def _backward(self, error: Floats, inputs: list[Floats], slopes: list[Floats]) -> Floats:
        """Fill in the gradients of the last layers; the error of what the first of them gives."""
        first = len(self.layers) - len(inputs)
        for place in reversed(range(len(inputs))):
            self._of_layer(first + place, inputs[place], error)
            if place:
                error = error @ self.layers[first + place].kernel.transpose(0, 2, 1)
                error *= slopes[place - 1]
        return error

    def _of_layer(self, position: int, inputs: Floats, error: Floats) -> None:
        layer, gradient = self.layers[position], self._gradients[position]
        np.matmul(inputs.transpose(0, 2, 1), error, out=gradient.kernel)
        np.sum(error, axis=1, keepdims=True, out=gradient.bias)
        if self._setting.l2:
            penalty = np.float32(2 * self._setting.l2) * layer.kernel
            np.add(gradient.kernel, penalty, out=gradient.kernel)


class Convolved(Stack):
    """Nets that begin with a convolution without padding, activated, and means over 2 by 2.

    Their images are the squares that the convolution sees, one after the other in rows
    (`transfer.images_of`); `units` begins with the number of filters. Dropout begins behind it.
    """

    def _shapes(self, num_inputs: int, num_classes: int) -> list[tuple[int, int]]:
        filters, *units = self._setting.units
        self._side = math.isqrt(num_inputs // SEEN)
        pooled = (self._side // 2) ** 2 * filters
        return [(SEEN, filters), *pairwise([pooled, *units, num_classes])]

    def _fans(self, layer: Layer) -> tuple[int, ...]:
        seen, outputs = layer.kernel.shape[1:]
        return (seen, outputs * SQUARE) if layer is self.layers[0] else (seen, outputs)

    def logits(self, pixels: Floats) -> Floats:
        """Logits (members, num_images, num_classes), nothing dropped."""
        members, _, num_classes = self.layers[-1].kernel.shape
        found = np.empty((members, len(pixels), num_classes), np.float32)
        step = max(1, SCORING_VALUES // (members * self._side**2 * self._setting.units[0]))
        for start in range(0, len(pixels), step):
            squares = pixels[None, start : start + step].reshape(1, -1, SEEN)
            values = self._activate(squares @ self.layers[0].kernel + self.layers[0].bias)
            found[:, start : start + step] = self._after(self._pooled(values), 1)
        return found

    def _learn(self, pixels: Floats, labels: Integers, generator: np.random.Generator) -> None:
        squares = pixels.reshape(len(pixels), -1, SEEN)
        values = self._activate(squares @ self.layers[0].kernel + self.layers[0].bias)
        slope = self._slope(values)
        error, inputs, slopes = self._forward(self._pooled(values), labels, generator, 1)
        error = self._backward(error, inputs, slopes)
        error = self._spread(error @ self.layers[1].kernel.transpose(0, 2, 1)) * slope
        self._of_layer(0, squares, error)
        self._update(self._flat, self._gradient)

    def _pooled(self, values: Floats) -> Floats:
        """(members, images * places, filters) as means over 2 by 2, (members, images, all)."""
        members, _, filters = values.shape
        half = self._side // 2
        squares = values.reshape(members, -1, half, 2, half, 2, filters)
        means = squares.mean((3, 5), dtype=np.float32)
        return np.ascontiguousarray(means).reshape(members, -1, half * half * filters)

    def _spread(self, error: Floats) -> Floats:
        """The error of means given to what they are means of: the reverse of `_pooled`."""
        members, half, filters = len(error), self._side // 2, self._setting.units[0]
        means = error.reshape(members, -1, half, 1, half, 1, filters) / np.float32(4)
        shape = (*means.shape[:3], 2, half, 2, filters)
        return np.ascontiguousarray(np.broadcast_to(means, shape)).reshape(members, -1, filters)


def _views(flat: Floats, shapes: Sequence[tuple[int, int]], members: int) -> list[Layer]:
    layers, start = [], 0
    for inputs, outputs in shapes:
        middle = start + members * inputs * outputs
        end = middle + members * outputs
        kernel = flat[start:middle].reshape(members, inputs, outputs)
        layers.append(Layer(kernel, flat[middle:end].reshape(members, 1, outputs)))
        start = end
    return layers


def _kept(shape: tuple[int, ...], rate: float, generator: np.random.Generator) -> Floats:
    """0 with probability `rate`, else 1 / (1 - rate), so that the mean is 1."""
    kept = generator.random(shape, dtype=np.float32) >= np.float32(rate)
    return kept * np.float32(1 / (1 - rate))


def _softmax(logits: Floats) -> Floats:
    logits -= logits.max(-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(-1, keepdims=True)
    return logits


def _relu(values: Floats) -> Floats:
    np.maximum(values, 0, out=values)
    return values


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(np.float32(1) / (1 + np.exp(-values)))


Function = Callable[[Floats], Floats]
ACTIVATIONS: dict[str, tuple[Function, Function]] = {
    "relu": (_relu, lambda values: (values > 0).astype(np.float32)),
    "tanh": (np.tanh, lambda values: 1 - values * values),
    "sigmoid": (_sigmoid, lambda values: values * (1 - values)),
}
"""Activations, each with its slope as a function of its value."""


class _Adam:
    """As Keras: w -= a m / (sqrt(v) + epsilon), a = rate sqrt(1 - b2^t) / (1 - b1^t).

    Moments are kept divided by 1 - beta, which spares multiplications.
    """

    def __init__(self, setting: Setting, size: int) -> None:
        self._rate, self._steps = setting.learning_rate, 0
        self._first, self._second = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self._scratch = np.empty(CHUNK, np.float32)

    def __call__(self, weights: Floats, gradient: Floats) -> None:
        self._steps += 1
        bias_1, bias_2 = (1 - float(beta) ** self._steps for beta in (BETA_1, BETA_2))
        scale = float(np.sqrt(1 - float(BETA_2)))
        rate = np.float32(self._rate * np.sqrt(bias_2) / bias_1 * (1 - float(BETA_1)) / scale)
        epsilon = np.float32(float(EPSILON) / scale)
        for start in range(0, len(weights), CHUNK):
            part = slice(start, start + CHUNK)
            first, second, grad = self._first[part], self._second[part], gradient[part]
            scratch = self._scratch[: len(grad)]
            first *= BETA_1
            first += grad
            second *= BETA_2
            np.multiply(grad, grad, out=scratch)
            second += scratch
            np.sqrt(second, out=scratch)
            scratch += epsilon
            np.divide(first, scratch, out=scratch)
            scratch *= rate
            weights[part] -= scratch


class _Sgd:
    """As Keras: velocity = momentum velocity - rate gradient; w += velocity."""

    def __init__(self, setting: Setting, size: int) -> None:
        self._rate = np.float32(setting.learning_rate)
        self._momentum = np.float32(setting.momentum)
        self._velocity = np.zeros(size, np.float32)

    def __call__(self, weights: Floats, gradient: Floats) -> None:
        for start in range(0, len(weights), CHUNK):
            part = slice(start, start + CHUNK)
            velocity = self._velocity[part]
            velocity *= self._momentum
            velocity -= self._rate * gradient[part]
            weights[part] += velocity


class _RmsProp:
    """As Keras: v = rho v + (1 - rho) g^2; w -= rate g / sqrt(v + epsilon)."""

    def __init__(self, setting: Setting, size: int) -> None:
        self._rate = np.float32(setting.learning_rate)
        self._second = np.zeros(size, np.float32)

    def __call__(self, weights: Floats, gradient: Floats) -> None:
        for start in range(0, len(weights), CHUNK):
            part = slice(start, start + CHUNK)
            second, grad = self._second[part], gradient[part]
            second *= RHO
            second += (1 - RHO) * (grad * grad)
            weights[part] -= self._rate * grad / np.sqrt(second + EPSILON)


OPTIMIZERS: dict[str, Callable[[Setting, int], Callable[[Floats, Floats], None]]] = {
    "adam": _Adam,
    "sgd": _Sgd,
    "rmsprop": _RmsProp,
}
