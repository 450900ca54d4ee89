import re

import pytest

from pipeline.data import DataError, catalog
from pipeline.params import Download


@pytest.mark.parametrize("name", catalog.DATASETS)
def test_every_archive_is_pinned_and_can_be_had(name):
    for archive in catalog.find(name).archives:
        assert archive.sha256s and archive.num_bytes > 5000
        assert all(re.fullmatch("[0-9a-f]{64}", pinned) for pinned in archive.sha256s)
        assert len(archive.urls) >= 2 or name == "fashion_mnist_mini"
        assert all(url.endswith("/" + archive.name) for url in archive.urls)


@pytest.mark.parametrize("name", sorted(set(catalog.DATASETS) - {"folder", "npz"}))
def test_every_data_set_says_what_it_is(name):
    dataset = catalog.find(name)
    assert dataset.name == name and dataset.licence and dataset.citation
    assert dataset.homepage.startswith("http")
    assert len(dataset.class_names) == (100 if name == "cifar100" else 10)
    assert len(set(dataset.class_names)) == len(dataset.class_names)


def test_params_know_the_same_names():
    for name in catalog.DATASETS:
        assert Download(dataset=name, path="somewhere").dataset == name


def test_an_unknown_name_lists_the_known_ones_and_a_near_one():
    with pytest.raises(DataError) as caught:
        catalog.find("fashion-mnist")
    message = str(caught.value)
    assert "'fashion-mnist'" in message and "Did you mean 'fashion_mnist'?" in message
    assert "cifar100, folder, npz" in message


def test_the_pinned_checksums_are_those_of_keras():
    keras = pytest.importorskip("importlib.util").find_spec("keras")
    if keras is None or keras.origin is None:
        pytest.skip("keras is not installed")
    from pathlib import Path

    folder = Path(keras.origin).parent / "src" / "datasets"
    for name in ("mnist", "cifar10", "cifar100"):
        (archive,) = catalog.find(name).archives
        assert archive.sha256s[0] in (folder / f"{name}.py").read_text()
