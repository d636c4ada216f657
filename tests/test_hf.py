"""`hf` from small folders, and from caches laid out as the Hub's own client lays them out; nothing leaves this machine."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibench import InputError, run
from calibench.data.folder import using_data_folder
from calibench_datasets.sources.hf import hf

datasets = pytest.importorskip("datasets", reason="the library datasets is not installed")
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
pa = pytest.importorskip("pyarrow")
files = pytest.importorskip("pyarrow.parquet")

NAMES = ["zebra", "ant"]  # a ClassLabel's own order is not the sorted one
COMMIT = "1f0c5d9b8a7e6f5d4c3b2a190817263544536271"


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path: Path):
    """Whatever would reach for the network fails at once; the usual cache is an empty folder."""

    def refuse(*args: Any) -> None:
        raise AssertionError(f"it reached for the network: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    datasets.disable_progress_bars()


def pixels(seed: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def png(values: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(values).save(held, format="PNG")
    return held.getvalue()


def table(rows: range, named: bool = True, **more: Any) -> Any:
    """Pictures number `rows` as the Hub stores them: a struct of bytes and a path, features in the file's metadata."""
    cells = [{"bytes": png(pixels(row)), "path": f"{row}.png"} for row in rows]
    columns = {"img": pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))}
    columns |= {"label": pa.array([row % 2 for row in rows], pa.int64()), **more}
    features = {"img": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}
    features |= {name: {"dtype": str(column.type), "_type": "Value"} for name, column in more.items()}
    held = pa.table(columns)
    return (
        held.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}) if named else held
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """train in two files of 15 rows, validation and test of 6 and 8."""
    data = tmp_path / "set" / "data"
    data.mkdir(parents=True)
    for number, rows in enumerate((range(15), range(15, 30))):
        files.write_table(table(rows), data / f"train-0000{number}-of-00002.parquet")
    files.write_table(table(range(30, 36)), data / "validation-00000-of-00001.parquet")
    files.write_table(table(range(36, 44)), data / "test-00000-of-00001.parquet")
    return tmp_path / "set"


def read(path: Any, **asked: Any):
    keys = (
        "image",
        "features",
        "label",
        "revision",
        "config",
        "train_split",
        "val_split",
        "cal_split",
        "test_split",
        "size",
    )
    return hf(str(path), **(dict.fromkeys(keys) | {"colour": "rgb"} | asked))


def test_rows_splits_channels_and_classes(folder: Path) -> None:
    arrays = read(folder)
    assert arrays.x.shape == (30, 3, 8, 8)
    assert arrays.x.dtype == np.uint8
    for row in (0, 14, 15, 29):
        np.testing.assert_array_equal(arrays.x[row], pixels(row).transpose(2, 0, 1))
    assert arrays.y.tolist() == [row % 2 for row in range(30)]
    np.testing.assert_array_equal(arrays.val[0][5], pixels(35).transpose(2, 0, 1))
    np.testing.assert_array_equal(arrays.test[0][0], pixels(36).transpose(2, 0, 1))
    assert arrays.cal is None
    assert arrays.notes[0] == "classes in order: zebra, ant"
    assert "val is 'validation'" in arrays.notes[2]
    grey = read(folder, colour="grey", size=4)
    assert grey.x.shape == (30, 4, 4)


def test_what_is_not_asked_for_is_said(folder: Path) -> None:
    (folder / "data" / "test-00000-of-00001.parquet").rename(folder / "data" / "extra-00000-of-00001.parquet")
    arrays = read(folder)
    assert arrays.test is None
    assert "splits that were not used: extra" in arrays.notes
    arrays = read(folder, test_split="validation", image="img", label="label")
    assert arrays.val is None
    np.testing.assert_array_equal(arrays.test[1], [0, 1] * 3)
    assert len(read(folder, train_split="extra", val_split="train").x) == 8


def test_one_file_of_parquet(folder: Path) -> None:
    arrays = read(folder / "data" / "test-00000-of-00001.parquet")
    assert len(arrays.x) == 8
    assert arrays.test is None


