"""The pages of a site: index, board, data set and recipe; and the page of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from calibench.errors import CalibenchError
from calibench.leaderboard.across import task_of
from calibench.leaderboard.rows import unranked_row
from calibench.leaderboard.units import units_of
from calibench.metrics.judged import Judged
from calibench.plugins.discovery import registry
from calibench.records.record import ResultRecord
from calibench.report.board_text import has_ranks
from calibench.report.board_text import title as title_of
from calibench.report.format import header
from calibench.report.site import protocol
from calibench.report.site.across_view import across_table
from calibench.report.site.board_view import board_table
from calibench.report.site.folder import SiteFolder, board_address, kinds_shown
from calibench.report.site.page import render
from calibench.report.site.pareto_view import pareto_picture
from calibench.report.site.reproduce import sweep_command
from calibench.report.site.samples_view import reliability_view
from calibench.report.site.section import fitted_lines, section_of
from calibench.report.site.table import Recipes

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board

KINDS = {
    "objective": "training objective",
    "refit": "head refit (two-stage)",
    "sampler": "sampler",
    "ensemble": "ensemble",
    "calibrator": "calibrator (post-hoc)",
    "decision": "decision rule",
}
"""The kinds of stages in words, for the filter of a board."""


def index_page(folders: Sequence[SiteFolder]) -> str:
    """The boards of a site, one a results folder."""
    return render("index.html", title="Calibration leaderboards", folders=folders, date_of=protocol.date_of, trail=[])


def board_page(folder: SiteFolder) -> str:
    """All recipes over all data sets, then the board of each data set."""
    recipes = folder.recipes_from("")
    summary = folder.across
    pareto = None
    if summary is not None:
        rates = {row.method: row.win_rate for row in summary.win_rates.rows}
        pareto = pareto_picture(rates, folder.mean_seconds, "higher", "win rate %", recipes)
    boards = [
        {
            "table": board_table(board, recipes, folder.seconds(board), f"board{number}"),
            "title": title_of(board),
            "name": task_of(board),
            "href": f"data/{board_address(board)}.html",
            "board": board,
        }
        for number, board in enumerate(folder.boards, 1)
    ]
    return render(
        "board.html",
        title=folder.title,
        trail=[("Boards", "../index.html")],
        folder=folder,
        across=None if summary is None else across_table(summary, folder.boards, recipes, folder.mean_seconds),
        pareto=pareto,
        boards=boards,
        facts=[
            *protocol.suite_facts(folder.records),
            *protocol.facts_of_intervals(folder.records),
            *protocol.facts_of_machine(folder.records),
        ],
        citation=protocol.citation(folder.title, "Calibration leaderboard", folder.records),
        sweeps=_sweeps(folder),
        date=protocol.date_of(folder.records),
        digest=protocol.digest_of_records(folder.records),
        ranked=any(has_ranks(board) for board in folder.boards),
        **_filter(recipes),
    )


def dataset_page(folder: SiteFolder, board: Board) -> str:
    """The board of one data set, its protocol, quality against cost, and a small reliability diagram of every recipe."""
    recipes = folder.recipes_from("../")
    seconds = folder.seconds(board)
    quality = {row.recipe: row.cells[board.metric].mean for row in board.rows if board.metric in row.cells}
    unit = board.units[board.metric]
    wall = []
    for row in board.rows:
        runs, _ = folder.judged(board, row.recipe)
        if runs:
            href = f"{recipes.href[row.recipe]}#{board_address(board)}"
            wall.append((row.recipe, href, reliability_view(runs), recipes.kinds.get(row.recipe, "")))
    pareto = pareto_picture(quality, seconds, str(unit["better"]), header(board.metric, str(unit["unit"])), recipes)
    return render(
        "dataset.html",
        title=task_of(board),
        trail=[("Boards", "../../index.html"), (folder.title, "../index.html")],
        folder=folder,
        board=board,
        heading=title_of(board),
        table=board_table(board, recipes, seconds, "board"),
        pareto=pareto,
        wall=wall,
        ranked=has_ranks(board),
        facts=protocol.facts_of_board(board, folder.records_of(board)),
        citation=protocol.citation(
            f"{folder.title}: {task_of(board)}", "Calibration leaderboard", folder.records_of(board)
        ),
        **_filter(recipes),
    )


def recipe_page(folder: SiteFolder, recipe: str) -> str:
    """A recipe: its stages, and a section for each data set that it has a record of."""
    sections = []
    for board in folder.boards:
        for row in board.rows:
            if row.recipe == recipe and row.seeds:
                place = (board_address(board), task_of(board), f"../data/{board_address(board)}.html")
                records = folder.records_of(board, recipe)
                sections.append((section_of(place, row, board.units, records, folder.judged(board, recipe)), row))
    records = [record for board in folder.boards for record in folder.records_of(board, recipe)]
    summary = folder.across
    return render(
        "recipe.html",
        title=recipe,
        trail=[("Boards", "../../index.html"), (folder.title, "../index.html")],
        folder=folder,
        stages=stages_of(records[0]),
        sections=sections,
        win_rate=next((row for row in summary.win_rates.rows if row.method == recipe), None) if summary else None,
        recipes=len(folder.recipes),
        missing=summary.missing.get(recipe, ()) if summary else (),
        facts=[*protocol.suite_facts(records), *protocol.facts_of_machine(records)],
    )


def run_page(record: ResultRecord, runs: tuple[list[Judged], str]) -> str:
    """One run by itself: verdict, figures, pictures, what its stages learned, protocol, and how to make it again."""
    units = units_of([record])
    row = unranked_row(record.recipe, [record], units)
    return render(
        "run.html",
        title=f"{record.recipe} on {record.dataset}",
        trail=[],
        record=record,
        section_view=section_of(("run", record.run_id, ""), row, units, [record], runs),
        stages=stages_of(record),
        fitted=fitted_lines(record),
        noise=record.noise or "none",
        facts=[
            *protocol.suite_facts([record]),
            *protocol.facts_of_data([record]),
            *protocol.facts_of_intervals([record]),
            *protocol.facts_of_machine([record]),
        ],
        citation=protocol.citation(record.run_id, "Calibration run", [record]),
    )


def stages_of(record: ResultRecord) -> list[dict[str, Any]]:
    """The stages of a recipe with what their specs say; of a method that is not installed the name alone."""
    listed = record.config.get("stages")
    stages = []
    for stage in listed if isinstance(listed, list) else ():
        name = str(stage.get("name"))
        about = {"name": name, "kind": KINDS.get(str(stage.get("kind")), str(stage.get("kind")))}
        try:
            spec = registry("method").get("method", name).spec
            about |= {key: str(getattr(spec, key, "")) for key in ("summary", "equation", "paper")}
        except CalibenchError:
            about |= {"summary": "", "equation": "", "paper": ""}
        stages.append(about)
    return stages


def _filter(recipes: Recipes) -> Mapping[str, Any]:
    """The choices of the filter."""
    kinds = kinds_shown(recipes.kinds)
    return {"kinds": [(kind, KINDS.get(kind, kind)) for kind in kinds] if len(kinds) > 1 else []}


def _sweeps(folder: SiteFolder) -> list[str]:
    """The sweeps that make the runs again, one a suite."""
    commands = {sweep_command(record).partition(" --only")[0] for record in folder.records}
    return sorted(command for command in commands if command)
