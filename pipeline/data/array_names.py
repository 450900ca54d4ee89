"""What the arrays of an .npz file are, by their names: x_train, train_images, y, ..."""

import re
from collections.abc import Mapping, Sequence

from pipeline.data import DataError
from pipeline.data.labelled import SPLIT_NAMES

IMAGES = frozenset(("x", "image", "images", "img", "imgs", "data", "pixels", "features"))
LABELS = frozenset(
    ("y", "label", "labels", "target", "targets", "fine_label", "fine_labels", "class", "category")
)
CLASS_NAMES = frozenset(
    ("class_names", "label_names", "target_names", "fine_label_names", "classes", "categories")
)
EXPECTED = (
    "x_train and y_train (and x_val, y_val, x_test, y_test, class_names), or names such as "
    "train_images, train_labels, or X, y"
)


def slots(keys: Sequence[str], where: str) -> tuple[dict[str, str], list[str]]:
    """(slot to key, keys that are not used): slots are x_train, y_train, ..., class_names.

    Raises:
        DataError: two arrays for one slot, images without labels, or none of train.
    """
    found: dict[str, str] = {}
    unused = []
    for key in keys:
        slot = slot_of(key)
        if slot is None:
            unused.append(key)
        elif slot in found:
            raise DataError(
                f"{where}: the arrays {found[slot][:40]!r} and {key[:40]!r} can both be {slot}, "
                "expected each once. Keep one of them."
            )
        else:
            found[slot] = key
    if not found and sorted(keys) == ["arr_0", "arr_1"]:
        return {"x_train": "arr_0", "y_train": "arr_1"}, []
    _check_complete(found, keys, where)
    return found, unused


def said(found: Mapping[str, str], unused: Sequence[str]) -> list[str]:
    """Sentences on the names that had to be interpreted, and on arrays that are not used."""
    renamed = [f"{slot} from {key!r}" for slot, key in found.items() if slot != key]
    sentences = [f"read {', '.join(renamed)}"] if renamed else []
    if unused:
        sentences.append(f"not used: {', '.join(repr(key[:40]) for key in unused[:10])}")
    return sentences


def slot_of(key: str) -> str | None:
    """x_train, y_val, class_names, ...: what a name means; None where it means none of these."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key)
    words = re.findall("[a-z]+", apart.lower())
    if "_".join(words) in CLASS_NAMES:
        return "class_names"
    if len(words) == 1 and words[0][:1] in ("x", "y") and words[0][1:] in SPLIT_NAMES:
        words = [words[0][0], words[0][1:]]
    splits = [word for word in words if word in SPLIT_NAMES]
    kind = "_".join(word for word in words if word not in SPLIT_NAMES)
    if len(splits) > 1 or kind not in IMAGES | LABELS:
        return None
    split = SPLIT_NAMES[splits[0]] if splits else "train"
    return f"{'x' if kind in IMAGES else 'y'}_{split}"


def _check_complete(found: Mapping[str, str], keys: Sequence[str], where: str) -> None:
    required = {"x_train", "y_train"}
    required |= {f"{kind}_{slot[2:]}" for slot in found if slot != "class_names" for kind in "xy"}
    if missing := sorted(required - set(found)):
        raise DataError(
            f"{where}: no {', '.join(missing)} in it; it holds "
            f"{[key[:40] for key in sorted(keys)][:12]}, expected {EXPECTED}."
        )
