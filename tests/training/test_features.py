"""Features in the place of images: the same scores, computed once, shared and resumed."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from filelock import FileLock

from overfit_atlas.scoring import scores
from pipeline import models
from pipeline.data import prepared
from pipeline.models.pretrained import lite
from pipeline.params import EfficientNet, Schedule, Train, Workers
from pipeline.training import features, session, workers
from pipeline.training.progress import Board
from pipeline.training.task import Computed, FitTask, Vary

SHAPE = (8, 8, 1)
HALF = 2e-3  # relative; float16 has 11 bits


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Iterator[None]:
    """Lite0 with three small bottlenecks and 24 features."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lite, "STAGES", ((1, 3, 1, 1, 8), (2, 3, 2, 6, 16)))
        patch.setattr(lite, "TOP", 24)
        yield


@pytest.fixture(scope="module")
def donor(tiny: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "donor.keras"
    models.build("efficientnet", EfficientNet(variant="Lite0"), SHAPE, 10, seed=5).save(path)
    return path


def _task(folder: Path, donor: Path, **section: Any) -> FitTask:
    asked = {"variant": "Lite0", "weights": str(donor), "freeze_ratio": 1.0, "dropout": 0.2}
    return FitTask(
        model="efficientnet",
        section=EfficientNet(**{**asked, **section}),
        train=Train(epochs=3, learning_rate=0.01),
        seed=1,
        data=folder,
        data_hash=prepared.read_manifest(folder).content_hash,
        keep_weights=True,
    )


@pytest.fixture
def task(digits_folder: Path, donor: Path, tmp_path: Path) -> FitTask:
    shutil.copytree(digits_folder, tmp_path / "prepared")
    return _task(tmp_path / "prepared", donor)


@pytest.fixture(autouse=True)
def no_memory() -> Iterator[None]:
    """Every test begins as a new process would."""
    session._residents.clear()
    yield
    session._residents.clear()


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each computed piece has."""
    counts: list[int] = []
    compute = features._Extractor.__call__

    def counting(self: Any, images: np.ndarray, salt: int | None) -> np.ndarray:
        found = compute(self, images, salt)
        counts.append(len(images))
        return found

    monkeypatch.setattr(features._Extractor, "__call__", counting)
    return counts


def _data(task: FitTask) -> Any:
    return session._data(task.data, task.data_hash, task.vary)


def _resident(task: FitTask) -> Any:
    return features.resident(task, _data(task))


def _loaded(content: bytes, folder: Path) -> Any:
    path = folder / "model.keras"
    path.write_bytes(content)
    return keras.models.load_model(path, compile=False)


def _direct(task: FitTask, images: np.ndarray) -> np.ndarray:
    network = models.extractor(task.model, task.section, SHAPE)
    return np.asarray(network(images, training=False))


def test_scores_are_those_of_the_whole_network(task: FitTask, tmp_path: Path, donor: Path) -> None:
    result = session.run(task)
    whole, val = _loaded(result.best or b"", tmp_path), prepared.read(task.data).val
    logits = np.asarray(keras.Model(whole.input, whole.get_layer("logits").output)(val.images))
    np.testing.assert_allclose(result.probabilities, scores.softmax(logits), atol=HALF)
    tempered = scores.softmax(logits / result.temperature)
    np.testing.assert_allclose(whole(val.images), tempered, atol=1e-5)
    curves = result.history.curves
    row = curves[(curves["split"] == "val") & (curves["epoch"] == result.best_epoch)].iloc[0]
    losses = scores.cross_entropy_of_logits(logits, val.labels)
    assert row["loss"] == pytest.approx(losses.mean(), rel=HALF)
    assert row["accuracy"] == pytest.approx((logits.argmax(-1) == val.labels).mean())
    assert result.num_parameters == whole.count_params() - 10 == _size()
    given = keras.models.load_model(donor).get_layer("backbone").get_weights()
    pairs = zip(whole.get_layer("backbone").get_weights(), given, strict=True)
    assert all(np.array_equal(own, other) for own, other in pairs)


def _size() -> int:
    return lite.num_parameters("Lite0") + 24 * 10 + 10


def test_the_head_learns(task: FitTask) -> None:
    losses = session.run(replace(task, keep_weights=False)).history.series("probe", "loss")
    assert losses[-1] < losses[0]


def test_features_are_those_of_the_backbone_in_inference_mode(task: FitTask) -> None:
    found, data = _resident(task), _data(task)
    assert found.images.dtype == "float16" and found.shape == (24,)
    for images, own in ((data.train, found.images), (data.val, found.val_images)):
        np.testing.assert_allclose(own, _direct(task, images.images), rtol=HALF, atol=1e-4)
    np.testing.assert_array_equal(found.probe_images, np.asarray(found.images)[data.probe_indices])


def test_a_second_fit_computes_nothing(task: FitTask, computed: list[int]) -> None:
    session.run(replace(task, keep_weights=False))
    assert sum(computed) == 200 + 60
    session._residents.clear()
    section = task.section.model_copy(update={"dropout": 0.5, "l2": 0.01})
    session.run(replace(task, seed=2, section=section, keep_weights=False))
    assert sum(computed) == 200 + 60


def test_less_data_and_noisy_labels_share_the_features(task: FitTask, computed: list[int]) -> None:
    _resident(task)
    doses = replace(task, vary=Vary(train_fraction=0.3, label_noise=0.5, seed=7))
    found, data = _resident(doses), _data(doses)
    assert sum(computed) == 260
    assert len(found.images) == len(data.train) < 80
    np.testing.assert_allclose(found.images, _direct(task, data.train.images), rtol=HALF, atol=1e-4)
    np.testing.assert_array_equal(found.labels, data.train.labels)


def test_a_killed_computation_goes_on_where_it_was(
    task: FitTask, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "PIECE", 50)

    def killed(progress: Computed) -> None:
        if progress.done >= 160:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        features.resident(task, _data(task), killed)
    assert computed == [50, 10, 50, 50]
    seen: list[Computed] = []
    features.resident(task, _data(task), seen.append)
    assert seen == [Computed("efficientnet", done, 260) for done in (210, 260)]
    assert computed == [50, 10, 50, 50, 50, 50]
    folder = next(task.data.with_name("prepared.features").iterdir())
    assert len(list(folder.iterdir())) == 6


def test_what_another_process_is_at_is_left_to_it(
    task: FitTask, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "PIECE", 100)
    folder = task.data.with_name("prepared.features") / features.key(task)
    folder.mkdir(parents=True)
    taken = folder / "train-clean-00000000.npy"
    expected = np.full((100, 24), 2.5, np.float16)
    release = threading.Event()

    def other() -> None:
        with FileLock(f"{taken}.lock"):
            held.set()
            release.wait(60)
            np.save(taken, expected)

    held = threading.Event()
    thread = threading.Thread(target=other)
    thread.start()
    held.wait(60)
    found = features.resident(task, _data(task), lambda told: told.done < 160 or release.set())
    thread.join()
    assert computed == [60, 100]
    np.testing.assert_array_equal(found.images[:100], expected)


def test_an_abandoned_piece_is_taken_over(task: FitTask, computed: list[int]) -> None:
    folder = task.data.with_name("prepared.features") / features.key(task)
    folder.mkdir(parents=True)
    (folder / "val-clean-00000000.npy.lock").touch()  # of a process that is no more
    _resident(task)
    assert sum(computed) == 260


def test_augmented_passes_are_kept_and_taken_in_turn(task: FitTask, computed: list[int]) -> None:
    _resident(task)
    train = task.train.model_copy(update={"augmentation": ("shift",)})
    section = task.section.model_copy(update={"augmented_passes": 2})
    varied = replace(task, train=train, section=section)
    found, clean = _resident(varied), _resident(task)
    assert sum(computed) == 260 + 2 * 200
    assert found.images.shape == (400, 24) and found.num_passes == 2
    first, second = np.split(np.asarray(found.images, np.float32), 2)
    plain = np.asarray(clean.images, np.float32)
    for one, other in ((first, plain), (second, plain), (first, second)):
        assert (np.abs(one - other).max(-1) > 1e-3).mean() > 0.9
    np.testing.assert_array_equal(found.probe_images, clean.probe_images)
    np.testing.assert_array_equal(found.labels, np.tile(clean.labels, 2))
    order = np.array([3, 0], np.int32)
    rows = [found.rows(order, epoch).tolist() for epoch in (1, 2, 3)]
    assert rows == [[3, 0], [203, 200], [3, 0]]
    result = session.run(replace(varied, keep_weights=False))
    assert result.failed is None
    assert sum(computed) == 260 + 2 * 200


@pytest.mark.parametrize(
    ("section", "train", "expected"),
    [
        ({}, {}, True),
        ({}, {"augmentation": ("flip", "cutout")}, True),
        ({"freeze_ratio": 0.9}, {}, False),
        ({}, {"augmentation": ("flip", "mixup")}, False),
        ({}, {"augmentation": ("cutmix",)}, False),
        ({}, {"augmentation": ("flip",), "balance": "augmentation"}, False),
    ],
)
def test_when_features_are_kept(task: FitTask, section: Any, train: Any, expected: bool) -> None:
    asked = replace(
        task,
        section=task.section.model_copy(update=section),
        train=task.train.model_copy(update=train),
    )
    assert asked.on_features == expected


def test_dense_nets_have_no_features(digits_folder: Path) -> None:
    from tests.fits import dense_task

    assert not dense_task(digits_folder, epochs=1).on_features


def test_the_key_is_of_what_decides_the_features(task: FitTask, tmp_path: Path) -> None:
    def changed(**section: Any) -> str:
        return features.key(replace(task, section=task.section.model_copy(update=section)))

    own = features.key(task)
    for same in ({"dropout": 0.7}, {"l2": 0.1}, {"augmented_passes": 9}):
        assert changed(**same) == own
    assert features.key(replace(task, seed=8, vary=Vary(0.5))) == own
    assert changed(resolution=40) != own
    other = tmp_path / "other.keras"
    models.build("efficientnet", EfficientNet(variant="Lite0"), SHAPE, 10, seed=6).save(other)
    assert changed(weights=str(other)) != own
    shutil.copy(task.section.weights, other)  # type: ignore[attr-defined]
    assert changed(weights=str(other)) == own


def test_the_penalty_of_the_head_is_that_of_the_whole(donor: Path, task: FitTask) -> None:
    section = task.section.model_copy(update={"l2": 0.5})
    whole = models.build("efficientnet", section, SHAPE, 10, 0)
    head = models.build("efficientnet", section, (24,), 10, 0)
    whole.get_layer("logits").set_weights(head.get_layer("logits").get_weights())
    assert [layer.name for layer in head.layers[-3:]] == ["dropout", "logits", "probabilities"]
    assert float(sum(head.losses)) == pytest.approx(float(sum(whole.losses)), rel=1e-6)
    assert float(sum(head.losses)) > 0


def test_a_hidden_layer_of_the_head_is_learnt_and_delivered(task: FitTask, tmp_path: Path) -> None:
    wider = replace(task, section=task.section.model_copy(update={"head_units": 7}))
    assert features.key(wider) == features.key(task)
    result = session.run(wider)
    assert result.num_parameters == lite.num_parameters("Lite0") + 24 * 7 + 7 + 7 * 10 + 10
    assert result.best is not None
    whole = _loaded(result.best, tmp_path)
    logits = np.asarray(
        keras.Model(whole.input, whole.get_layer("logits").output)(_data(task).val.images)
    )
    np.testing.assert_allclose(result.probabilities, scores.softmax(logits), atol=HALF)


def test_progress_is_told_a_tenth_at_a_time(
    task: FitTask, capsys: pytest.CaptureFixture[str]
) -> None:
    with Board("title", [task]) as board:
        for done in range(0, 1001, 25):
            board.computed(Computed("efficientnet", done, 1000))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"efficientnet features {done}/1000 images" for done in range(100, 1001, 100)]


@pytest.mark.long
def test_two_workers_share_the_features_of_one_fit(
    task: FitTask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the real network, for workers are processes of their own."""
    monkeypatch.undo()
    section = EfficientNet(variant="Lite0", weights="imagenet", freeze_ratio=1.0)
    whole = replace(task, section=section, keep_weights=False)
    with workers.pool(Workers(count=2)) as pool:
        [(_, result)] = pool.run([whole], "efficientnet")
    assert "efficientnet features 260/260 images" in capsys.readouterr().out
    assert result.num_parameters == 3_413_024 + 12_810
    assert result.history.series("probe", "loss")[-1] < result.history.series("probe", "loss")[0]


def test_a_burn_in_is_learnt_on_features_and_the_rest_begins_with_its_head(
    task: FitTask, computed: list[int], tmp_path: Path
) -> None:
    schedule = Schedule(burn_in_epochs=2, burn_in_rate=0.01)
    tuned = replace(
        task,
        section=task.section.model_copy(update={"freeze_ratio": 0.5, "keep_batch_norm": True}),
        train=Train(epochs=3, learning_rate=1e-3, backbone_rate=0.1, schedule=schedule),
        checkpoints=tmp_path / "kept",
    )
    head = tuned.head_alone
    assert head is not None and head.on_features and head.train.epochs == 2
    alone = session.run(replace(head, keep_weights=False))
    told: list[tuple[int, int]] = []
    found = session.run(tuned, lambda one: told.append((one.epoch, one.epochs)))
    assert sum(computed) == 260 and told == [(1, 3), (2, 3), (3, 3)]
    for split in ("probe", "val"):
        losses = found.history.series(split, "loss")
        np.testing.assert_array_equal(losses[:2], alone.history.series(split, "loss"))
    running = found.history.series("running", "loss")
    assert running[2] < running[0] and found.failed is None
    np.testing.assert_array_equal(found.history.series("running", "phase"), [1, 1, 3])
    whole = _loaded(found.last or b"", tmp_path)
    assert whole.input_shape == (None, *SHAPE)
    given = keras.models.load_model(task.section.weights).get_layer("backbone")  # type: ignore[attr-defined]
    pairs = zip(whole.get_layer("backbone").weights, given.weights, strict=True)
    moved = {own.path for own, other in pairs if not np.array_equal(own, other)}
    assert moved and not [path for path in moved if "norm" in path]
    again = session.run(tuned, lambda one: told.append((one.epoch, one.epochs)))
    assert len(told) == 3 and again.last == found.last  # all of it was kept


def test_only_what_is_pretrained_has_a_head_alone(task: FitTask) -> None:
    burn_in = Train(epochs=3, schedule=Schedule(burn_in_epochs=2))
    scratch = task.section.model_copy(update={"freeze_ratio": 0.0, "weights": None})
    assert task.head_alone is task
    assert replace(task, section=scratch, train=burn_in).head_alone is None
    mixed = burn_in.model_copy(update={"augmentation": ("mixup",)})
    half = task.section.model_copy(update={"freeze_ratio": 0.5})
    assert replace(task, section=half, train=mixed).head_alone is None
    assert replace(task, section=half).head_alone is None
