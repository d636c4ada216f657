"""`openml`: a table of openml.org by its number, through scikit-learn's fetch_openml and its cache."""

from __future__ import annotations

import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param, RunError
from calibench.data.folder import VARIABLE, DataFolder, data_folder
from calibench_datasets.sources.table import CATEGORICAL, TABLE, Column, arrays_of, named_categorical

SPEC = DatasetSpec(
    name="openml",
    target=f"{__name__}:openml",
    summary="A table of openml.org by its number, as id=61 for iris; extra openml.",
    params=(
        Param("id", "int", REQUIRED, "the number in its address, openml.org/d/ID", minimum=1),
        Param("label", "str", None, "the column to predict; not set: the one that OpenML names; several: a;b;c"),
        *TABLE[1:],
        CATEGORICAL,
    ),
    licence="each its own; the record's notes say which",
    source="https://www.openml.org, through scikit-learn's fetch_openml and its cache in the data folder",
    paper="J. Vanschoren et al., OpenML: networked science in machine learning, SIGKDD Explorations 2014",
)


def openml(
    id: int,  # noqa: A002 - OpenML's word
    label: str | None,
    drop: str | None,
    missing: str,
    categorical: str | None = None,
) -> Arrays:
    """The rows of data set `id`, as `table.arrays_of` takes them: nominal columns are words, whatever they look like.

    So are those that `categorical` names, joined by `;`, which OpenML may hold as numbers.
    `label` not set is the column that OpenML names as target. Read from scikit-learn's own cache, the folder `openml`
    under the data folder; the data file's MD5 is checked against OpenML's description at every read. What is not there is
    fetched only with --download. InputError where it is missing or cannot be used, RunError for a fetch that fails.
    """
    where = f"dataset openml:id={id}"
    folder = data_folder()
    held = _fetched(id, label, folder, where)
    frame, about = held.frame, held.details
    targets = ";".join(held.target_names) if label is None else label
    if not targets:
        message = f"{where} ({about['name']}) names no target"
        raise InputError(message, f"say which column: label=NAME, of {', '.join(map(str, frame.columns))}")
    columns = {str(name): _cells(frame[name]) for name in frame.columns}
    nominal = {str(name) for name in frame.columns if str(frame[name].dtype) == "category"}
    nominal.update(named_categorical(columns, where, targets, drop, categorical))
    found = arrays_of(columns, where, targets, drop, missing, nominal)
    note = (
        f"OpenML data set {id}: {about['name']}, version {about['version']}, licence {about.get('licence', 'not stated')}, "
        f"MD5 {about['md5_checksum']}; its official folds are not used"
    )
    odd = () if about["status"] == "active" else (f"OpenML marks this version as {about['status']}",)
    return Arrays(x=found.x, y=found.y, notes=(*found.notes, note, *odd))


def _cells(column: Any) -> Column:
    """A pandas column as text that reads back to the same values; a missing one is empty."""
    gone = column.isna().to_numpy()
    return [
        "" if g else repr(v) if isinstance(v, float) else str(v) for v, g in zip(column.tolist(), gone, strict=True)
    ]


def _fetched(number: int, label: str | None, folder: DataFolder, where: str) -> Any:
    """scikit-learn's Bunch; what a failure leaves behind is removed."""
    try:
        import pandas  # noqa: F401 - scikit-learn's parser and its tables of words
    except ImportError:
        raise InputError("dataset openml needs pandas", 'pip install "calibench[openml]"') from None
    from sklearn.datasets import fetch_openml

    home = folder.path
    if not folder.download and not (home / "openml").is_dir():
        raise _missing(number, folder, where)
    before = _contents(home)
    try:
        with warnings.catch_warnings(), _network(folder.download):
            warnings.simplefilter("ignore")  # of retries, and of caches that it mends
            target = "default-target" if label is None else None
            # Its parser in pandas fails on classes called 0 and 1 with pandas 3, and takes words for numbers before.
            how: dict[str, Any] = {"as_frame": True, "parser": "liac-arff", "n_retries": 1}
            return fetch_openml(data_id=number, data_home=home, target_column=target, **how)
    except _OfflineError as error:
        _restore(home, before)
        path = home / "openml" / "openml.org" / f"{urlparse(error.url).path.lstrip('/')}.gz"
        if path in before:
            cause: BaseException = error
            while cause.__context__ is not None:
                cause = cause.__context__
            message = f"{where}: {str(path)!r} could not be read, and scikit-learn removed it: {cause}"
            raise InputError(message, "--download fetches it again") from None
        raise _missing(number, folder, where, path) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        _restore(home, before)
        reason = getattr(error, "reason", None) or error
        raise RunError(
            f"{where}: cannot download it from openml.org: {reason}", "nothing was kept; try later"
        ) from None
    except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
        _restore(home, before)
        what = "sparse, and sparse tables are not read" if "Sparse ARFF" in str(error) else str(error)
        raise InputError(f"{where}: {what}", "nothing new was kept; another data set, or csv:path=FILE") from None


def _missing(number: int, folder: DataFolder, where: str, path: Path | None = None) -> InputError:
    held = str(path) if path is not None else str(folder.path / "openml")
    message = f"{where} is not in the data folder: there is no {held!r}"
    ways = f"--download fetches it from https://www.openml.org/d/{number}, into scikit-learn's cache in the data folder"
    return InputError(message, f"{ways}; --data-dir or {VARIABLE} names another folder, as ~/scikit_learn_data")


class _OfflineError(Exception):
    """Something was not in the cache, and nobody asked for a download."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class _Refuse(urllib.request.BaseHandler):
    """Answers every request with an error."""

    def default_open(self, request: urllib.request.Request) -> None:
        """Called by urllib for any address."""
        raise _OfflineError(request.full_url)


@contextmanager
def _network(allowed: bool) -> Iterator[None]:
    """Inside the block urllib, by which scikit-learn fetches, opens nothing unless it is `allowed` to."""
    if allowed:
        yield
        return
    usual = getattr(urllib.request, "_opener", None)
    opener = urllib.request.OpenerDirector()
    opener.add_handler(_Refuse())
    urllib.request.install_opener(opener)
    try:
        yield
    finally:
        urllib.request.install_opener(usual)  # None is urllib's own default


def _contents(home: Path) -> dict[Path, int]:
    """What is in the cache, and the parents of the data folder that are there: by path when it was last changed."""
    held = [*home.parents, home, *(home / "openml").rglob("*"), home / "openml"]
    return {path: path.stat().st_mtime_ns if path.is_file() else 0 for path in held if path.exists()}


def _restore(home: Path, before: dict[Path, int]) -> None:
    """Remove files and empty folders that were not there before, or are others than before."""
    now = _contents(home)
    for path in sorted(now, key=lambda p: -len(p.parts)):
        with suppress(OSError):
            if path.is_file() and before.get(path) != now[path]:
                path.unlink()
            elif path.is_dir() and path not in before:
                path.rmdir()
