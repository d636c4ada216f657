"""Pages of what plugins bring beside methods and metrics: a page a family, from the specs that `calibench show` prints."""

from __future__ import annotations

from markdown_text import ended, marked_up, table
from method_pages import parameters
from source import MadePage

from calibench.cli.list import FAMILIES
from calibench.cli.show import facts
from calibench.plugins.discovery import registry
from calibench.plugins.specs import PresetSpec, Spec

OF_THEIR_OWN = ("method", "metric")
"""Families whose pages stand in docs/reference, with figures and introductions."""

TITLES = {
    "dataset": ("Every dataset", "`-d NAME:key=value`. [Datasets](../datasets.md) says more of files and licences."),
    "model": ("Every network", "`--model NAME:key=value`."),
    "noise": (
        "Every label noise",
        "`--noise NAME:key=value`. [Training on wrong labels](../../guides/label-noise.md).",
    ),
    "shift": ("Every shift", "`--shift NAME:key=value`. [Distribution shift](../../guides/shift.md)."),
    "ood-score": ("Every OOD score", "`--ood-score NAME`. [Distribution shift](../../guides/shift.md)."),
    "reader": ("Every format of outputs", "`--format NAME:key=value`. [Inputs](../inputs.md)."),
    "preset": ("Every preset", "`calibench run --preset NAME`. [Presets](../../guides/presets.md)."),
    "suite": ("Every suite", "`calibench sweep NAME`. [Suites](../../guides/suites.md)."),
    "launcher": ("Every launcher", "`calibench sweep --launcher NAME`. [Clusters](../../guides/cluster.md)."),
}

TOP = """\
# Every name

A page for each family of names. Made from the specs of the plugins that come with calibench:
`calibench list FAMILY` and `calibench show FAMILY NAME` print the same, also of your plugins.
[Methods](methods.md) and [metrics](metrics.md) have pages of their own.

"""


def names_page() -> MadePage:
    """The page that lists the families, and below it a page each."""
    families = [family for family in FAMILIES.values() if family not in OF_THEIR_OWN]
    rows = [(f"[{title(family)}](names/{family}.md)", str(len(registry().all(family)))) for family in families]
    below = tuple(MadePage(f"reference/names/{family}.md", family_page(family)) for family in families)
    return MadePage("reference/names.md", TOP + table(("family", "names"), rows) + "\n", below)


def title(family: str) -> str:
    """The heading of a family's page; one that nobody has written a heading for has its name."""
    return TITLES.get(family, (f"Every {family}", ""))[0]


def family_page(family: str) -> str:
    """The parameters that all names share, and a section for each name."""
    specs = [entry.spec for entry in registry().all(family)]
    shared = next((spec.shared_params() for spec in specs if spec.shared_params()), ())
    parts = [f"# {title(family)}", TITLES.get(family, ("", ""))[1]]
    parts += [f"## Parameters of all of them\n\n{parameters(shared)}"] if shared else []
    return "\n\n".join([*filter(None, parts), *map(section, specs)]) + "\n"


def section(spec: Spec) -> str:
    """Summary, facts and own parameters of one name; of a preset or a suite its file."""
    parts = [f"## `{spec.name}`", ended(marked_up(spec.summary))]
    lines = [f"- **{label}:** {marked_up(text)}" for label, text in facts(spec)]
    parts += ["\n".join(lines)] if lines else []
    if isinstance(spec, PresetSpec):
        parts.append(f"```toml\n{spec.load().strip()}\n```")
    elif spec.params:
        parts.append(parameters(spec.params))
    return "\n\n".join(parts)
