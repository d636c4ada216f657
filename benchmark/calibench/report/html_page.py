"""One self-contained page about an evaluation: verdict, figures, groups, periods and pictures; nothing from the network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calibench.atomic import replacing, writable_folder
from calibench.errors import InputError
from calibench.report.drift_words import drift_words
from calibench.report.format import NOTHING, figure, figure_with_interval, header, interval
from calibench.report.pictures import Drawn, pictures
from calibench.report.plot_style import as_svg
from calibench.report.site.answers import ANSWERS
from calibench.report.site.table import Cell, Head, Line, Table

Record = Mapping[str, Any]

ENDINGS = (".html", ".htm")

CAPTIONS = {
    "reliability": "Reliability diagram: the share of right answers in each bin of confidence, with its interval at the mean "
    "confidence; dashed: calibration; dark bars: where the samples lie.",
    "corp": "CORP: isotonic regression, which chooses its own bins. A calibrated model stays in the grey band at 9 points in 10. "
    "Below, where the probabilities lie. MCB is the part of the mean squared error that the curve removes.",
    "all": "The CORP curve of each class, the worst in colour.",
    "confidence": "How many predictions have each confidence; wrong ones are hatched.",
    "risk-coverage": "The error rate if only the surest samples are answered.",
    "groups": "Each group: accuracy with its interval, and mean confidence.",
    "periods": "Each period: accuracy with its interval, and mean confidence.",
}


def check_report(path: Path) -> None:
    """InputError unless `path` ends in .html and matplotlib is installed."""
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"cannot write a report to {str(path)!r}", "end it in .html")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError("a report has pictures, which need matplotlib", 'pip install "calibench[plot]"') from None


def write_report(documents: Sequence[Record], drawn: Sequence[Sequence[Drawn]], path: Path) -> None:
    """Write the page about `documents`, each the JSON of an evaluation, with the judgements that are `drawn` of each."""
    check_report(path)
    writable_folder(path.parent)
    text = page(documents, drawn)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def page(documents: Sequence[Record], drawn: Sequence[Sequence[Drawn]]) -> str:
    """The page as HTML."""
    from calibench.report.site.page import render

    names = ", ".join(_name(document) for document in documents)
    parts = [_evaluation(*pair, number) for number, pair in enumerate(zip(documents, drawn, strict=True), 1)]
    return render("evaluation.html", title=f"{names}: calibration", trail=[], evaluations=parts)


def _name(document: Record) -> str:
    return Path(document["file"]).name if document.get("file") else "Evaluation"


def _evaluation(document: Record, drawn: Sequence[Drawn], number: int) -> dict[str, Any]:
    """What the page says about one evaluation."""
    after: Record | None = document.get("after")
    questions = document["questions"]
    judgement = document if after is None else after
    fitted = "" if after is None else f", after {document['fit']['recipe']}"
    kind = f"{document['classes']} classes" if questions == 1 else f"{questions} labels each"
    digest = f", SHA-256 {document['sha256'][:12]}…" if document.get("sha256") else ""
    verdicts = [_verdict(document, "" if after is None else "Before: ")]
    verdicts += [] if after is None else [_verdict(after, f"After {document['fit']['recipe']}: ")]
    classes = bool(drawn) and drawn[0].judged.labels_per_sample == 1
    groups, periods = judgement.get("groups"), judgement.get("periods")
    drift = drift_words(periods["drift"], questions) if periods and periods["drift"] is not None else ""
    return {
        "name": _name(document),
        "facts": f"{document['n']} samples, {kind}{digest}",
        "verdicts": verdicts,
        "warnings": list(dict.fromkeys([*document["warnings"], *(after or {}).get("warnings", ())])),
        "notes": document.get("notes", ()),
        "advice": _advice(document),
        "figures": _figures(document, after, f"figures{number}"),
        "pictures": [
            ("Reliability", _images(drawn, ("reliability", "corp"))),
            ("Classes", _images(drawn, ("corp:all",)) if classes else []),
            ("Confidence and errors", _images(drawn, ("confidence", "risk-coverage"))),
        ],
        "fitted": fitted,
        "groups": _parts(groups, "group", document["units"], f"groups{number}") if groups else None,
        "group_images": _images(drawn[-1:], ("groups",)) if groups else [],
        "periods": _parts(periods["periods"], "period", document["units"], f"periods{number}") if periods else None,
        "period_column": periods["column"] if periods else "",
        "period_images": _images(drawn[-1:], ("periods",)) if periods else [],
        "drift": drift[:1].upper() + drift[1:],
        "ood": _ood(document["ood"], f"ood{number}") if document.get("ood") else None,
    }


def _verdict(judgement: Record, before: str) -> tuple[str, str, str]:
    """The word, the heading and the sentence of a verdict."""
    answer = judgement["calibrated"]
    words = f"{before}{ANSWERS[answer].lower()}" if before else ANSWERS[answer]
    sentence = judgement["verdict"]
    return answer, words, sentence[:1].upper() + sentence[1:]


def _advice(document: Record) -> tuple[str | None, str] | None:
    """The recipe that helps, or None, and what it gains; None without advice."""
    advice = document.get("advice")
    if advice is None or advice["nll_gain"] is None:
        return None
    return advice["recipe"], f"{advice['nll_gain']:.4f} {interval(advice['interval'], 'nats')} nats a sample"


def _figures(document: Record, after: Record | None, identity: str) -> Table:
    level = f"{100 * document['bootstrap']['level']:g} % interval"
    judgements = [("value" if after is None else "before", document)] + ([] if after is None else [("after", after)])
    heads = [Head("metric", left=True)]
    for name, _ in judgements:
        heads += [Head(name), Head(level), Head("floor")]
    lines = []
    for metric, about in document["units"].items():
        unit = about["unit"]
        cells = [header(metric, unit)]
        for _, judgement in judgements:
            value, floor = judgement["metrics"].get(metric), judgement["noise_floor"].get(metric)
            cells += [NOTHING if value is None else figure(value, unit)]
            cells += [interval(judgement["intervals"].get(metric), unit) or NOTHING]
            cells += [figure(floor["mean"], unit) if floor else ""]
        lines.append(Line([Cell(text) for text in cells]))
    notes = ["floor: the mean of a perfectly calibrated model with the same confidences"]
    return Table(identity, "Figures", heads, lines, notes, sortable=False)


def _parts(groups: Mapping[str, Record], title: str, units: Record, identity: str) -> Table:
    """The table of groups or periods."""
    names = [name for name in ("accuracy", "exact_match", "ece_debiased15", "brier") if name in units]
    heads = [Head(title, left=True), Head("verdict", left=True), Head("n"), Head("mean confidence %")]
    heads += [Head(header(name, units[name]["unit"])) for name in names]
    heads += [Head("ECCE / sigma"), Head("gap at least %"), Head("found from %")]
    lines = []
    for name, group in groups.items():
        cells = [name, ANSWERS[group["calibrated"]].lower(), f"{group['n']}", _percent(group["mean_confidence"])]
        cells += [
            figure_with_interval(group["metrics"].get(m), group["intervals"].get(m), units[m]["unit"]) for m in names
        ]
        ratio = group["ecce_sigma"]
        cells += [NOTHING if ratio is None else f"{ratio:.2f}"]
        cells += [_percent(group["at_least"]), _percent(group["detectable"])]
        lines.append(Line([Cell(text) for text in cells], mark=group["calibrated"] == "miscalibrated"))
    notes = [
        "gap at least: a lower bound of |predicted − observed| that is 95 % sure for all together; "
        "found from: the gap of the top label that the test finds 4 times in 5"
    ]
    return Table(identity, f"{title}s".capitalize(), heads, lines, notes, sortable=False)


def _percent(value: float | None) -> str:
    return NOTHING if value is None else figure(value, "fraction")


def _ood(rows: Sequence[Record], identity: str) -> Table:
    names = list(rows[0]["metrics"])
    heads = [Head("set", left=True), Head("score", left=True), Head("n"), *(Head(f"{name} %") for name in names)]
    lines = []
    for row in rows:
        cells = [row["set"], row["score"], f"{row['n_out']}"]
        cells += [figure_with_interval(row["metrics"][m], row["intervals"][m], "fraction") for m in names]
        lines.append(Line([Cell(text) for text in cells]))
    return Table(identity, "Rows of other files", heads, lines, sortable=False)


def _images(drawn: Sequence[Drawn], kinds: Sequence[str]) -> list[tuple[str, str, str]]:
    """For each kind and judgement: a text for readers that see no pictures, the picture in base64, and its caption."""
    images = []
    for part in drawn:
        for kind in kinds:
            caption = CAPTIONS["all" if kind.endswith(":all") else kind.partition(":")[0]]
            data = base64.b64encode(as_svg(pictures([part], [kind]))).decode()
            images.append((f"{part.title}: {caption}" if part.title else caption, data, caption))
    return images