def test_stored_embeddings_and_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors, ages = rng.normal(size=(40, 6)).astype(np.float32), np.arange(40)
    held = {
        "text": [f"sentence {i}" for i in range(40)],
        "embedding": pa.array(vectors.tolist(), pa.list_(pa.float32())),
        "age": ages,
        "mood": ["sad", "glad"] * 20,
    }
    files.write_table(pa.table(held), tmp_path / "train.parquet")
    arrays = read(tmp_path, features="embedding; age", label="mood")
    np.testing.assert_allclose(arrays.x, np.column_stack([vectors, ages]), rtol=1e-7)
    assert arrays.y.tolist() == [1, 0] * 20
    assert arrays.notes[0] == "classes in order: glad, sad"
    for asked, says in (
        ({"features": "text", "label": "mood"}, "column 'text' holds string"),
        ({"features": "embeding", "label": "mood"}, "there is no column 'embeding'"),
        ({"features": "age", "label": "age"}, "is the label and a feature"),
        ({"label": "mood"}, "no columns hold pictures"),
        ({"features": "age"}, "no columns hold classes"),
        ({"features": "age", "label": "embedding"}, "it holds lists of float32"),
        ({"image": "age", "label": "mood"}, "column 'age' holds int64, no pictures"),
        ({"image": "age", "features": "age"}, "are two inputs"),
    ):
        with pytest.raises(InputError, match=says):
            read(tmp_path, **asked)
    held["embedding"] = pa.array([[1.0]] * 39 + [[1.0, 2.0]])
    files.write_table(pa.table(held), tmp_path / "train.parquet")
    with pytest.raises(InputError, match="embedding: rows 0 to 39 have 1 to 2 numbers"):
        read(tmp_path, features="embedding", label="mood")
    held["mood"] = ["sad", None] * 20
    files.write_table(pa.table(held), tmp_path / "train.parquet")
    with pytest.raises(InputError, match="row 1: mood is missing"):
        read(tmp_path, features="age", label="mood")


def card(folder: Path, train: int) -> None:
    splits = "".join(
        f"  - name: {name}\n    num_examples: {n}\n" for name, n in (("train", train), ("validation", 6), ("test", 8))
    )
    features = "  features:\n  - name: img\n    dtype: image\n  - name: label\n    dtype:\n      class_label:\n        names:\n"
    names = "".join(f"          '{k}': {name}\n" for k, name in enumerate(NAMES))
    (folder / "README.md").write_text(
        f"---\nlicense: mit\ndataset_info:\n{features}{names}  splits:\n{splits}---\n# A set\n"
    )


def test_the_readme_describes_what_the_files_do_not(folder: Path) -> None:
    for path in (folder / "data").iterdir():
        files.write_table(files.read_table(path).replace_schema_metadata(None), path)
    card(folder, 30)
    arrays = read(folder)
    assert arrays.notes[0] == "classes in order: zebra, ant"
    assert "licence, as its card says: mit" in arrays.notes
    readme = (folder / "README.md").read_text()
    (folder / "README.md").write_text(readme.replace("license: mit", "license:\n- mit\n- cc-by-4.0"))
    assert "licence, as its card says: mit, cc-by-4.0" in read(folder).notes
    card(folder, 31)
    with pytest.raises(InputError, match="split 'train' has 30 rows, and 31 as its README says"):
        read(folder)


