"""docs/reference/methods.md and the pages in methods/ from the SPEC of each method: `python tests/docs/method_pages.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from markdown_text import bullet, ended, equation_block, marked_up, paragraph, table, without_links
from method_intros import FIGURES, INDEX, PAGES, SETTINGS

from calibench.cli.show import allowed_text, default_text
from calibench.plugins.params import TRAINING_PARAMS, Param
from calibench.plugins.specs import STAGE_ORDER, MethodSpec, StageKind
from calibench_methods.plugin import calibench_methods

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"

OWN_DEFINITION = "own definition"
"""The `paper` of a method that follows none."""

WRITTEN = """\
Written by `python tests/docs/method_pages.py`, from the `SPEC` above each method in
`plugins/calibench_methods/{folder}/`: change a text there.
"""


def methods_of(kind: StageKind) -> list[MethodSpec]:
    """calibench's own methods of a kind, the default first, then by name."""
    return [spec for spec in calibench_methods() if spec.kind == kind]


def parameters(params: Sequence[Param]) -> str:
    """A table of parameters with type, default, unit, allowed values and meaning."""
    rows = [
        (f"`{p.key}`", p.type, default_text(p), p.unit or "-", allowed_text(p), marked_up(p.meaning)) for p in params
    ]
    return table(("parameter", "type", "default", "unit", "allowed", "meaning"), rows)


def section(spec: MethodSpec) -> str:
    """Everything that the spec of one method declares."""
    facts = [("Use when", spec.use_when), ("Not when", spec.avoid_when), ("Cost", spec.cost), ("Paper", spec.paper)]
    lines = [bullet(f"**{label}:** {ended(marked_up(text))}") for label, text in facts]
    if spec.paper != OWN_DEFINITION or spec.deviations:
        lines.append("- **Deviations:**" if spec.deviations else "- **Deviations:** none known.")
    lines += [bullet(ended(marked_up(text)), "  ") for text in spec.deviations]
    own = parameters(spec.params) if spec.params else no_parameters(spec)
    return "\n\n".join(
        [f"## `{spec.name}`", paragraph(marked_up(spec.summary)), equation_block(spec.equation), "\n".join(lines), own]
    )


def no_parameters(spec: MethodSpec) -> str:
    """A sentence in place of a table."""
    return "It has the settings of the training loop alone." if spec.shared_params() else "It has no parameters."


def overview(specs: Iterable[MethodSpec]) -> str:
    """The table at the top of a page."""
    rows = [(f"[`{s.name}`](#{s.name})", marked_up(s.summary), ended(marked_up(s.use_when))) for s in specs]
    return table(("name", "method", "use when"), rows)


def figures(kind: StageKind) -> Iterator[str]:
    """The figures of a kind, each above its caption."""
    for name, alternative, caption in FIGURES[kind]:
        yield f"![{alternative}](figures/{name}.svg)"
        yield caption.strip()


def kind_page(kind: StageKind) -> str:
    """The page of one kind: introduction, table, figures, and a section a method."""
    page, specs = PAGES[kind], methods_of(kind)
    parts = [f"# {page.title}", page.intro.strip(), WRITTEN.format(folder=page.folder).strip(), overview(specs)]
    return "\n\n".join([*parts, *figures(kind), *map(section, specs)]) + "\n"


def index() -> str:
    """methods.md: recipes, the settings of the training loop, and every method with a link."""
    stages = table(
        ("stage", "at most", "what it does", "methods"),
        [
            (f"[{p.title.lower()}](methods/{p.folder}.md)", p.most, p.does, str(len(methods_of(k))))
            for k, p in PAGES.items()
        ],
    )
    parts = [INDEX.strip().format(stages=stages), SETTINGS.strip(), parameters(TRAINING_PARAMS)]
    for kind in STAGE_ORDER:
        page = PAGES[kind]
        rows = [
            (f"[`{s.name}`](methods/{page.folder}.md#{s.name})", without_links(marked_up(s.summary)))
            for s in methods_of(kind)
        ]
        parts += [f"## {page.title}", table(("name", "method"), rows)]
    return "\n\n".join(parts) + "\n"


def pages() -> dict[Path, str]:
    """The text of every page by its file."""
    by_kind = {REFERENCE / "methods" / f"{PAGES[kind].folder}.md": kind_page(kind) for kind in STAGE_ORDER}
    return {REFERENCE / "methods.md": index(), **by_kind}


if __name__ == "__main__":
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")
