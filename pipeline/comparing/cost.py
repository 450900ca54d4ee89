"""About how long the fits of a comparison take, before any is run: good to a factor of two.

The rates were measured on one core of a virtual server (AMD EPYC, AVX-512) in batches of 32.
"""

from collections.abc import Mapping
from itertools import accumulate

from pipeline import models
from pipeline.comparing.outcome import Plan
from pipeline.data.prepared import Manifest
from pipeline.params import EfficientNet, Regularised

AN_IMAGE = 5e-6  # seconds, whatever the net
A_WEIGHT = 1e-10  # for each image that is learnt from
A_PRODUCT = 3e-10  # of a convolution, for each such image
SCORED = 0.3  # of the time in which an image is learnt from
A_FEATURE = 0.012  # an image through Lite0 at 128 pixels
A_LEARNT_PIXEL = 3 * A_FEATURE / 128**2  # where the backbone learns too
OF_A_FIT = 2.0  # tracing and start


def seconds(planned: Plan, manifest: Manifest, num_train: Mapping[str, int]) -> float:
    """Of one core, for all fits of `planned`; `num_train` images by variant."""
    scored = manifest.num_images("val") + manifest.num_images("probe")
    names = {place: name for name, places in planned.places.items() for place in places}
    total, extracted = 0.0, {}
    for place, task in enumerate(planned.tasks):
        count = num_train[names[place]]
        image = _seconds(task.model, task.section, manifest)
        if isinstance(task.section, EfficientNet) and task.on_features:
            key = task.section.variant, task.section.resolution
            both = manifest.num_images("train") + manifest.num_images("val")
            extracted[key] = A_FEATURE * _pixels(task.section, manifest) / 128**2 * both
            image = AN_IMAGE
        small = min(1.0, 32 / task.train.batch_size) + 0.2  # large batches take less an image
        total += OF_A_FIT + task.train.epochs * image * (count * small + SCORED * scored)
    return total + sum(extracted.values())


def _seconds(model: str, section: Regularised, manifest: Manifest) -> float:
    """To learn from one image once."""
    if model == "efficientnet":
        return A_LEARNT_PIXEL * _pixels(section, manifest)
    shape, num_classes = manifest.image_shape, manifest.num_classes
    weights = models.num_parameters(model, section, shape, num_classes)
    return AN_IMAGE + A_WEIGHT * weights + A_PRODUCT * _products(section, manifest)


def _products(section: Regularised, manifest: Manifest) -> float:
    """Multiplications of the convolutions of one image, forward."""
    side, _, channels = manifest.image_shape
    filters = [round(one * section.width) for one in getattr(section, "filters", ())]
    sides = accumulate(filters, lambda before, _: before // 2, initial=side)
    return float(
        sum(
            9 * a * b * s * s for a, b, s in zip((channels, *filters), filters, sides, strict=False)
        )
    )


def _pixels(section: Regularised, manifest: Manifest) -> int:
    side = getattr(section, "resolution", None) or max(32, manifest.image_shape[0])
    return int(side) ** 2
