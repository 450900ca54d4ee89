"""What was read, in one line, in English and Japanese."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from overfit_atlas.files import shortened
from overfit_atlas.readers.names import ROLES

if TYPE_CHECKING:
    from overfit_atlas.readers.records import LoggedFit, Read

ROLE_NAMES = {
    "en": {"loss": "train loss", "accuracy": "train accuracy", "val_loss": "val loss",
           "val_accuracy": "val accuracy"},
    "ja": {"loss": "訓練損失", "accuracy": "訓練正解率", "val_loss": "検証損失",
           "val_accuracy": "検証正解率"},
}  # fmt: skip
_LISTED = 12
Values = Mapping[str, object]


def _listed(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        shown = ", ".join(shortened(str(x)) for x in value[:8])
        return shown + (", ..." if len(value) > 8 else "")
    return str(value)


NOTES: dict[str, tuple[str, str]] = {
    "appended_runs": (
        "{count} runs appended to one file ({epochs} epochs; restarts at rows {rows})",
        "1つのファイルに{count}回の学習が続けて書かれています（{epochs}エポック、{rows}行目で再開始）",
    ),
    "resumed": (
        "resumed at epoch {epochs}; what was logged before from there on is left out",
        "エポック{epochs}から再開されています。以前に記録された同じエポックは使いません",
    ),
    "header_again": ("{tables} tables with other columns in one file",
                     "1つのファイルに列の異なる{tables}個の表があります"),
    "phases": ("one training in phases: {phases}", "段階に分けた1つの学習です: {phases}"),
    "summary_row": ("rows that sum up ({rows}) left out", "まとめの行（{rows}）は使いません"),
    "percent": ("accuracies in percent", "正解率は百分率です"),
    "error_rate": ("accuracy is one minus the error rate", "正解率は1から誤り率を引いた値です"),
    "test_as_val": ("test takes the place of validation", "検証の代わりにテストの値を使います"),
    "accuracy_taken_as_val": ("{column} is taken as validation's accuracy",
                              "{column}を検証正解率とみなします"),
    "score_as_loss": ("{columns} stand for the loss", "{columns}を損失として扱います"),
    "penalty_suspected": (
        "the losses of {fit} are above what their accuracies allow: they hold a penalty or are no "
        "plain cross-entropy",
        "{fit}の損失は正解率に比べて大きく、正則化項などを含むようです",
    ),
    "not_finite_from": ("the loss is not finite from epoch {epoch} on",
                        "エポック{epoch}から損失が有限ではありません"),
    "fits_of_one_model?": ("each file is taken as a model of its own (--seeds: one model)",
                           "各ファイルを別のモデルとして扱います（1つのモデルなら --seeds）"),
    "other_loss_scale": ("the two losses of {fit} are on two scales: their difference is no gap",
                         "{fit}の2つの損失は尺度が異なるため、その差は比べられません"),
    "train_loss_other_scale": (
        "the training loss of {fit} is on another scale: its difference to validation's is no gap",
        "{fit}の訓練損失は尺度が異なるため、検証損失との差は比べられません",
    ),
    "validation_every_k": ("validated every {k} epochs", "検証は{k}エポックごとです"),
    "evaluations_as_epochs": ("{evaluations} evaluations, taken as epochs",
                              "{evaluations}回の評価をエポックとみなします"),
    "steps_averaged": ("training scores averaged over the steps of an epoch",
                       "訓練の値は各エポックのステップの平均です"),
    "validated_after_training": ("a validation after training left out (epoch {epochs})",
                                 "学習後の検証（エポック{epochs}）は使いません"),
    "unfinished_epoch": ("an unfinished epoch left out ({epochs})",
                         "途中で終わったエポック（{epochs}）は使いません"),
    "run_without_validation": ("run {run} has no validation and is left out",
                               "{run}番目の学習には検証の値がないため使いません"),
    "cut_short": ("the last epoch has no {columns}", "最後のエポックには{columns}がありません"),
    "row_cut_short": ("a last row cut short left out", "途中で切れた最後の行は使いません"),
    "rows_cut_short": ("rows cut short left out", "途中で切れた行は使いません"),
    "sorted_by_epoch": ("rows sorted by epoch", "行をエポック順に並べ替えました"),
    "same_log_twice": ("the same log in two files, read once",
                       "同じ記録の2つ目のファイルは使いません"),
}  # fmt: skip


def note(key: str, values: Values, language: str) -> str:
    """The sentence of one note."""
    english, japanese = NOTES[key]
    filled = {name: _listed(value) for name, value in values.items()}
    epochs = values.get("epochs")
    count = len(epochs) if isinstance(epochs, Sequence) else 0
    return (japanese if language == "ja" else english).format(count=count, **filled)


def _roles(fits: Sequence["LoggedFit"], language: str) -> list[str]:
    names = ROLE_NAMES[language]
    return [names[role] for role in ROLES if any(role in fit.columns for fit in fits)]


def _epochs(fits: Sequence["LoggedFit"], last: str) -> str:
    counts = list(dict.fromkeys(str(fit.num_logged) for fit in fits))
    if len(counts) > 1:
        counts = [str(fit.num_logged) for fit in fits]
    if len(counts) > _LISTED:
        counts = [*counts[:_LISTED], "..."]
    return counts[0] if len(counts) == 1 else f"{', '.join(counts[:-1])}{last}{counts[-1]}"


def _english(read: "Read") -> tuple[str, str]:
    fits = read.fits
    of = "1 fit" if len(fits) == 1 else f"{len(fits)} fits"
    one = fits[0].num_logged == 1 and len({fit.num_logged for fit in fits}) == 1
    text = f"read: {', '.join(_roles(fits, 'en'))} from {of} of {_epochs(fits, ' and ')} epoch"
    return text + ("" if one else "s"), "; not used: "


def _japanese(read: "Read") -> tuple[str, str]:
    epochs = _epochs(read.fits, "、")
    of = f"（{len(read.fits)}回の学習、{epochs}エポック）"
    return f"読み取り: {'、'.join(_roles(read.fits, 'ja'))}{of}", "。不使用: "


_LANGUAGES: dict[str, Callable[["Read"], tuple[str, str]]] = {"en": _english, "ja": _japanese}


def said(read: "Read", language: str = "en") -> str:
    """One line on what was read and what was not, with all that is to be said of it."""
    text, unused = _LANGUAGES[language](read)
    if read.not_used:
        names = [shortened(name) for name in read.not_used[:_LISTED]]
        names += ["..."] if len(read.not_used) > _LISTED else []
        text += unused + ", ".join(names)
    sentences = [note(n.key, n.values, language) for n in read.notes]
    between = "。" if language == "ja" else "; "
    return " ".join(between.join([text, *sentences]).split())
