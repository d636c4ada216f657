"""Writes a site: every page whole or not at all, and no page of an earlier site is left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from calibench.atomic import replacing, writable_folder, writable_folders
from calibench.errors import InputError
from calibench.files.regular_file import read_regular
from calibench.progress import Report, quiet
from calibench.records import schemas
from calibench.report.across_table import across_document
from calibench.report.board_csv import boards_csv
from calibench.report.board_json import boards_document
from calibench.report.site.addresses import address
from calibench.report.site.folder import SiteFolder, board_address
from calibench.report.site.pages import board_page, dataset_page, index_page, recipe_page
from calibench.version import __version__

MANIFEST = "site.json"
"""The list of the files of a site, beside its index."""


def write_folders(folders: Sequence[SiteFolder], out: Path, report: Report = quiet) -> list[Path]:
    """Write the site of `folders` into `out`, and remove the pages of the site that was there before. Returns the files.

    InputError if `out` holds anything else.
    """
    before = _files_before(out)
    writable_folder(out)
    count = sum(3 + len(folder.boards) + len(folder.recipes) for folder in folders) + 1
    written: list[str] = []
    for name, text in _files(folders):
        path = out / name
        if not path.parent.is_dir():
            writable_folders([path.parent])
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        written.append(name)
        report("pages", len(written), count, name)
    manifest = {"schema": schemas.SITE, "calibench": __version__, "files": sorted(written)}
    with replacing(out / MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    for name in before - set(written):
        (out / name).unlink(missing_ok=True)
    return [out / name for name in written]


def _files(folders: Sequence[SiteFolder]) -> Iterator[tuple[str, str]]:
    """The path of each file in the site, and its text."""
    for folder in folders:
        place = folder.address
        for recipe in folder.recipes:
            yield f"{place}/recipes/{address(recipe)}.html", recipe_page(folder, recipe)
        for board in folder.boards:
            yield f"{place}/data/{board_address(board)}.html", dataset_page(folder, board)
        yield f"{place}/board.csv", boards_csv(folder.boards)
        yield f"{place}/board.json", json.dumps(board_document(folder), indent=1, allow_nan=False) + "\n"
        yield f"{place}/index.html", board_page(folder)
    yield "index.html", index_page(folders)


def board_document(folder: SiteFolder) -> dict[str, Any]:
    """The boards of a folder as `calibench leaderboard --json` has them, and the table over all of them as `across`."""
    across = None if folder.across is None else across_document(folder.across)
    return {**boards_document(folder.boards), "across": across}


def _files_before(out: Path) -> set[str]:
    """The files of the site that is in `out`; none if it is empty. InputError if it holds anything else."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{str(out)!r} is a file", "name a folder for the site")
    if not out.is_dir() or not any(out.iterdir()):
        return set()
    try:
        manifest = json.loads(read_regular(out / MANIFEST).decode("utf-8"))
        files = manifest["files"] if manifest["schema"] == schemas.SITE else None
    except (OSError, ValueError, KeyError, TypeError):
        files = None
    if not isinstance(files, list):
        raise InputError(f"{str(out)!r} holds files that are no site of calibench", "name a new folder")
    return {name for name in files if isinstance(name, str) and _is_inside(out, name)}


def _is_inside(out: Path, name: str) -> bool:
    return (out / name).resolve().is_relative_to(out.resolve())
