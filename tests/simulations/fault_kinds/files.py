"""Files that are damaged, edited, or no files at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from disk import DAMAGE
from faults import Fault, LostError, Place, seen
from safetensors.numpy import load_file, save_file

from calibench.atomic import digest_of

PLACES = {
    "a cached stage": "cache/*.safetensors",
    "the checksum of a cached stage": "cache/*.sha256",
    "predictions": "predictions/*.safetensors",
    "a record": "records/*.json",
}


def damaged(pattern: str, damage: str) -> Callable[[Place, int], str]:
    """A stored file is damaged, and the run is asked for again. A cached stage is only looked for without its record."""

    def inject(place: Place, _: int) -> str:
        if pattern.startswith("cache"):
            for record in place.results.glob("records/*.json"):
                record.unlink()
        DAMAGE[damage](place.file(pattern))
        ended = place.run()
        if ended.code:
            raise LostError(ended.err)
        return seen(ended)

    return inject


def edited(change: Callable[[dict[str, Any]], None]) -> Callable[[Place, int], str]:
    """A record is edited by hand."""

    def inject(place: Place, _: int) -> str:
        file = place.file("records/*.json")
        record = json.loads(file.read_text())
        change(record)
        file.write_text(json.dumps(record))
        return seen(place.run())

    return inject


def _lower(record: dict[str, Any]) -> None:
    record["metrics"]["ece15"] = 0.001


def _narrow(record: dict[str, Any]) -> None:
    record["intervals"]["nll"] = [0.0, 0.001]


def relabelled(change: Callable[[dict[str, Any]], None]) -> Callable[[Place, int], str]:
    """Predictions are changed, and their checksum in the record is mended."""

    def inject(place: Place, _: int) -> str:
        file = place.file("records/*.json")
        record = json.loads(file.read_text())
        predictions = place.results / record["predictions"]["file"]
        arrays = load_file(predictions)
        change(arrays)
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, predictions)
        record["predictions"]["sha256"] = digest_of(predictions)
        file.write_text(json.dumps(record))
        return seen(place.run())

    return inject


def _permute(arrays: dict[str, Any]) -> None:
    arrays["test.labels"] = arrays["test.labels"][::-1]


def _double(arrays: dict[str, Any]) -> None:
    arrays["test.ids"] = arrays["test.ids"] * 0


def refused(change: Callable[[Path, dict[str, Any]], None]) -> Callable[[Place, int], str]:
    """A board over a folder with one record that is none; the file is then removed."""

    def inject(place: Place, _: int) -> str:
        sound = place.file("records/*.json")
        file = sound.with_name("zzz.json")
        change(file, json.loads(sound.read_text()))
        ended = place.run("leaderboard")
        if ended.code != 2 or "zzz.json" not in ended.err:
            raise LostError(f"exit {ended.code}: {ended.err}")
        file.unlink()
        return seen(ended)

    return inject


def _write(**changes: Any) -> Callable[[Path, dict[str, Any]], None]:
    return lambda file, record: file.write_text(json.dumps({**record, **changes})) and None


def sparse(file: Path, record: dict[str, Any]) -> None:
    """A file of 100 GB without content."""
    file.write_text(json.dumps(record))
    os.truncate(file, 100 << 30)


def pipe_as_predictions(place: Place, _: int) -> str:
    file = place.file("predictions/*.safetensors")
    file.unlink()
    os.mkfifo(file)
    ended = place.run()
    if ended.code:
        raise LostError(ended.err)
    return seen(ended)


def bomb(place: Place, _: int) -> str:
    """A file of outputs that grows beyond memory."""
    np.savez_compressed(
        place.folder / "bomb.npz", probs=np.zeros((1_000_000, 20)), labels=np.zeros(1_000_000, dtype=int)
    )
    ended = place.run("evaluate", "bomb.npz", "--max-memory", "50MB")
    if ended.code != 2:
        raise LostError(ended.err)
    return seen(ended)


FAULTS = [
    *(
        Fault(f"{what}: {damage}", f"`{pattern}`", 1, damaged(pattern, damage))
        for what, pattern in PLACES.items()
        for damage in DAMAGE
    ),
    Fault("a figure is edited", "ece15 is .001 in a record", 1, edited(_lower)),
    Fault("an interval is edited", "that of the NLL, in a record", 1, edited(_narrow)),
    Fault("labels are permuted", "in the predictions, with a mended checksum", 1, relabelled(_permute)),
    Fault("ids are doubled", "in the predictions, with a mended checksum", 1, relabelled(_double)),
    Fault(
        "a record from the future", "its schema is calibench.record/3", 1, refused(_write(schema="calibench.record/3"))
    ),
    Fault("a record without a field", "its metrics are null", 1, refused(_write(metrics=None))),
    Fault("a number that no float holds", "the level is 10^400", 1, refused(_write(bootstrap={"level": 10**400}))),
    Fault(
        "predictions elsewhere",
        "the record names ../../../etc/passwd",
        1,
        refused(_write(predictions={"file": "../../../etc/passwd", "sha256": "0"})),
    ),
    Fault("a name that leaves the folder", "the id is ../../x", 1, refused(_write(run_id="../../x"))),
    Fault("a pipe among records", "mkfifo", 1, refused(lambda file, _: os.mkfifo(file))),
    Fault("a device among records", "a link to /dev/zero", 1, refused(lambda file, _: file.symlink_to("/dev/zero"))),
    Fault("a record of 100 GB", "a sparse file", 1, refused(sparse)),
    Fault("a pipe in place of predictions", "mkfifo", 1, pipe_as_predictions),
    Fault(
        "an archive that grows beyond memory", "an .npz of 160 kB that holds 168 MB, with --max-memory 50MB", 1, bomb
    ),
]
