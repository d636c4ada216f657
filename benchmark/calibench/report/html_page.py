"""One self-contained page about an evaluation: verdict, figures, groups, periods and pictures; no network and no script."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calibench.atomic import replacing, writable_folder
from calibench.errors import InputError
from calibench.report.drift_words import drift_words
from calibench.report.format import NOTHING, figure, figure_with_interval, header, interval
from calibench.report.pictures import Drawn, pictures
from calibench.report.plot_style import as_svg
from calibench.version import __version__

Record = Mapping[str, Any]

ENDINGS = (".html", ".htm")

STYLE = """
html { color-scheme: light; }
:root { --ink: #1b2a41; --quiet: #5b6576; --line: #d5dae2; --bad: #b34700; --good: #00664b; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--ink); background: #fff;
  max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; max-width: 48rem; } .quiet { color: var(--quiet); }
.verdict { border-left: 6px solid var(--quiet); padding: .5rem 1rem; margin: 1rem 0; background: #f5f7fa; }
.verdict.miscalibrated { border-color: var(--bad); } .verdict.no_sign { border-color: var(--good); }
.verdict strong { display: block; font-size: 1.1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; }
th, td { padding: .28rem .6rem; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { color: var(--quiet); font-weight: 600; border-bottom: 2px solid var(--line); vertical-align: bottom; }
tbody th { font-weight: inherit; }
th:first-child { text-align: left; min-width: 6.5rem; overflow-wrap: anywhere; }
td.word { text-align: left; } tr.miscalibrated > * { background: #fdf1e8; font-weight: 600; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; }
figure { margin: .5rem 0; flex: 0 1 26rem; } img { width: 100%; height: auto; }
figcaption { color: var(--quiet); font-size: .85rem; }
@media print { body { max-width: none; font-size: 11px; } h2 { break-after: avoid; } figure, tr { break-inside: avoid; } }
"""

ANSWERS = {
    "no_sign": "No sign of miscalibration",
    "miscalibrated": "Miscalibrated",
    "too_few": "Too few samples to tell",
    "not_tested": "Not tested",
}

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
    title = ", ".join(_name(document) for document in documents)
    parts = [part for pair in zip(documents, drawn, strict=True) for part in _evaluation(*pair)]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{_text(title)}: calibration</title><style>{STYLE}</style></head>\n<body>\n{body}\n'
        f'<p class="quiet">calibench {__version__}</p>\n</body></html>\n'
    )


def _text(value: Any) -> str:
    return html.escape(str(value))


def _name(document: Record) -> str:
    return Path(document["file"]).name if document.get("file") else "Evaluation"


def _evaluation(document: Record, drawn: Sequence[Drawn]) -> Iterator[str]:
    """The parts of the page about one evaluation."""
    after: Record | None = document.get("after")
    questions = document["questions"]
    kind = f"{document['classes']} classes" if questions == 1 else f"{questions} labels each"
    yield f"<h1>{_text(_name(document))}</h1>"
    yield f'<p class="quiet">{document["n"]} samples, {kind}{_digest(document)}</p>'
    yield from _verdict(document, "" if after is None else "Before: ")
    if after is not None:
        yield from _verdict(after, f"After {document['fit']['recipe']}: ")
    warnings = [*document["warnings"], *(after or {}).get("warnings", ())]
    for warning in dict.fromkeys(warnings):
        yield f"<p>Warning: {_text(warning)}</p>"
    for note in document.get("notes", ()):
        yield f"<p>Note: {_text(note)}</p>"
    yield from _advice(document)
    yield "<h2>Figures</h2>"
    yield _figures(document, after)
    yield from _pictures(drawn, ("reliability", "corp"), "Reliability")
    if drawn and drawn[0].judged.labels_per_sample == 1:
        yield from _pictures(drawn, ("corp:all",), "Classes")
    yield from _pictures(drawn, ("confidence", "risk-coverage"), "Confidence and errors")
    judgement = document if after is None else after
    fitted = "" if after is None else f", after {document['fit']['recipe']}"
    if judgement.get("groups"):
        yield f"<h2>Groups, worst first{_text(fitted)}</h2>"
        yield _parts(judgement["groups"], "group", document["units"])
        yield from _pictures(drawn[-1:], ("groups",), "")
    if judgement.get("periods"):
        yield from _periods(judgement["periods"], document["units"], fitted, questions)
        yield from _pictures(drawn[-1:], ("periods",), "")
    if document.get("ood"):
        yield "<h2>Rows of other files (OOD)</h2>"
        yield _ood(document["ood"])


def _digest(document: Record) -> str:
    return f", SHA-256 {document['sha256'][:12]}…" if document.get("sha256") else ""


def _verdict(judgement: Record, before: str) -> Iterator[str]:
    answer = judgement["calibrated"]
    words = f"{before}{ANSWERS[answer].lower()}" if before else ANSWERS[answer]
    sentence = judgement["verdict"]
    yield f'<div class="verdict {answer}"><strong>{_text(words)}</strong>{_text(sentence[:1].upper() + sentence[1:])}.</div>'


def _advice(document: Record) -> Iterator[str]:
    advice = document.get("advice")
    if advice is None or advice["nll_gain"] is None:
        return
    gain = f"{advice['nll_gain']:.4f} {interval(advice['interval'], 'nats')} nats a sample"
    if advice["recipe"] is None:
        yield f"<p>Advice: no map helps; the best one lowers NLL by {gain}.</p>"
    else:
        yield f"<p>Advice: <b>{_text(advice['recipe'])}</b> lowers NLL by {gain}.</p>"


def _table(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A table; each row is its class and its cells, a cell of letters is flush left."""
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in heads)
    lines = [
        f'<tr class="{_text(kind)}"><th scope="row">{_text(cells[0])}</th>'
        + "".join(f"<td{_align(cell)}>{_unbroken(cell)}</td>" for cell in cells[1:])
        + "</tr>"
        for kind, cells in rows
    ]
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _unbroken(cell: str) -> str:
    """A cell that breaks before its interval alone."""
    return re.sub(r"(?<=,) ", "\u00a0", _text(cell))


def _align(cell: str) -> str:
    return ' class="word"' if cell[:1].isalpha() else ""


def _figures(document: Record, after: Record | None) -> str:
    level = f"{100 * document['bootstrap']['level']:g} % interval"
    judgements = [("value" if after is None else "before", document)] + ([] if after is None else [("after", after)])
    heads = ["metric"]
    for name, _ in judgements:
        heads += [name, level, "floor"]
    rows = []
    for metric, about in document["units"].items():
        unit = about["unit"]
        cells = [header(metric, unit)]
        for _, judgement in judgements:
            value, floor = judgement["metrics"].get(metric), judgement["noise_floor"].get(metric)
            cells += [NOTHING if value is None else figure(value, unit)]
            cells += [interval(judgement["intervals"].get(metric), unit) or NOTHING]
            cells += [figure(floor["mean"], unit) if floor else ""]
        rows.append(("", cells))
    note = '<p class="quiet">floor: the mean of a perfectly calibrated model with the same confidences</p>'
    return _table(heads, rows) + note


def _parts(groups: Mapping[str, Record], title: str, units: Record) -> str:
    """The table of groups or periods."""
    names = [name for name in ("accuracy", "exact_match", "ece_debiased15", "brier") if name in units]
    heads = [title, "verdict", "n", "mean confidence %", *(header(name, units[name]["unit"]) for name in names)]
    heads += ["ECCE / sigma", "gap at least %", "found from %"]
    rows = []
    for name, group in groups.items():
        cells = [name, ANSWERS[group["calibrated"]].lower(), f"{group['n']}", _percent(group["mean_confidence"])]
        cells += [
            figure_with_interval(group["metrics"].get(m), group["intervals"].get(m), units[m]["unit"]) for m in names
        ]
        ratio = group["ecce_sigma"]
        cells += [
            NOTHING if ratio is None else f"{ratio:.2f}",
            _percent(group["at_least"]),
            _percent(group["detectable"]),
        ]
        rows.append((group["calibrated"], cells))
    note = (
        '<p class="quiet">gap at least: a lower bound of |predicted − observed| that is 95 % sure for all together; '
        "found from: the gap of the top label that the test finds 4 times in 5</p>"
    )
    return _table(heads, rows) + note


def _percent(value: float | None) -> str:
    return NOTHING if value is None else figure(value, "fraction")


def _periods(periods: Record, units: Record, fitted: str, questions: int) -> Iterator[str]:
    yield f"<h2>Periods of {_text(periods['column'])}{_text(fitted)}</h2>"
    if periods["drift"] is not None:
        words = drift_words(periods["drift"], questions)
        yield f"<p>{_text(words[:1].upper() + words[1:])}.</p>"
    yield _parts(periods["periods"], "period", units)


def _ood(rows: Sequence[Record]) -> str:
    names = list(rows[0]["metrics"])
    heads = ["set", "score", "n", *(f"{name} %" for name in names)]
    cells = [
        (
            "",
            [
                row["set"],
                row["score"],
                f"{row['n_out']}",
                *(figure_with_interval(row["metrics"][m], row["intervals"][m], "fraction") for m in names),
            ],
        )
        for row in rows
    ]
    return _table(heads, cells)


def _pictures(drawn: Sequence[Drawn], kinds: Sequence[str], title: str) -> Iterator[str]:
    """A figure of each kind of each judgement, with its caption as text for readers that see no pictures."""
    if not drawn:
        return
    if title:
        yield f"<h2>{_text(title)}</h2>"
    images = []
    for part in drawn:
        for kind in kinds:
            caption = CAPTIONS["all" if kind.endswith(":all") else kind.partition(":")[0]]
            data = base64.b64encode(as_svg(pictures([part], [kind]))).decode()
            alt = _text(f"{part.title}: {caption}" if part.title else caption)
            images.append(
                f'<figure><img alt="{alt}" src="data:image/svg+xml;base64,{data}">'
                f"<figcaption>{_text(caption)}</figcaption></figure>"
            )
    yield f'<div class="figures">{"".join(images)}</div>'
