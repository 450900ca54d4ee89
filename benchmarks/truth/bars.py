"""What the measures are held to: `BARS`; and how the README names them."""

from dataclasses import dataclass

from benchmarks.truth.measures import Measured

Range = tuple[float, float]
ANY = float("inf")


@dataclass(frozen=True)
class Bar:
    """A measure of three seeds together, from where to where it may lie, and should."""

    measure: str
    least: Range
    aim: Range
    form: str = "{:.0%}"

    def told(self, which: str) -> str:
        """The bar in words."""
        low, high = getattr(self, which)
        if high == ANY:
            return f"at least {self.form.format(low)}"
        if low == -ANY:
            return f"at most {self.form.format(high)}"
        return f"{self.form.format(low)} to {self.form.format(high)}"

    def reached(self, one: Measured) -> str:
        """How far: by the measured number, and by its whole interval."""
        for which, named in (("aim", "the aim"), ("least", "the least")):
            low, high = getattr(self, which)
            if low <= one.low and one.high <= high:
                return f"{named}, surely"
        for which, named in (("aim", "the aim"), ("least", "the least")):
            low, high = getattr(self, which)
            if low <= one.value <= high:
                return f"{named}, as measured"
        return "no"


def _at_most(measure: str, least: float, aim: float, form: str = "{:.0%}") -> Bar:
    return Bar(measure, (-ANY, least), (-ANY, aim), form)


def _at_least(measure: str, least: float, aim: float) -> Bar:
    return Bar(measure, (least, ANY), (aim, ANY))


PROBABILITIES = (
    "P(verdict)",
    "P(material), loss",
    "P(material), calibrated loss",
    "P(material), accuracy",
)
OF_PROBABILITY = ("slope of the recalibration", "calibration error", "Brier score")
COVERAGE = "coverage of the 95 % interval: "
BARS = (
    *(
        Bar(f"{one}: slope of the recalibration", (0.8, 1.25), (0.9, 1.1), "{:.2f}")
        for one in PROBABILITIES
    ),
    *(_at_most(f"{one}: calibration error", 0.04, 0.02) for one in PROBABILITIES),
    _at_most("damage of loss said, truth below half of material", 0.03, 0.02),
    _at_most("damage of accuracy said, truth below half of material", 0.05, 0.03),
    _at_most("clear damage of loss missed, val of 400 or more", 0.06, 0.03),
    _at_most("clear damage of accuracy missed, val of 400 or more", 0.20, 0.12),
    _at_least("verdict right, where one is said", 0.94, 0.97),
    _at_least("kind right, where verdict is right and a kind is said", 0.87, 0.92),
    _at_most("undetermined, val of 400 or more", 0.16, 0.08),
    *(
        Bar(f"{COVERAGE}{one}", (0.92, 0.98), (0.93, 0.97))
        for one in (
            "gap, loss",
            "damage of loss",
            "damage of calibrated loss",
            "damage of accuracy",
            "val, accuracy",
        )
    ),
    _at_least("coverage of the best epoch by loss", 0.93, 0.93),
    _at_least("coverage of the onset by loss, where damage is material", 0.93, 0.93),
    _at_most("median width of its interval, epochs", 13, 8, "{:.0f}"),
)
IN_README = (
    "verdict right, where one is said",
    "kind right, where verdict is right and a kind is said",
    "undetermined, val of 400 or more",
    "P(verdict): slope of the recalibration",
    "P(verdict): calibration error",
    f"{COVERAGE}gap, loss",
    f"{COVERAGE}damage of loss",
    f"{COVERAGE}damage of accuracy",
    "coverage of the best epoch by loss",
)
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "to": " to ",
        "cell": "{value} ({ends}; {cases})",
        "short": "{value} ({ends})",
        "about": "It was checked on nets whose truth is known from ten fresh seeds and 6,000 other "
        "images: {report} settings of Fashion-MNIST, of three seeds each, on which nothing was "
        "tuned ({tune} settings of MNIST were for that). In brackets: 95 % intervals, and the "
        "number of cases where it is not all.",
        "head": "P(material damage) of|slope (1 is right)|calibration error"
        "|Brier score (of the base rate)|said, but truth below half of material"
        "|clear damage missed (val of 400 or more)",
        "loss": "loss",
        "calibrated_loss": "calibrated loss",
        "accuracy": "accuracy",
        "head of verdicts": "|cases|measured",
        "head of stops": "early stopping, on {cases:,} trainings"
        "|stopped although nothing was damaged"
        "|epochs saved|accuracy against the last epoch|calibrated loss against the last epoch",
        **{name: name for name in IN_README},
    },
    "ja": {
        "to": "〜",
        "cell": "{value}（{ends}、{cases} 件）",
        "short": "{value}（{ends}）",
        "about": "別のシード 10 個と別の画像 6,000 枚から、本当のことが分かっているネットで"
        "確かめました。何の調整にも使っていない Fashion-MNIST の {report} 設定"
        "（シードは 3 つずつ）です"
        "（調整には MNIST の {tune} 設定を使いました）。括弧の中は 95 % 区間と、"
        "全部でないときは件数です。",
        "head": "実質的な悪化の確率|傾き（1 が正しい）|較正誤差|ブライアスコア（基準率のもの）"
        "|言ったが、本当は実質の半分未満|明らかな悪化の見落とし（検証 400 枚以上）",
        "loss": "損失",
        "calibrated_loss": "較正後の損失",
        "accuracy": "正解率",
        "head of verdicts": "|件数|測定値",
        "head of stops": "早期終了（{cases:,} 回の学習）|悪化していないのに止めた|節約したエポック"
        "|正解率（最終エポックとの差）|較正後の損失（最終エポックとの差）",
        "verdict right, where one is said": "言った判定が正しい",
        "kind right, where verdict is right and a kind is said": "判定が正しいとき、種類も正しい",
        "undetermined, val of 400 or more": "判定を保留（検証 400 枚以上）",
        "P(verdict): slope of the recalibration": "判定の確率：傾き（1 が正しい）",
        "P(verdict): calibration error": "判定の確率：較正誤差",
        f"{COVERAGE}gap, loss": "95 % 区間が真の値を含む割合：損失のギャップ",
        f"{COVERAGE}damage of loss": "95 % 区間が真の値を含む割合：損失の悪化",
        f"{COVERAGE}damage of accuracy": "95 % 区間が真の値を含む割合：正解率の悪化",
        "coverage of the best epoch by loss": "区間が真の最良エポック（損失）を含む割合",
    },
}
