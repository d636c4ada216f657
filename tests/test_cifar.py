"""`cifar10` and `cifar100` from small archives written as Python 2 wrote the originals, and from hostile ones."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import io
import os
import pickle
import tarfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from python2_pickle import python2

from calibench import InputError, run
from calibench.config.resolve import resolve
from calibench.data.folder import using_data_folder
from calibench.data.load import load_data
from calibench_datasets.sources import cifar

WORDS = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog", b"frog", b"horse", b"ship", b"truck"]
ROWS = 12  # a batch: five of them and a test batch
FOLDER = "cifar-10-batches-py"
ASK = ("run", "-m", "ce", "-d", "cifar10", "--data-dir", "data")
QUICKLY = ("--epochs", 1, "--threads", 1, "--json")


def images(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, 3072), dtype=np.uint8)


def batch(number: int) -> dict[str, Any]:
    data = images(ROWS, number)
    labels = [(number + row) % 10 for row in range(ROWS)]
    return {b"batch_label": b"batch", b"labels": labels, b"data": data, b"filenames": [b"x.png"] * ROWS}


def members10() -> dict[str, bytes]:
    held = {f"data_batch_{number}": python2(batch(number)) for number in range(1, 6)}
    held["test_batch"] = python2(batch(6))
    held["batches.meta"] = python2({b"num_cases_per_batch": ROWS, b"label_names": WORDS, b"num_vis": 3072})
    held["readme.html"] = b"<html></html>"
    return {f"{FOLDER}/{name}": content for name, content in held.items()}


def write(path: Path, members: dict[str, bytes], extra: tuple[tarfile.TarInfo, ...] = ()) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for entry in extra:
            archive.addfile(entry)


def described(known: cifar.Cifar, archive: Path | None, rows: dict[str, int], **more: Any) -> cifar.Cifar:
    """The set as if this small archive were the published one; no option of the user can do that."""
    content = archive.read_bytes() if archive else b""
    file = dataclasses.replace(known.archive, size=len(content), md5=hashlib.md5(content).hexdigest())
    return dataclasses.replace(known, archive=file, rows=rows, **more)


@pytest.fixture
def small(tmp_path: Path, monkeypatch):
    """`small(members, extra)` writes cifar-10-python.tar.gz into `tmp_path/data` and describes it as published."""

    def written(members: dict[str, bytes] | None = None, extra: tuple[tarfile.TarInfo, ...] = ()) -> Path:
        archive = tmp_path / "data" / "cifar-10-python.tar.gz"
        archive.parent.mkdir(exist_ok=True)
        write(archive, members10() if members is None else members, extra)
        monkeypatch.setattr(cifar, "CIFAR10", described(cifar.CIFAR10, archive, {"train": 5 * ROWS, "test": ROWS}))
        return archive

    return written


def read(folder: Path, load: Any = cifar.cifar10):
    with using_data_folder(folder, False, lambda *words: None):
        return load()


def test_channels_rows_batches_labels_and_names(small, tmp_path: Path) -> None:
    arrays = read(small().parent)
    assert arrays.x.shape == (60, 3, 32, 32)
    assert arrays.x.dtype == np.uint8
    for number in range(5):  # batch after batch
        first = images(ROWS, number + 1)[0]
        picture = arrays.x[number * ROWS]
        # the first 1024 values are red, then green, then blue, each row by row
        assert (picture[0, 0, 1], picture[0, 1, 0], picture[1, 2, 3]) == (first[1], first[32], first[1024 + 67])
        assert picture[2, 31, 31] == first[3071]
    np.testing.assert_array_equal(arrays.y, np.concatenate([batch(n)[b"labels"] for n in range(1, 6)]))
    test_x, test_y = arrays.test
    np.testing.assert_array_equal(test_x.reshape(ROWS, -1), images(ROWS, 6))
    np.testing.assert_array_equal(test_y, batch(6)[b"labels"])
    assert arrays.notes[0] == f"classes in order: {', '.join(w.decode() for w in WORDS)}"
    assert cifar.CIFAR10.archive.md5 in arrays.notes[1]


def test_cifar100_takes_the_fine_labels(tmp_path: Path, monkeypatch) -> None:
    def part(rows: int, seed: int) -> bytes:
        fine = [(seed + row) % 100 for row in range(rows)]
        held = {b"filenames": [b"a"] * rows, b"batch_label": b"", b"fine_labels": fine, b"coarse_labels": [1] * rows}
        return python2(held | {b"data": images(rows, seed)})

    names = [b"class%d" % number for number in range(100)]
    meta = python2({b"fine_label_names": names, b"coarse_label_names": [b"c"] * 20})
    archive = tmp_path / "cifar100" / "cifar-100-python.tar.gz"
    archive.parent.mkdir()
    write(
        archive,
        {f"cifar-100-python/{n}": c for n, c in (("train", part(200, 3)), ("test", part(7, 9)), ("meta", meta))},
    )
    monkeypatch.setattr(cifar, "CIFAR100", described(cifar.CIFAR100, archive, {"train": 200, "test": 7}))
    arrays = read(tmp_path, cifar.cifar100)
    assert arrays.y[:3].tolist() == [3, 4, 5]
    assert arrays.test[1].tolist() == list(range(9, 16))
    np.testing.assert_array_equal(arrays.x.reshape(200, -1), images(200, 3))
    assert arrays.notes[0].startswith("classes in order: class0, class1, class2")


def test_the_extracted_folder_does_as_well(tmp_path: Path, monkeypatch) -> None:
    held = members10()
    for name, content in held.items():
        path = tmp_path / "cifar10" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    folder = tmp_path / "cifar10" / FOLDER
    with pytest.raises(InputError, match="is not the published file: its md5 is"):
        read(tmp_path)
    sums = {n.partition("/")[2]: hashlib.md5(c).hexdigest() for n, c in held.items()}
    known = cifar.CIFAR10
    parts = {key: {name: sums[name] for name in getattr(known, key)} for key in ("train", "test", "meta")}
    monkeypatch.setattr(cifar, "CIFAR10", described(known, None, {"train": 60, "test": 12}, **parts))
    arrays = read(tmp_path)
    np.testing.assert_array_equal(arrays.x[12].ravel(), images(ROWS, 2)[0])
    assert "folder cifar-10-batches-py" in arrays.notes[1]
    (folder / "data_batch_3").unlink()
    with pytest.raises(InputError, match="data_batch_3"):
        read(tmp_path)


def test_training_rows_that_are_in_test_are_left_out_and_said(small, tmp_path: Path) -> None:
    held = members10()
    test = batch(6)
    test[b"data"][4] = images(ROWS, 2)[3]  # row 12 + 3 of train
    held[f"{FOLDER}/test_batch"] = python2(test)
    small(held)
    with using_data_folder(tmp_path / "data", False, lambda *words: None):
        data = load_data(resolve("ce", "cifar10"))
    ids = np.concatenate([data.train.ids, data.val.ids, data.cal.ids])
    assert sorted(ids.tolist()) == [i for i in range(60) if i != 15]
    assert len(data.test) == ROWS
    assert any("1 of 60 training rows are also in test" in note for note in data.notes)
    given = read(tmp_path / "data").x.astype(np.float32)
    np.testing.assert_array_equal(data.train.x, given[data.train.ids], "ids are the rows' numbers in the archive")


def test_from_the_command_line(small, cli, tmp_path: Path) -> None:
    archive = small()
    before = {p: p.read_bytes() for p in archive.parent.rglob("*")}
    ran = cli(*ASK, *QUICKLY, "--model", "cnn:width=4")
    assert ran.code == 0, ran.err
    record = ran.document
    assert record["n"]["test"] == ROWS
    assert record["data"]["classes"] == 10
    assert "airplane" in record["data"]["notes"][0]
    assert {p: p.read_bytes() for p in archive.parent.rglob("*")} == before
    same = run("ce", "cifar10", "cnn:width=4", epochs=1, data_dir=tmp_path / "data", results=tmp_path / "results")
    assert same.run_id == record["run_id"]


@pytest.fixture
def home(tmp_path: Path):
    """The address of a server of `tmp_path/home`."""
    (tmp_path / "home").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    serve = functools.partial(Quiet, directory=str(tmp_path / "home"))
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve)
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()


def test_download_fetches_once_and_then_works_offline(small, cli, home: str, tmp_path: Path, monkeypatch) -> None:
    archive = small()
    published = tmp_path / "home" / archive.name
    archive.rename(published)
    archive.parent.rmdir()
    file = dataclasses.replace(cifar.CIFAR10.archive, url=f"{home}/{archive.name}")
    monkeypatch.setattr(cifar, "CIFAR10", dataclasses.replace(cifar.CIFAR10, archive=file))
    run_it = (*ASK, *QUICKLY, "--force")
    assert cli(*run_it).code == 2
    assert not (tmp_path / "data").exists(), "it was fetched unasked"
    first = cli(*run_it, "--download")
    assert first.code == 0, first.err
    assert [p.name for p in (tmp_path / "data").rglob("*")] == ["cifar10", archive.name]
    content = published.read_bytes()
    published.unlink()
    second = cli(*run_it, "--download")
    assert second.code == 0, second.err
    assert second.document["metrics"] == first.document["metrics"]
    (tmp_path / "data" / "cifar10" / archive.name).unlink()
    assert cli(*run_it, "--download").code == 1, "the server has it no more"
    published.write_bytes(content[:-1] + b"x")
    ended = cli(*run_it, "--download")
    assert ended.code == 1
    assert "md5" in ended.err
    assert "Traceback" not in ended.err
    assert list((tmp_path / "data").rglob("*.*")) == [], "something of a wrong file was kept"


def test_offline_and_missing_says_what_where_and_how(refused, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CALIBENCH_DATA", raising=False)
    says = ("cifar-10-python.tar.gz", str(tmp_path / "none" / "cifar10"))
    said = refused(*ASK[:-1], tmp_path / "none", says=says, hint="--download")
    for word in ("170 MB", "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", FOLDER):
        assert word in said
    monkeypatch.setenv("CALIBENCH_DATA", str(tmp_path / "other"))
    refused(*ASK[:-2], says=str(tmp_path / "other" / "cifar10"), hint="--data-dir")


def test_another_archive_is_refused(refused, tmp_path: Path) -> None:
    write(tmp_path / "cifar-10-python.tar.gz", members10())
    refused(*ASK[:-1], ".", says="not the published file", hint="fetch it again")


def damaged(archive: Path, monkeypatch, content: bytes) -> None:
    archive.write_bytes(content)
    monkeypatch.setattr(cifar, "CIFAR10", described(cifar.CIFAR10, archive, {"train": 60, "test": 12}))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.9999])
def test_a_truncated_archive_is_refused_even_if_its_checksum_were_right(share, small, refused, monkeypatch) -> None:
    archive = small()
    content = archive.read_bytes()
    damaged(archive, monkeypatch, content[: int(share * len(content))])
    refused(*ASK, says="damaged or cut short", hint="fetch")


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (entry(f"{FOLDER}/../../escaped", tarfile.REGTYPE), "points outside"),
        (entry("/tmp/absolute", tarfile.REGTYPE), "points outside"),
        (entry("..\\escaped", tarfile.REGTYPE), "points outside"),
        (entry(f"{FOLDER}/link", tarfile.SYMTYPE, "/etc/passwd"), "a link or a device"),
        (entry(f"{FOLDER}/hard", tarfile.LNKTYPE, f"{FOLDER}/test_batch"), "a link or a device"),
        (entry(f"{FOLDER}/device", tarfile.CHRTYPE), "a link or a device"),
        (entry(f"{FOLDER}/pipe", tarfile.FIFOTYPE), "a link or a device"),
    ],
    ids=lambda value: value.name if isinstance(value, tarfile.TarInfo) else "",
)
def test_members_that_point_elsewhere_are_refused(bad, says, small, refused) -> None:
    small(extra=(bad,))
    refused(*ASK, says=says, hint="do not use")


class Evil:
    def __init__(self, call: Any, *args: Any) -> None:
        self.call = call, args

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("call", [os.system, eval, getattr, np.load, np.fromfile, print, __import__])
def test_a_pickle_that_would_run_something_does_not(call, small, refused, tmp_path: Path) -> None:
    mark = tmp_path / "data" / "ran"
    evil = Evil(call, f"touch {mark}") if call is os.system else Evil(call, str(mark))
    held = members10()
    held[f"{FOLDER}/data_batch_4"] = pickle.dumps(batch(4) | {"more": [{"deep": evil}]}, protocol=2)
    small(held)
    says = ("data_batch_4: not a pickle of plain data", "could run code")
    refused(*ASK, says=says)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({b"labels": [0] * 11}, "has no list labels of 12 classes"),
        ({b"labels": [10] * 12}, "has no list labels of 12 classes 0 .. 9"),
        ({b"labels": [True] * 12}, "has no list labels"),
        ({b"labels": None}, "has no list labels"),
        ({b"data": images(12, 0)[:, :3000]}, r"no array data \[N, 3072\]"),
        ({b"data": images(12, 0).astype(np.int16)}, r"no array data \[N, 3072\] uint8"),
        ({b"data": images(11, 0), b"labels": [1] * 11}, "train has 59 images, the published one 60"),
    ],
)
def test_batches_of_another_form_are_refused(change: dict[bytes, Any], says: str, small) -> None:
    held = members10()
    held[f"{FOLDER}/data_batch_2"] = python2({b"data": b"", b"labels": b""} | batch(2) | change)
    with pytest.raises(InputError, match=says):
        read(small(held).parent)


def test_a_member_that_is_missing_is_named(small) -> None:
    held = members10()
    del held[f"{FOLDER}/data_batch_5"]
    with pytest.raises(InputError, match="has no member 'cifar-10-batches-py/data_batch_5'"):
        read(small(held).parent)
