"""Help with the options under headings: what a command asks first, then how it reads FILE, then its output."""

from __future__ import annotations

import click

from calibench.cli.command import Command

SECTIONS = {
    "Limits": "max min baseline no-worse margin confidence",
    "Targets": "target-risk target-coverage target-precision target-recall cost guarantee delta score judge-on",
    "Questions": "metrics weights by by-time periods ood ood-score level resamples",
    "Fit": "method fit fit-on cross-fit fit-soft fit-labels map seed",
    "Reading FILE": (
        "logits probs labels classes positive ignore combine class-axis truth on format soft stream max-memory results data-dir"
    ),
    "Output": "output onnx snippet plot plot-kind report annotate junit plugin json quiet help",
}
"""The options of each section, by their long names; options of no section stand first."""


class SectionedCommand(Command):
    """A command whose help has `SECTIONS`; options of no section stand first."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a list for each section that has any."""
        records = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if isinstance(option, click.Option) and record is not None:
                records[max(option.opts, key=len).removeprefix("--")] = record
        placed = " ".join(SECTIONS.values()).split()
        sections = {"Options": " ".join(name for name in records if name not in placed), **SECTIONS}
        for heading, names in sections.items():
            rows = [records[name] for name in names.split() if name in records]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)
