"""The class of calibench's commands: an option that takes one value is refused when it is given twice."""

from __future__ import annotations

from collections import Counter

import click


class Command(click.Command):
    """A command that never lets the last of two values win in silence."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; UsageError for an option that is given twice and takes one value."""
        if not ctx.resilient_parsing:
            _, _, order = self.make_parser(ctx).parse_args(args=list(args))
            for param, times in Counter(id(param) for param in order).items():
                option = next(found for found in order if id(found) == param)
                if (
                    times > 1
                    and isinstance(option, click.Option)
                    and not (option.multiple or option.is_flag or option.count)
                ):
                    raise click.UsageError(f"{option.opts[-1]} is given {times} times and takes one value", ctx)
        return super().parse_args(ctx, args)
