"""scikit-learn's cache of openml.org: read it without a network, and restore it after a fetch that failed."""

from __future__ import annotations

import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from calibench import InputError, RunError
from calibench.data.folder import VARIABLE, DataFolder


def fetch_table(number: int, default_target: bool, folder: DataFolder, where: str) -> Any:
    """scikit-learn's Bunch of the data set with this number, from the cache, or from openml.org if `folder.download`.

    `default_target` asks for the columns that OpenML names as target. InputError if it is missing or cannot be used,
    RunError if the fetch fails. Files that a failed fetch wrote are removed.
    """
    try:
        import pandas  # noqa: F401 - scikit-learn builds its tables with it
    except ImportError:
        raise InputError("dataset openml needs pandas", 'pip install "calibench[openml]"') from None
    home = folder.path
    if not folder.download and not (home / "openml").is_dir():
        raise _missing(number, folder, home / "openml", where)
    before = _contents(home)
    try:
        with _network(folder.download):
            return _fetch(number, default_target, home)
    except _OfflineError as error:
        _restore(home, before)
        path = home / "openml" / "openml.org" / f"{urlparse(error.url).path.lstrip('/')}.gz"
        if path in before:
            message = f"{where}: {str(path)!r} could not be read, and scikit-learn removed it: {_first_cause(error)}"
            raise InputError(message, "--download fetches it again") from None
        raise _missing(number, folder, path, where) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        _restore(home, before)
        message = f"{where}: cannot download it from openml.org: {getattr(error, 'reason', None) or error}"
        raise RunError(message, "nothing was kept; try later") from None
    except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
        _restore(home, before)
        problem = "sparse, and sparse tables are not read" if "Sparse ARFF" in str(error) else str(error)
        raise InputError(f"{where}: {problem}", "nothing new was kept; another data set, or csv:path=FILE") from None


def _fetch(number: int, default_target: bool, home: Path) -> Any:
    from sklearn.datasets import fetch_openml

    target = "default-target" if default_target else None
    # scikit-learn's pandas parser fails on classes called 0 and 1 with pandas 3, and before that reads words as numbers.
    options: dict[str, Any] = {"as_frame": True, "parser": "liac-arff", "n_retries": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about retries, and about cache files that it replaces
        return fetch_openml(data_id=number, data_home=home, target_column=target, **options)


def _first_cause(error: BaseException) -> BaseException:
    while error.__context__ is not None:
        error = error.__context__
    return error


def _missing(number: int, folder: DataFolder, path: Path, where: str) -> InputError:
    message = f"{where} is not in the data folder: there is no {str(path)!r}"
    ways = f"--download fetches it from https://www.openml.org/d/{number}, into scikit-learn's cache in the data folder"
    return InputError(message, f"{ways}; --data-dir or {VARIABLE} names another folder, as ~/scikit_learn_data")


class _OfflineError(Exception):
    """A file is not in the cache, and the user did not ask for a download."""

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
    """Inside the block urllib, by which scikit-learn fetches, opens no address unless `allowed`."""
    if allowed:
        yield
        return
    previous = getattr(urllib.request, "_opener", None)
    opener = urllib.request.OpenerDirector()
    opener.add_handler(_Refuse())
    urllib.request.install_opener(opener)
    try:
        yield
    finally:
        urllib.request.install_opener(previous)  # None is urllib's own default


def _contents(home: Path) -> dict[Path, int]:
    """Files and folders of the cache, and existing parents of the data folder, with each file's time of last change."""
    paths = [*home.parents, home, *(home / "openml").rglob("*"), home / "openml"]
    return {path: path.stat().st_mtime_ns if path.is_file() else 0 for path in paths if path.exists()}


def _restore(home: Path, before: dict[Path, int]) -> None:
    """Remove files that are new or changed since `before`, and new folders that are empty."""
    now = _contents(home)
    for path in sorted(now, key=lambda p: -len(p.parts)):
        with suppress(OSError):
            if path.is_file() and before.get(path) != now[path]:
                path.unlink()
            elif path.is_dir() and path not in before:
                path.rmdir()
