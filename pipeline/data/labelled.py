"""Files with their split and class, and what names of folders say of both."""

import re
from dataclasses import dataclass

from pipeline.data.walking import File, Folder

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Labelled:
    """One file, the split it belongs to ("" where there are none), and its class."""

    file: File
    split: str
    class_name: str

    @property
    def order(self) -> tuple[str, ...]:
        """Sorts like paths do, folder by folder."""
        return tuple(self.file.path.split("/"))


def split_of(name: str) -> str | None:
    """The split that a name means: `train`, `Validation`, `seg_test`, `test-images`; else None."""
    words = re.findall("[a-z]+", name.lower())
    found = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


def core(folder: Folder) -> Folder:
    """Where `folder` really begins: data/data/CLASS begins at the second data.

    Goes down while the only sub-folder with images is no class: it holds folders alone, or repeats
    the name of the one above.
    """
    while not folder.images and len(folder.filled) == 1:
        (child,) = folder.filled
        same = bool(folder.path) and child.name == folder.name
        part = split_of(child.name)
        if not same and (child.images or (part and part != split_of(folder.name))):
            break
        folder = child
    return folder


def is_flat(folder: Folder) -> bool:
    """Whether images lie directly in it, and no folders of classes."""
    inner = core(folder)
    return bool(inner.images) and not inner.filled
