import numpy as np
import pytest
import tensorflow as tf

from pipeline.training.augmentation import (
    CUTOUT_SIDE,
    MIXING,
    NAMES,
    AugmentationError,
    augment,
    chances_by_rarity,
)

SIDE = 12
NUM_IMAGES = 16
SMOOTH = tf.image.resize(
    tf.random.stateless_uniform((NUM_IMAGES, 4, 4, 3), (1, 2), 0, 255), (SIDE, SIDE)
)
LABELS = tf.one_hot(tf.range(NUM_IMAGES) % 4, 4)


def _images(channels):
    return tf.round(SMOOTH[..., :channels])


def _applied(names, channels=3, seed=3, **settings):
    images = _images(channels)
    images, labels = augment(names, images.shape[1:], **settings)(images, LABELS, tf.constant(seed))
    return images.numpy(), labels.numpy()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_each_is_reproducible_changes_images_and_keeps_the_contract(name, channels):
    before = _images(channels).numpy()
    images, labels = _applied([name], channels)
    again, _ = _applied([name], channels)
    others = [_applied([name], channels, seed)[0] for seed in (4, 5, 6)]
    np.testing.assert_array_equal(images, again)
    assert any(not np.array_equal(images, other) for other in others)
    assert any(not np.array_equal(before, found) for found in (images, *others))
    assert images.shape == before.shape
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 255
    np.testing.assert_array_equal(images, np.round(images))
    np.testing.assert_allclose(labels.sum(-1), 1, atol=1e-6)
    assert labels.shape == (NUM_IMAGES, 4)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MIXING])
def test_labels_stay_where_nothing_is_mixed(name):
    np.testing.assert_array_equal(_applied([name])[1], LABELS)


def test_a_graph_gives_what_eager_gives_whatever_ran_before():
    names = ["shift", "randaugment", "cutmix"]
    images = _images(1)
    function = augment(names, (SIDE, SIDE, 1))

    def three(first):
        seeds = first + tf.range(3)
        return tf.map_fn(
            lambda seed: function(images, LABELS, seed)[0], seeds, fn_output_signature=tf.float32
        )

    expected = [function(images, LABELS, tf.constant(seed))[0] for seed in (9, 8, 7)][::-1]
    found = tf.function(three, autograph=False)(tf.constant(7))
    np.testing.assert_allclose(found, tf.stack(expected), atol=1)


def test_flip_is_a_mirror_image_of_about_half():
    before, (after, _) = _images(3).numpy(), _applied(["flip"])
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(after, before, strict=True)]
    kept = [np.array_equal(a, b) for a, b in zip(after, before, strict=True)]
    assert all(m != k for m, k in zip(mirrored, kept, strict=True))
    assert 3 <= sum(mirrored) <= 13


@pytest.mark.parametrize("strength", [1, 2])
def test_cutout_blackens_a_square_of_every_image_the_larger_the_stronger(strength):
    images = tf.fill((NUM_IMAGES, SIDE, SIDE, 1), 200.0)
    cutout = augment(["cutout"], (SIDE, SIDE, 1), strength=strength)
    after, _ = cutout(images, LABELS, tf.constant(1))
    black = (after.numpy() == 0).sum((1, 2, 3))
    assert set(black) == {round(strength * CUTOUT_SIDE * SIDE) ** 2}
    assert np.isin(after, (0.0, 200.0)).all()


def test_mixup_mixes_images_and_labels_in_the_same_share():
    """Image i is all of value i: pixels and labels tell the share of the partner alike."""
    values = tf.range(NUM_IMAGES, dtype=tf.float32) * 16
    images = tf.ones((NUM_IMAGES, 2, 2, 1)) * values[:, None, None, None]
    labels = tf.eye(NUM_IMAGES)
    mixed, shares = augment(["mixup"], (2, 2, 1))(images, labels, tf.constant(0))
    np.testing.assert_allclose(mixed[:, 0, 0, 0], tf.linalg.matvec(shares, values), atol=0.51)
    assert (tf.math.count_nonzero(shares, -1) <= 2).numpy().all()
    assert (tf.math.count_nonzero(shares, -1) == 2).numpy().sum() > NUM_IMAGES / 2


def test_cutmix_pastes_a_part_and_labels_by_its_area():
    values = tf.range(NUM_IMAGES, dtype=tf.float32)
    images = tf.ones((NUM_IMAGES, 32, 32, 1)) * values[:, None, None, None]
    labels = tf.eye(NUM_IMAGES)
    mixed, shares = augment(["cutmix"], (32, 32, 1))(images, labels, tf.constant(0))
    for number, (image, share) in enumerate(zip(mixed.numpy(), shares.numpy(), strict=True)):
        assert len(np.unique(image)) <= 2
        # A square of fractional size covers whole pixels: off by at most a row and a column.
        assert (image == number).mean() == pytest.approx(share[number], abs=2 / 32)


def test_several_are_applied_in_their_order():
    flipped_first = _applied(["flip", "shift"])[0]
    shifted_first = _applied(["shift", "flip"])[0]
    assert not np.array_equal(flipped_first, shifted_first)


def test_none_changes_nothing():
    np.testing.assert_array_equal(_applied([])[0], _images(3))


def test_unknown_name_lists_the_known():
    with pytest.raises(
        AugmentationError, match="unknown 'blur'; choose among flip, shift,.*cutmix"
    ):
        augment(["flip", "blur"], (8, 8, 1))


def test_a_name_given_twice_is_refused():
    with pytest.raises(AugmentationError, match="a name stands twice"):
        augment(["flip", "flip"], (8, 8, 1))


def test_chances_by_rarity():
    np.testing.assert_allclose(chances_by_rarity(np.array([100, 50, 1, 0])), [0, 0.5, 0.99, 1])


def test_only_rare_classes_are_changed():
    chances = np.array([0.0, 1.0, 0.0, 1.0])
    after, _ = _applied(["cutout"], class_chances=chances)
    changed = [not np.array_equal(a, b) for a, b in zip(after, _images(3).numpy(), strict=True)]
    assert changed == [False, True] * (NUM_IMAGES // 2)


def test_half_a_chance_changes_about_half():
    after, _ = _applied(["cutout"], class_chances=np.full(4, 0.5))
    changed = [not np.array_equal(a, b) for a, b in zip(after, _images(3).numpy(), strict=True)]
    assert 3 <= sum(changed) <= 13


@pytest.mark.parametrize("name", MIXING)
def test_by_class_and_mixing_classes_exclude_each_other(name):
    with pytest.raises(AugmentationError, match=f"cannot go with {name}"):
        augment(["flip", name], (8, 8, 1), class_chances=np.ones(4))
