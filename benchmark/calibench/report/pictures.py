"""The pictures of `--plot-kind`, by name: which there are, and a file of several side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError, did_you_mean
from calibench.metrics.judged import Judged
from calibench.report.diagram import check_plot
from calibench.report.plot_style import panels, save, short, style, title_and_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OF_CLASSES = ("reliability", "corp")
"""Pictures that take `:CLASS` or `:all` after their name."""

KINDS = (*OF_CLASSES, "confidence", "risk-coverage", "groups", "periods")

TITLES = {
    "reliability": "reliability, 15 bins",
    "corp": "reliability, CORP",
    "confidence": "confidence",
    "risk-coverage": "risk and coverage",
    "groups": "groups, worst first",
    "periods": "periods",
}

LONGEST_TITLE = 40

EXPLAINED = {
    "reliability": "accuracy in 15 bins of the confidence; reliability:1 of class 1, reliability:all of every class",
    "corp": "the isotonic curve with the band of a calibrated model; corp:1 of class 1, corp:all of every class",
    "confidence": "how many right and wrong predictions have each confidence",
    "risk-coverage": "the error rate of the surest samples against their share",
    "groups": "confidence and accuracy of each group of --by",
    "periods": "confidence and accuracy of each period of --by-time",
}


@dataclass(frozen=True)
class Drawn:
    """What can be drawn of one judgement: its title, the judged samples, its groups and periods, the names of classes."""

    title: str
    judged: Judged
    judgement: Mapping[str, Any]
    class_names: tuple[str, ...] = ()
    level: float = 0.95
    """The level of the intervals of groups and periods."""


def kinds_of(text: str) -> list[str]:
    """The kinds in `corp,confidence`; InputError for an unknown one."""
    kinds = [word.strip() for word in text.split(",") if word.strip()]
    for kind in kinds:
        name, colon, of_class = kind.partition(":")
        if name not in KINDS:
            raise InputError(f"there is no picture {name!r}", did_you_mean(name, KINDS))
        if colon and (name not in OF_CLASSES or not of_class):
            raise InputError(
                f"picture {kind!r}: {name} takes no class", f"a class is for {' and '.join(OF_CLASSES)}: corp:1"
            )
    if not kinds:
        raise InputError("--plot-kind names no picture", f"known: {', '.join(KINDS)}")
    return kinds


def pictures(drawn: Sequence[Drawn], kinds: Sequence[str]) -> Figure:
    """A figure with a panel for each kind of each judgement. InputError for a picture of what was not asked."""
    wanted = [(part, kind) for part in drawn for kind in kinds]
    draws = [_drawing(part, kind) for part, kind in wanted]
    with style():
        figure, axes = panels(len(draws))
        for axis, draw, (part, kind) in zip(axes, draws, wanted, strict=True):
            draw(axis)
            name = axis.get_title() or _title(kind)
            title = f"{short(part.title, LONGEST_TITLE)}\n{name}" if len(drawn) > 1 or part.title else name
            title_and_legend(axis, title, "right" if kind == "groups" else "left")
    return figure


def _title(kind: str) -> str:
    """The title of a picture that has none of its own."""
    name, _, of_class = kind.partition(":")
    if of_class == "all":
        return f"{TITLES[name]}, every class"
    return TITLES[name] + (f", class {short(of_class)}" if of_class else "")


def draw_pictures(drawn: Sequence[Drawn], kinds: Sequence[str], path: Path) -> None:
    """Draw them into `path`, which ends in .svg, .png or .pdf."""
    check_plot(path)
    save(pictures(drawn, kinds), path)


def _drawing(drawn: Drawn, kind: str) -> Callable[[Axes], None]:
    """The function that draws one picture; it raises InputError before anything is drawn."""
    from calibench.report import all_classes, group_pictures, reliability_pictures

    judged, (name, _, of_class) = drawn.judged, kind.partition(":")
    if name in ("groups", "periods"):
        option = "--by" if name == "groups" else "--by-time"
        parts = drawn.judgement.get(name)
        if not parts:
            raise InputError(f"picture {name!r} needs the {name} of {option}", f"add {option} COLUMN")
        if name == "groups":
            return lambda axis: group_pictures.draw_groups(axis, parts, drawn.level)
        return lambda axis: group_pictures.draw_periods(axis, parts, drawn.level)
    if name == "confidence":
        return lambda axis: reliability_pictures.draw_confidence(axis, judged)
    if name == "risk-coverage":
        return lambda axis: _risk_coverage(axis, judged)
    if judged.labels_per_sample > 1 and of_class:
        raise InputError(f"picture {kind!r}: samples have several labels and no classes", f"draw {name}")
    if of_class == "all":
        of_all = all_classes.draw_bins if name == "reliability" else all_classes.draw_corp
        return lambda axis: of_all(axis, judged, drawn.class_names)
    asked = reliability_pictures.question(judged, _class(of_class, drawn), drawn.class_names)
    draw = reliability_pictures.draw_bins if name == "reliability" else reliability_pictures.draw_corp
    return lambda axis: draw(axis, judged, asked)


def _class(text: str, drawn: Drawn) -> int | None:
    """The index of a class, by its name or number; None for the top label."""
    if not text:
        return None
    if text in drawn.class_names:
        return drawn.class_names.index(text)
    if not text.isdecimal() or int(text) >= drawn.judged.num_classes:
        choices = drawn.class_names or tuple(str(k) for k in range(drawn.judged.num_classes))
        raise InputError(f"there is no class {text!r} to draw", did_you_mean(text, choices))
    return int(text)


def _risk_coverage(axis: Axes, judged: Judged) -> None:
    from calibench.metrics.operating_curves import risk_coverage
    from calibench.report.curves import draw_risk_coverage

    draw_risk_coverage(axis, risk_coverage(judged))
