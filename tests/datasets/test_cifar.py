"""`cifar10` and `cifar100` from small archives written as Python 2 wrote the originals, and from hostile ones."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import os
import pickle
import tarfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cifar_archive import CLASSES, FOLDER, ROWS, batch, cifar10_members, describe, images, write_archive
from published_files import data_folder, load_from, md5
from python2_pickle import python2_pickle

from calibench import InputError, run
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench_datasets.sources import cifar

RUN = ("run", "-m", "ce", "-d", "cifar10", "--data-dir", "data")
QUICKLY = ("--epochs", 1, "--threads", 1, "--json")


def test_images_labels_and_class_names(write_cifar10) -> None:
    arrays = load_from(write_cifar10().parent, cifar.cifar10)
    assert arrays.x.shape == (60, 3, 32, 32)
    assert arrays.x.dtype == np.uint8
    for number in range(5):  # batch after batch
        first = images(ROWS, number + 1)[0]
        image = arrays.x[number * ROWS]
        # the first 1024 values are red, then green, then blue, each row by row
        assert (image[0, 0, 1], image[0, 1, 0], image[1, 2, 3]) == (first[1], first[32], first[1024 + 67])
        assert image[2, 31, 31] == first[3071]
    np.testing.assert_array_equal(arrays.y, np.concatenate([batch(n)[b"labels"] for n in range(1, 6)]))
    test_x, test_y = arrays.test
    np.testing.assert_array_equal(test_x.reshape(ROWS, -1), images(ROWS, 6))
    np.testing.assert_array_equal(test_y, batch(6)[b"labels"])
    assert arrays.notes[0] == f"classes in order: {', '.join(name.decode() for name in CLASSES)}"
    assert cifar.CIFAR10.archive.md5 in arrays.notes[1]


def test_cifar100_has_the_fine_labels(tmp_path: Path, monkeypatch) -> None:
    def split(rows: int, seed: int) -> bytes:
        fine = [(seed + row) % 100 for row in range(rows)]
        content = {b"filenames": [b"a"] * rows, b"batch_label": b"", b"fine_labels": fine, b"coarse_labels": [1] * rows}
        return python2_pickle(content | {b"data": images(rows, seed)})

    names = [b"class%d" % number for number in range(100)]
    meta = python2_pickle({b"fine_label_names": names, b"coarse_label_names": [b"c"] * 20})
    archive = tmp_path / "cifar100" / "cifar-100-python.tar.gz"
    archive.parent.mkdir()
    contents = {"train": split(200, 3), "test": split(7, 9), "meta": meta}
    write_archive(archive, {f"cifar-100-python/{name}": content for name, content in contents.items()})
    describe(monkeypatch, "CIFAR100", archive, {"train": 200, "test": 7})
    arrays = load_from(tmp_path, cifar.cifar100)
    assert arrays.y[:3].tolist() == [3, 4, 5]
    assert arrays.test[1].tolist() == list(range(9, 16))
    np.testing.assert_array_equal(arrays.x.reshape(200, -1), images(200, 3))
    assert arrays.notes[0].startswith("classes in order: class0, class1, class2")


def test_the_extracted_folder_is_read_if_its_files_are_the_published_ones(tmp_path: Path, monkeypatch) -> None:
    members = cifar10_members()
    for name, content in members.items():
        path = tmp_path / "cifar10" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with pytest.raises(InputError, match="is not the published file: its md5 is"):
        load_from(tmp_path, cifar.cifar10)
    sums = {name.partition("/")[2]: md5(content) for name, content in members.items()}
    original = cifar.CIFAR10
    batches = {key: {name: sums[name] for name in getattr(original, key)} for key in ("train", "test", "meta")}
    small = dataclasses.replace(original, rows={"train": 60, "test": 12}, **batches)
    monkeypatch.setattr(cifar, "CIFAR10", small)
    arrays = load_from(tmp_path, cifar.cifar10)
    np.testing.assert_array_equal(arrays.x[12].ravel(), images(ROWS, 2)[0])
    assert "folder cifar-10-batches-py" in arrays.notes[1]
    (tmp_path / "cifar10" / FOLDER / "data_batch_3").unlink()
    with pytest.raises(InputError, match="data_batch_3"):
        load_from(tmp_path, cifar.cifar10)


def test_training_rows_that_are_in_test_are_left_out_with_a_note(write_cifar10, tmp_path: Path) -> None:
    members = cifar10_members()
    test = batch(6)
    test[b"data"][4] = images(ROWS, 2)[3]  # row 12 + 3 of train
    members[f"{FOLDER}/test_batch"] = python2_pickle(test)
    write_cifar10(members)
    with data_folder(tmp_path / "data"):
        data = load_data(resolve("ce", "cifar10"))
    ids = np.concatenate([data.train.ids, data.val.ids, data.cal.ids])
    assert sorted(ids.tolist()) == [i for i in range(60) if i != 15]
    assert len(data.test) == ROWS
    assert any("1 of 60 training rows are also in test" in note for note in data.notes)
    rows = load_from(tmp_path / "data", cifar.cifar10).x.astype(np.float32)
    np.testing.assert_array_equal(data.train.x, rows[data.train.ids], "ids are the rows' numbers in the archive")


def test_a_run_leaves_the_archive_unchanged(write_cifar10, cli, tmp_path: Path) -> None:
    archive = write_cifar10()
    before = {p: p.read_bytes() for p in archive.parent.rglob("*")}
    ran = cli(*RUN, *QUICKLY, "--model", "cnn:width=4")
    assert ran.code == 0, ran.err
    record = ran.document
    assert record["n"]["test"] == ROWS
    assert record["data"]["classes"] == 10
    assert "airplane" in record["data"]["notes"][0]
    assert {p: p.read_bytes() for p in archive.parent.rglob("*")} == before
    same = run("ce", "cifar10", "cnn:width=4", epochs=1, data_dir=tmp_path / "data", results=tmp_path / "results")
    assert same.run_id == record["run_id"]


@pytest.fixture
def server(tmp_path: Path):
    """The address of a server of `tmp_path/server`."""
    (tmp_path / "server").mkdir()

    class QuietHandler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    handler = functools.partial(QuietHandler, directory=str(tmp_path / "server"))
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()


def test_download_fetches_once_and_then_works_offline(
    write_cifar10, cli, server: str, tmp_path: Path, monkeypatch
) -> None:
    archive = write_cifar10()
    published = tmp_path / "server" / archive.name
    archive.rename(published)
    archive.parent.rmdir()
    file = dataclasses.replace(cifar.CIFAR10.archive, url=f"{server}/{archive.name}")
    monkeypatch.setattr(cifar, "CIFAR10", dataclasses.replace(cifar.CIFAR10, archive=file))
    command = (*RUN, *QUICKLY, "--force")
    assert cli(*command).code == 2
    assert not (tmp_path / "data").exists(), "fetched without --download"
    first = cli(*command, "--download")
    assert first.code == 0, first.err
    assert [p.name for p in (tmp_path / "data").rglob("*")] == ["cifar10", archive.name]
    content = published.read_bytes()
    published.unlink()
    second = cli(*command, "--download")
    assert second.code == 0, second.err
    assert second.document["metrics"] == first.document["metrics"]
    (tmp_path / "data" / "cifar10" / archive.name).unlink()
    assert cli(*command, "--download").code == 1, "the server no longer has it"
    published.write_bytes(content[:-1] + b"x")
    ended = cli(*command, "--download")
    assert ended.code == 1
    assert "md5" in ended.err
    assert "Traceback" not in ended.err
    assert list((tmp_path / "data").rglob("*.*")) == [], "part of a wrong file was kept"


def test_a_missing_archive_is_named_with_its_address_and_folders(refused, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CALIBENCH_DATA", raising=False)
    says = ("cifar-10-python.tar.gz", str(tmp_path / "none" / "cifar10"))
    error = refused(*RUN[:-1], tmp_path / "none", says=says, hint="--download")
    for word in ("170 MB", "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", FOLDER):
        assert word in error
    monkeypatch.setenv("CALIBENCH_DATA", str(tmp_path / "other"))
    refused(*RUN[:-2], says=str(tmp_path / "other" / "cifar10"), hint="--data-dir")


def test_another_archive_is_refused(refused, tmp_path: Path) -> None:
    write_archive(tmp_path / "cifar-10-python.tar.gz", cifar10_members())
    refused(*RUN[:-1], ".", says="not the published file", hint="fetch it again")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.9999])
def test_a_truncated_archive_is_refused_even_with_the_right_checksum(
    share, write_cifar10, refused, monkeypatch
) -> None:
    archive = write_cifar10()
    content = archive.read_bytes()
    archive.write_bytes(content[: int(share * len(content))])
    describe(monkeypatch, "CIFAR10", archive, {"train": 60, "test": 12})
    refused(*RUN, says="damaged or cut short", hint="fetch")


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


@pytest.mark.parametrize(
    ("unsafe", "says"),
    [
        (member(f"{FOLDER}/../../escaped", tarfile.REGTYPE), "points outside"),
        (member("/tmp/absolute", tarfile.REGTYPE), "points outside"),
        (member("..\\escaped", tarfile.REGTYPE), "points outside"),
        (member(f"{FOLDER}/link", tarfile.SYMTYPE, "/etc/passwd"), "a link or a device"),
        (member(f"{FOLDER}/hard", tarfile.LNKTYPE, f"{FOLDER}/test_batch"), "a link or a device"),
        (member(f"{FOLDER}/device", tarfile.CHRTYPE), "a link or a device"),
        (member(f"{FOLDER}/pipe", tarfile.FIFOTYPE), "a link or a device"),
    ],
    ids=lambda value: value.name if isinstance(value, tarfile.TarInfo) else "",
)
def test_archives_with_unsafe_members_are_refused(unsafe, says, write_cifar10, refused) -> None:
    write_cifar10(empty_members=(unsafe,))
    refused(*RUN, says=says, hint="do not use")


class Call:
    """Pickled, this calls a function when it is unpickled."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("function", [os.system, eval, getattr, np.load, np.fromfile, print, __import__])
def test_a_pickle_that_would_run_code_does_not_run_it(function, write_cifar10, refused, tmp_path: Path) -> None:
    mark = tmp_path / "data" / "ran"
    call = Call(function, f"touch {mark}" if function is os.system else str(mark))
    members = cifar10_members()
    members[f"{FOLDER}/data_batch_4"] = pickle.dumps(batch(4) | {"more": [{"deep": call}]}, protocol=2)
    write_cifar10(members)
    refused(*RUN, says=("data_batch_4: not a pickle of plain data", "could run code"))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("change", "message"),
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
def test_batches_of_another_form_are_refused(change: dict[bytes, Any], message: str, write_cifar10) -> None:
    members = cifar10_members()
    members[f"{FOLDER}/data_batch_2"] = python2_pickle({b"data": b"", b"labels": b""} | batch(2) | change)
    with pytest.raises(InputError, match=message):
        load_from(write_cifar10(members).parent, cifar.cifar10)


def test_a_missing_member_is_named(write_cifar10) -> None:
    members = cifar10_members()
    del members[f"{FOLDER}/data_batch_5"]
    with pytest.raises(InputError, match="has no member 'cifar-10-batches-py/data_batch_5'"):
        load_from(write_cifar10(members).parent, cifar.cifar10)
