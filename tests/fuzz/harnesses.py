"""What is fuzzed: for each kind of file the code that reads it. Every harness may raise InputError, and nothing else."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutate
import numpy as np

from calibench.errors import InputError, RunError

MUTATION = Callable[..., bytes]


@dataclass(frozen=True)
class Harness:
    """A kind of file: its ending, what reads it, how it is mutated, and pieces of its format."""

    name: str
    ending: str
    readers: tuple[Callable[[Path], Any], ...]
    mutation: MUTATION = mutate.mutated
    words: tuple[bytes, ...] = ()

    def run(self, file: Path) -> None:
        """Read the file in every way. Raises whatever is not an InputError."""
        for reader in self.readers:
            with contextlib.suppress(InputError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reader(file)


def _samples(file: Path) -> None:
    from calibench.outputs.readers import read_samples

    read_samples(file)


def _blocks(file: Path) -> None:
    from calibench.outputs.columns import Columns
    from calibench.outputs.readers import open_blocks

    for _ in open_blocks(file, Columns()).blocks():
        pass


def _weights(file: Path) -> None:
    from calibench.models.weights import read_weights

    read_weights(str(file))


def _dataset(name: str, **params: Any) -> Callable[[Path], None]:
    def read(file: Path) -> None:
        import importlib

        function = getattr(importlib.import_module(f"calibench_datasets.sources.{name}"), name)
        function(str(file), **params)

    return read


def _features(file: Path) -> None:
    from calibench_datasets.readers.parquet_arrays import parquet_arrays

    parquet_arrays(str(file))


def _experiments(file: Path) -> None:
    from calibench.leaderboard.results_table import read_results

    read_results(file)


def _toml(file: Path) -> None:
    from calibench.config.preset import read_preset, text_of_file
    from calibench.config.suite import read_suite

    text = text_of_file(file)
    for read in (read_preset, read_suite):
        with contextlib.suppress(InputError):
            read(text, "fuzz")


def _record(file: Path) -> None:
    """Read a record, and show it in every form beside a sound one."""
    from calibench.leaderboard.boards import boards
    from calibench.leaderboard.record_rows import row_of
    from calibench.records.reader import RecordReader
    from calibench.records.store import read_record
    from calibench.report.render import FORMATS, render

    reader, sound = RecordReader(), min((Path(__file__).parent / "corpus" / "record").glob("*.json"))
    first = reader.read(sound)
    with contextlib.suppress(InputError):
        reader.read(file)
    record = read_record(file)
    row_of(record)
    found = boards([first, record], file.parent, "brier")
    for form in FORMATS:
        render(found, form).encode("utf-8")


def _failed(file: Path) -> None:
    from calibench.records.failed_cells import read_failed_file

    read_failed_file(file)


def _map(file: Path) -> None:
    """Load a map and map two rows with it. A stage may fail over learned values that somebody made up, and is then named."""
    import calibench.maps.chain  # noqa: F401 - it imports torch, before the clock of an input runs
    from calibench.maps.calibration_map import load_map
    from calibench.maps.document import checksum
    from calibench.records.reader import read_document

    document = read_document(file)
    if isinstance(document, dict) and "sha256" in document:  # else every mutation ends at the checksum
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            document["sha256"] = checksum(document)
            from calibench.atomic import write_json

            write_json(file, document)
    fitted = load_map(file)
    for classes in (2, 3, 10):
        with contextlib.suppress(InputError, RunError):
            fitted.probs(np.full((2, classes), 1 / classes))
    with contextlib.suppress(InputError, RunError):
        compile(fitted.snippet(), "snippet", "exec")


def _grammar(file: Path) -> None:
    """A recipe, a dataset, a model, a noise, and lists of metrics and shifts."""
    from calibench.config.request import RunRequest
    from calibench.config.resolve import resolve_run
    from calibench.config.tune_space import read_space
    from calibench.leaderboard.conditions import where
    from calibench.metrics.load import load_metrics

    text = file.read_bytes().decode("utf-8", "replace")
    attempts = (
        lambda: resolve_run(RunRequest(), text, 0),
        lambda: resolve_run(RunRequest(dataset=text), "ce", 0),
        lambda: resolve_run(RunRequest(model=text, noise=text), "ce", 0),
        lambda: resolve_run(RunRequest(settings=(text,), shift=(text,)), "ce", 0),
        lambda: load_metrics(text),
        lambda: read_space(text, resolve_run(RunRequest(), "ce", 0)),
        lambda: where([{"recipe": "ce", "seed": 1, "ece15": 0.5}], text),
    )
    for attempt in attempts:
        with contextlib.suppress(InputError):
            attempt()


TABLE: dict[str, Any] = {"label": "label", "drop": None, "missing": "refuse"}
ZIP_WORDS = (
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"\x93NUMPY\x01\x00",
    b"'descr'",
    b"'<f8'",
    b"'|O'",
    b"True",
    b"(",
    b")",
    b"L",
)
TEXT_WORDS = (
    b",",
    b";",
    b"\t",
    b'"',
    b"'",
    b"\r\n",
    b"nan",
    b"-inf",
    b"1e999",
    b"%",
    b"sep=;\n",
    b"label",
    b"\xef\xbb\xbf",
    b"=",
)
TOML_WORDS = (
    b"[",
    b"]",
    b"[[",
    b"{",
    b"}",
    b'"""',
    b"= ",
    b"\n",
    b".a",
    b"9" * 5000,
    b"1979-05-27",
    b"inf",
    b"[set.ce]\n",
    b"base",
)
JSON_WORDS = (b"{", b"}", b"[", b"]", b",", b":", b'"', b"null", b"NaN", b"1e999", b"\\ud800", b"-", b"[[[[[[[[")
GRAMMAR_WORDS = (
    b"+",
    b":",
    b",",
    b"=",
    b";",
    b"'",
    b'"',
    b"ce",
    b"ensemble",
    b"members=",
    b"lr=",
    b"inf",
    b"1e999",
    b"-1",
    b"log(1,2)",
)

HARNESSES = {
    harness.name: harness
    for harness in (
        Harness("npz", ".npz", (_samples, _blocks, _weights, _dataset("npz")), mutate.mutated_zip, ZIP_WORDS),
        Harness("csv", ".csv", (_samples, _dataset("csv", **TABLE), _experiments), words=TEXT_WORDS),
        Harness(
            "parquet",
            ".parquet",
            (_samples, _blocks, _dataset("parquet", **TABLE), _features),
            words=(b"PAR1", b"\x15\x00"),
        ),
        Harness("safetensors", ".safetensors", (_samples, _blocks, _weights), mutate.mutated_safetensors, JSON_WORDS),
        Harness("toml", ".toml", (_toml,), words=TOML_WORDS),
        Harness("record", ".json", (_record, _failed), mutate.mutated_json, JSON_WORDS),
        Harness("map", ".json", (_map,), mutate.mutated_json, JSON_WORDS),
        Harness("grammar", ".txt", (_grammar,), words=GRAMMAR_WORDS),
    )
}
