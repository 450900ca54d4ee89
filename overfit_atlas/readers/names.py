"""Columns by meaning: what a name says of split and quantity, however it is written."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

ROLES = ("loss", "accuracy", "val_loss", "val_accuracy")
"""What a curve of a log may be: running training scores, and validation scores."""

TRAIN = {"train", "training", "trainings", "trn", "tr"}
VAL = {"val", "valid", "validation", "validate", "validating", "eval", "evaluation", "dev"}
VAL |= {"vali", "holdout", "vld", "vl"}
TEST = {"test", "testing", "tst", "te"}
LOSS = {"loss", "losses", "cost", "logloss", "mlogloss", "nll", "crossentropy", "xent", "bce"}
ACCURACY = {"acc", "accuracy", "accuracies", "accs", "accuarcy", "acuracy", "accurarcy"}
SHARE = {"percent", "percentage", "pct", "rate", "%"}  # of what is correct
ERROR = {"err", "error", "errors", "merror", "misclassification"}
REGRESSION = {"mse", "mae", "rmse", "mape", "msle", "rmsle", "huber", "squared", "absolute"}
EPOCH = {"epoch", "epochs", "epoche", "ep", "epoca", "epoque", "epochnum"}
STEP = {"step", "steps", "iter", "iteration", "iterations", "batch", "batches", "it"}
# Words beside a quantity that leave its meaning as it is.
NEUTRAL = {"avg", "average", "averaged", "mean", "total", "overall", "running", "metric", "metrics"}
NEUTRAL |= {"score", "value", "history", "log", "logs", "logger", "per", "the", "of", "in", "on"}
NEUTRAL |= {"set", "data", "dataset", "split", "curve", "list", "hist", "all", "and"}
NEUTRAL |= {"tag", "scalar", "scalars", "trainer", "is", "percent", "percentage", "pct", "no", "vs"}
NEUTRAL |= {"mini", "predictions"}
KINDS = {"categorical", "sparse", "binary", "multiclass", "multi", "classification", "clf", "ce"}
KINDS |= {"cross", "entropy", "criterion", "rate", "softmax", "label", "image"}
# Names with these are no curve to judge by: derived, other scores, settings, measures of time.
DERIVED = {"best", "final", "max", "min", "ema", "std", "stdev", "var", "lowest", "highest", "gap"}
DERIVED |= {"smoothed", "target", "diff", "delta", "ratio", "improved", "improve", "from", "last"}
DERIVED |= {"scale", "scaler", "weight", "weights", "coef", "lambda", "smoothing", "fn", "type"}
DERIVED |= {"function", "name", "balanced", "macro", "weighted", "class", "f", "auc", "roc", "prc"}
DERIVED |= {"recall", "precision", "specificity", "sensitivity", "kappa", "mcc", "iou", "miou"}
DERIVED |= {"dice", "map", "lr", "learning", "momentum", "time", "seconds", "sec", "eta", "grad"}
DERIVED |= {
    "norm",
    "samples",
    "runtime",
    "perplexity",
    "ppl",
    "patience",
    "threshold",
    "confidence",
}
DERIVED |= {"change", "previous", "prev", "window", "rank", "flos", "token", "pixel"}
# Parts of a loss: their sum is the loss, none of them is.
PARTS = {"box", "cls", "dfl", "obj", "seg", "mask", "rpn", "reg", "aux", "kl", "recon", "l"}
PARTS |= {"penalty", "regularization", "regularizer", "distill", "kd", "contrastive", "center"}
PARTS |= {"triplet", "d", "g", "generator", "discriminator", "giou", "pose", "kobj", "adv", "decay"}
SEEDS = {"fold", "folds", "seed", "kfold", "repeat", "cv"}
PHASES = {"phase", "stage", "finetune", "finetuning", "tune", "tuning", "fine", "ft", "warmup"}
PHASES |= {"frozen", "unfrozen", "head", "unfreeze", "pretrain", "initial", "transfer"}
MODELS = {"model", "version", "run", "experiment", "arch", "architecture", "network", "net"}
MODELS |= {"config", "variant", "name", "exp", "id", "trial", "method", "backbone", "runid"}

FOREIGN = {
    "训练": " train ", "訓練": " train ", "学習": " train ", "验证": " val ", "驗證": " val ",
    "検証": " val ", "评估": " val ", "評価": " val ", "测试": " test ", "測試": " test ",
    "テスト": " test ", "损失": " loss ", "損失": " loss ", "准确率": " accuracy ",
    "準確率": " accuracy ", "正确率": " accuracy ", "正解率": " accuracy ", "精度": " accuracy ",
    "誤差率": " error rate ", "错误率": " error rate ", "轮次": " epoch ", "エポック": " epoch ",
    "轮": " epoch ", "verlust": " loss ", "genauigkeit": " accuracy ", "perte": " loss ",
    "exactitude": " accuracy ", "perdida": " loss ", "exactitud": " accuracy ",
    "validierung": " val ", "validacion": " val ", "entrenamiento": " train ",
    "entrainement": " train ", "perda": " loss ", "acuracia": " accuracy ", "treino": " train ",
    "treinamento": " train ", "validacao": " val ", "perdita": " loss ",
    "accuratezza": " accuracy ", "addestramento": " train ", "validazione": " val ",
    "손실": " loss ", "정확도": " accuracy ", "훈련": " train ", "학습": " train ",
    "검증": " val ", "테스트": " test ", "에폭": " epoch ", "에포크": " epoch ",
    "потери": " loss ", "потеря": " loss ", "точность": " accuracy ", "обучение": " train ",
    "обучения": " train ", "валидация": " val ", "валидации": " val ", "эпоха": " epoch ",
    "kay[iı]p": " loss ", "kayb[iı]": " loss ", "dogrulu(?:k|gu)": " accuracy ",
    "egitim": " train ", "dogrulama": " val ",
}  # fmt: skip
_COMPOUND = re.compile(
    r"^(train|training|trn|tr|valid|validation|val|test|eval|dev|t|v|avg|mean|total|epoch)"
    r"(losses|loss|accuracy|accs|acc|error|err)$"
)
_TURNED = re.compile(r"^(loss|accuracy|acc|error|err)(train|training|valid|val|test|eval)$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_TOP = re.compile(
    r"top[\s_\-]*@?(\d+)|@\s*(\d+)|(?<![A-Za-z])(?:acc|prec|err|accuracy)(\d+)(?!\d)", re.I
)
_WORD = re.compile(r"[^\W\d_]+|\d+|%")

MOST_NAMES = 16384
"""More than a table has columns: each of its groups asks for the meaning of all names anew."""


@dataclass(frozen=True)
class Meaning:
    """What a name says."""

    kind: str  # loss, accuracy, error, epoch, step, or other
    split: str | None = None  # train, val, test
    group: str = ""  # words that are left: a run, a fold, an output, a phase
    rank: int = 0  # of several of one meaning the lowest is used
    at: str | None = None  # "epoch" or "step", where the name says so
    percent: bool = False


OTHER = Meaning("other")


def words(name: str) -> list[str]:
    """The words of a name in lower case: camel case, blanks, signs and glued words taken apart."""
    return list(_words(name[:200]))


@lru_cache(maxsize=MOST_NAMES)
def _words(name: str) -> tuple[str, ...]:
    text = unicodedata.normalize("NFKC", name)
    text = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    text = unicodedata.normalize("NFC", text)
    for foreign, english in FOREIGN.items():
        text = re.sub(foreign, english, text, flags=re.I)
    found: list[str] = []
    for word in _WORD.findall(_CAMEL.sub(" ", text)):
        small = word.lower()
        glued = _COMPOUND.match(small) or _TURNED.match(small)
        found += [_SHORT.get(part, part) for part in glued.groups()] if glued else [small]
    return tuple(found)


_SHORT = {"t": "train", "v": "val"}


def _split(found: list[str]) -> str | None:
    """The split that the words name; "gap" where they name two."""
    splits = [s for s, known in (("train", TRAIN), ("val", VAL), ("test", TEST))
              if any(word in known for word in found)]  # fmt: skip
    if len(splits) == 2 and any(word in {"eval", "evaluation"} for word in found):
        return next(split for split in splits if split != "val")
    return splits[0] if len(splits) == 1 else "gap" if splits else None


def _quantity(found: set[str], top: int | None) -> tuple[str, int] | None:
    """Kind and rank of what the words measure."""
    loss = bool(found & LOSS)
    accuracy = bool(found & ACCURACY) or ("correct" in found and bool(found & SHARE))
    if loss and accuracy:
        return None
    if found & REGRESSION:
        return ("loss", 8) if not accuracy else None
    if loss or {"cross", "entropy"} <= found:
        return "loss", 2 if found & KINDS else 0
    error = bool(found & ERROR)
    if top is not None and (accuracy or error or found & {"prec", "precision", "top"}):
        return ("topk", 9) if top != 1 else ("error", 6) if error else ("accuracy", 1)
    if "top" in found and (accuracy or error):
        return "topk", 9
    if accuracy:
        return "accuracy", 2 if found & KINDS else 0
    if error:
        return "error", 6 if found & {"rate", "classification", "%"} or "merror" in found else 7
    return None


@lru_cache(maxsize=MOST_NAMES)
def meaning(name: str) -> Meaning:
    """What `name` means as the name of a column or a curve."""
    top_found = _TOP.search(_CAMEL.sub("_", name[:200]))
    top = int(next(x for x in top_found.groups() if x)[:4]) if top_found else None
    plain = _TOP.sub(lambda m: " top " if m[1] else re.sub(r"@?\s*\d+", " top ", m[0]), name[:200])
    found = words(plain if top_found else name)
    split, quantity = _split(found), _quantity(set(found), top)
    if quantity is None:
        return _axis(found)
    known = {"precision"} if top is not None else set()
    if split == "gap" or any(word in (DERIVED | PARTS) - known for word in found):
        return OTHER
    kind, rank = quantity
    at = "epoch" if set(found) & EPOCH else "step" if set(found) & STEP else None
    left = _left(found)
    digits = [word for word in left if word.isdigit()]
    if left and len(digits) == len(left):
        rank += 1
    return Meaning(kind, split, "_".join(left), rank, at, bool(set(found) & (SHARE - {"rate"})))


def _left(found: list[str]) -> list[str]:
    known = TRAIN | VAL | TEST | LOSS | ACCURACY | ERROR | REGRESSION | EPOCH | STEP | NEUTRAL
    known |= KINDS | {"%", "top", "prec", "precision", "correct"}
    return [word for word in found if word not in known]


def _axis(found: list[str]) -> Meaning:
    """What counts rows: epochs or steps."""
    rest = [word for word in found if word not in {"current", "num", "number", "trainer", "no"}]
    if len(rest) == 1 and rest[0] in EPOCH:
        return Meaning("epoch", rank=0 if "epochs" not in rest else 1)
    if rest in (["global", "step"], ["global", "iteration"]) or (
        len(rest) == 1 and rest[0] in STEP
    ):
        return Meaning("step")
    return OTHER


def is_curve(name: str) -> bool:
    """Whether `name` is one of a loss or of an accuracy of some kind."""
    return meaning(name).kind in {"loss", "accuracy", "error"}


def split_word(text: str) -> str | None:
    """The split a single value such as "valid" stands for."""
    found = words(text)
    if not found or any(
        word not in TRAIN | VAL | TEST | NEUTRAL | {"phase", "mode"} for word in found
    ):
        return None
    split = _split(found)
    return None if split == "gap" else split