def test_configurations(folder: Path) -> None:
    text = "".join(
        f"- config_name: {name}\n  data_files:\n  - split: train\n    path: data/{name}-*\n"
        for name in ("validation", "test")
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{text}---\n")
    assert len(read(folder, config="test").x) == 8
    with pytest.raises(InputError, match="validation"):
        read(folder)
    with pytest.raises(InputError, match=r"cannot be read: .*'tset'"):
        read(folder, config="tset")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (
            lambda f: (f / "data/train-00001-of-00002.parquet").unlink(),
            "'train' is cut short: file 00001 of 2 is missing",
        ),
        (lambda f: _cut(f / "data/test-00000-of-00001.parquet", -20), "cannot be read"),
        (lambda f: _cut(f / "data/test-00000-of-00001.parquet", 0), "cannot be read"),
        (lambda f: _flip(f / "data/train-00000-of-00002.parquet"), "train"),
        (lambda f: [p.unlink() for p in (f / "data").iterdir()], "cannot be read"),
        (lambda f: _put(f, [-1] * 8), "the label of row 0 is -1, no class; 8 are so"),
        (lambda f: _put(f, [0] * 7 + [2]), "the label of row 7 is 2"),
        (lambda f: _put(f, [0] * 8, {"bytes": None, "path": "/etc/passwd"}), "nor a file of this folder"),
        (lambda f: _put(f, [0] * 8, {"bytes": None, "path": "../../secret.png"}), "nor a file of this folder"),
        (lambda f: _put(f, [0] * 8, {"bytes": None, "path": "http://127.0.0.1/x.png"}), "nor a file of this folder"),
        (lambda f: _put(f, [0] * 8, {"bytes": b"GIF89a", "path": None}), "img, row 0: not a picture"),
        (
            lambda f: _put(f, [0] * 8, {"bytes": png(pixels(0, 9)), "path": None}, last=True),
            "img, row 7: it has 9 x 9 pixels",
        ),
        (lambda f: _put(f, [0] * 8, None), "row 0: img is missing"),
    ],
)
def test_damaged_hostile_and_hidden_files_are_refused(harm: Any, says: str, folder: Path) -> None:
    harm(folder)
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(InputError, match=says):
        read(folder)
    assert sorted(folder.parent.rglob("*")) == before


def _cut(path: Path, end: int) -> None:
    path.write_bytes(path.read_bytes()[:end])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(100, 1200):
        content[place] ^= 0xFF
    path.write_bytes(content)


def _put(folder: Path, labels: list[int], cell: Any = "keep", last: bool = False) -> None:
    """The test file again with other labels, and with another picture in its first or last row."""
    held = table(range(36, 44))
    cells = held["img"].to_pylist()
    if cell != "keep":
        cells[-1 if last else 0] = cell
    columns = {"img": pa.array(cells, held["img"].type), "label": pa.array(labels, pa.int64())}
    files.write_table(
        pa.table(columns).replace_schema_metadata(held.schema.metadata), folder / "data/test-00000-of-00001.parquet"
    )


def cached(cache: Path, folder: Path) -> None:
    """The set as huggingface_hub keeps it: content under blobs/, links to it under snapshots/COMMIT, refs/main naming that."""
    repo = cache / "datasets--people--things"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    for file in folder.rglob("*.parquet"):
        content = file.read_bytes()
        blob = repo / "blobs" / hashlib.sha256(content).hexdigest()
        blob.parent.mkdir(exist_ok=True)
        blob.write_bytes(content)
        link = repo / "snapshots" / COMMIT / file.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))


@pytest.mark.parametrize("revision", ["main", COMMIT])
@pytest.mark.parametrize("place", ["home/hub", "data/huggingface/people--things--"])
def test_the_caches_serve_without_a_network(place: str, revision: str, folder: Path, tmp_path: Path) -> None:
    cached(tmp_path / (place + revision if place.endswith("--") else place), folder)
    spec = f"hf:path=people/things,revision={revision}"
    record = run("ce", spec, "cnn:width=4", epochs=1, results=None, data_dir=tmp_path / "data")
    assert record.n["test"] == 8
    assert (
        f"read from people/things on the Hugging Face Hub, revision {revision}, commit {COMMIT}"
        in record.data["notes"][1]
    )


def test_missing_and_offline_says_what_where_and_how(refused, tmp_path: Path) -> None:
    ask = ("run", "-m", "ce", "--data-dir", "data", "-d")
    says = ("people/things", "revision=")
    refused(*ask, "hf:path=people/things", says=says, hint="pins it")
    says = (str(Path("data") / "huggingface"), str(tmp_path / "home" / "hub"))
    said = refused(*ask, "hf:path=people/things,revision=main", says=says, hint="--download")
    assert "hf download people/things --repo-type dataset --revision main" in said
    refused(*ask, "hf:path=./no/such/folder", says="there is no such folder")
    (tmp_path / "here").mkdir()
    refused(*ask, "hf:path=here,revision=main", says="would do nothing")
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    refused(*ask, "hf:path=x.csv", says="no Parquet file")


def test_without_the_library_the_extra_is_named(refused, folder: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    refused(
        "run",
        "-m",
        "ce",
        "-d",
        "hf:path=set",
        says="needs the library datasets",
        hint='pip install "calibench[vision]"',
    )


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the Hub as its client asks for to fetch people/things; of people/broken the test file is denied."""

    root = Path()
    asked: list[str] = []  # noqa: RUF012 - one log for the test that reads it

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        kind = type(self)
        kind.asked.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0].replace("broken", "things")
        names = sorted(str(p.relative_to(kind.root)) for p in kind.root.rglob("*") if p.is_file())
        if "/broken/" in self.path and "/data/test" in self.path:
            self.answer(b"{}", {}, 403)
            return
        prefix = f"/datasets/people/things/resolve/{COMMIT}/"
        if path.startswith("/api/datasets/people/things/tree/"):
            self.answer(
                json.dumps(
                    [{"type": "file", "path": n, "size": (kind.root / n).stat().st_size, "oid": "0"} for n in names]
                ).encode()
            )
        elif path.startswith("/api/datasets/people/things"):
            held = {"_id": "1", "id": "people/things", "sha": COMMIT, "siblings": [{"rfilename": n} for n in names]}
            self.answer(json.dumps(held | {"private": False, "downloads": 0, "likes": 0, "tags": []}).encode())
        elif path.startswith(prefix) and (kind.root / path.removeprefix(prefix)).is_file():
            content = (kind.root / path.removeprefix(prefix)).read_bytes()
            self.answer(content, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT})
        else:
            self.answer(b"{}", {"X-Error-Code": "RepoNotFound"}, 404)

    def answer(self, content: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def hub(folder: Path):
    kind = type("Served", (Hub,), {"root": folder, "asked": []})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    kind.url = f"http://127.0.0.1:{running.server_address[1]}"
    yield kind
    running.shutdown()
    running.server_close()


def test_download_fetches_once_and_then_works_offline(hub, folder: Path, tmp_path: Path) -> None:
    """In a process of its own: the client reads HF_ENDPOINT when it is imported."""
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    code = (
        "import sys; from calibench.data.folder import using_data_folder; from calibench_datasets.sources.hf import hf\n"
        "from calibench.errors import CalibenchError\n"
        "steps = ('things', False), ('things', True), ('things', False), ('nothing', True), ('broken', True), ('broken', False)\n"
        "for name, download in steps:\n"
        "    asked = dict.fromkeys(('image features label config train_split val_split cal_split test_split size').split())\n"
        "    try:\n"
        "        with using_data_folder(sys.argv[1], download, lambda *words: None):\n"
        "            found = hf(f'people/{name}', revision='main', colour='rgb', **asked)\n"
        "        print('rows', len(found.x), found.notes[1])\n"
        "    except CalibenchError as error:\n"
        "        print(type(error).__name__, error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "data")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = ran.stdout.splitlines()
    shown = f"{ran.stdout}\n{ran.stderr}\n{hub.asked}"
    ends = [line for line in said if line.startswith(("rows", "InputError", "RunError"))]
    words = (
        "is neither in",
        f"commit {COMMIT}",
        f"commit {COMMIT}",
        "no such public set",
        "cannot download",
        "is neither in",
    )
    assert len(ends) == len(words), shown
    for line, word in zip(ends, words, strict=True):
        assert word in line, shown
    held = {p.name for p in (tmp_path / "data" / "huggingface").iterdir()}
    assert held == {"people--things--main", "people--broken--main.part"}, "half a set may only be resumed"
    fetched = [line for line in hub.asked if line.startswith("GET /datasets/people/things")]
    assert len(fetched) == len(list(folder.rglob("*.parquet"))), shown


def test_the_data_folder_is_not_asked_for_a_local_set(folder: Path, refused, tmp_path: Path) -> None:
    refused("run", "-m", "ce", "-d", "hf:path=set", "--data-dir", "data", says="would do nothing", hint="--data-dir")
    with using_data_folder(tmp_path / "data", False, lambda *words: None) as held:
        read(folder)
    assert not held.asked
