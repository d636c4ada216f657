"""`openml` from scikit-learn's cache, filled with openml.org's own answers (iris, Titanic) that scikit-learn ships."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.response import addinfourl

import numpy as np
import pytest
import sklearn.datasets
from published_files import data_folder

from calibench import InputError, RunError, run
from calibench_datasets.sources.openml import openml

pytest.importorskip("pandas", reason="pandas is not installed")
SHIPPED = Path(sklearn.datasets.__file__).parent / "tests" / "data" / "openml"
pytestmark = pytest.mark.skipif(not SHIPPED.is_dir(), reason="this scikit-learn ships no answers of OpenML")

KINDS = {"jd": "api/v1/json/data", "jdf": "api/v1/json/data/features", "jdq": "api/v1/json/data/qualities"}


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def fill(folder: Path, number: int, change: dict[str, Any] | None = None, arff: bytes | None = None) -> dict[str, Path]:
    """OpenML's answers for one data set, laid out as fetch_openml keeps them; the files by their kind.

    scikit-learn cut the larger data files for its tests, so the descriptions get the MD5 of the cut files.
    """
    answers_folder = SHIPPED / f"id_{number}"
    data = next(answers_folder.glob("data-v1-dl-*.arff.gz"))
    description = json.loads(content(answers_folder / f"api-v1-jd-{number}.json.gz"))
    description["data_set_description"] |= {"url": "https://www.openml.org/data/v1/download/x.arff"}
    raw = content(data) if arff is None else arff
    description["data_set_description"] |= {"md5_checksum": hashlib.md5(raw).hexdigest()} | (change or {})
    home = folder / "openml" / "openml.org"
    paths = {"arff": home / "data" / "v1" / "download" / "x.arff.gz"}
    answers = {"arff": raw, "jd": json.dumps(description).encode()}
    for kind, place in KINDS.items():
        paths[kind] = home / place / f"{number}.gz"
        if kind == "jdq" and not (answers_folder / f"api-v1-{kind}-{number}.json.gz").exists():
            answers[kind] = b'{"data_qualities": {"quality": []}}'
        elif kind != "jd":
            answers[kind] = content(answers_folder / f"api-v1-{kind}-{number}.json.gz")
    for kind, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(answers[kind]))
    return paths


@pytest.fixture(autouse=True)
def network(monkeypatch):
    """The addresses of requests, none of which is answered. Requests that the loader itself refuses are not among them."""
    addresses: list[str] = []

    def refuse(handler: Any, request: Any) -> None:
        addresses.append(request.full_url)
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(urllib.request.HTTPSHandler, "https_open", refuse)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return addresses


def read(folder: Path, number: int, download: bool = False, **params: Any):
    with data_folder(folder, download):
        return openml(number, **({"label": None, "drop": None, "missing": "refuse"} | params))


def test_iris_has_scikit_learn_s_rows(tmp_path: Path, network: list[str]) -> None:
    fill(tmp_path, 61)
    arrays = read(tmp_path, 61)
    x, y = sklearn.datasets.load_iris(return_X_y=True)
    assert arrays.x.shape == (150, 4)
    np.testing.assert_array_equal(arrays.y, y)
    # two cells of scikit-learn's copy differ from UCI's, which OpenML has, in four places
    assert (np.abs(arrays.x - x) > 1e-6).sum() <= 4
    assert arrays.notes[0] == "classes of 'class' in order: Iris-setosa, Iris-versicolor, Iris-virginica"
    for word in ("OpenML data set 61: iris, version 1", "licence Public", "MD5"):
        assert word in arrays.notes[1]
    assert network == []
    record = run("ce", "openml:id=61", epochs=10, settings=["ce.lr=0.01"], data_dir=tmp_path, results=None)
    assert record.metrics["accuracy"] > 0.8


def test_titanic_has_words_numbers_and_missing_cells(tmp_path: Path) -> None:
    fill(tmp_path, 40945)
    with pytest.raises(InputError, match="column 'name'"):
        read(tmp_path, 40945, missing="indicate")
    with pytest.raises(InputError, match="column 'age': 263 of 1309 cells are missing") as raised:
        read(tmp_path, 40945, drop="name;ticket;cabin;boat;body;home.dest")
    assert "missing=indicate" in raised.value.hint
    arrays = read(tmp_path, 40945, drop="name;ticket;cabin;boat;body;home.dest", missing="indicate")
    assert arrays.notes[0] == "classes of 'survived' in order: 0, 1"
    assert np.bincount(arrays.y).tolist() == [809, 500], "OpenML's own counts"
    # pclass sex(2) age+gap sibsp parch fare+gap embarked(3+gap)
    assert arrays.x.shape == (1309, 1 + 2 + 2 + 1 + 1 + 2 + 4)
    assert arrays.x[:, 4].sum() == 263
    np.testing.assert_array_equal(arrays.x[:, 1] + arrays.x[:, 2], 1)
    assert arrays.x[0, 3] == 29  # the first passenger, Miss Allen, aged 29
    classes = read(
        tmp_path, 40945, missing="indicate", drop="name;ticket;cabin;boat;body;home.dest", categorical="pclass"
    )
    np.testing.assert_array_equal(classes.x[:, :3].argmax(1) + 1, arrays.x[:, 0])
    np.testing.assert_array_equal(classes.x[:, 3:], arrays.x[:, 1:])
    with pytest.raises(InputError, match="categorical=survived: the column is the label"):
        read(tmp_path, 40945, missing="indicate", categorical="survived")
    sexes = read(tmp_path, 40945, label="sex", drop="name;ticket;cabin;boat;body;home.dest;age;fare;embarked")
    assert sexes.notes[0] == "classes of 'sex' in order: female, male"


def test_nominal_columns_of_numbers_are_words(tmp_path: Path) -> None:
    raw = b"@RELATION r\n@ATTRIBUTE code {1,2,30}\n@ATTRIBUTE size REAL\n@ATTRIBUTE class {7,9}\n@DATA\n"
    raw += b"30,1.5,9\n1,2,7\n2,?,7\n1,4,9\n"
    files = fill(tmp_path, 61, {"default_target_attribute": "class"}, raw)
    names = {"code": "nominal", "size": "numeric", "class": "nominal"}
    columns = [
        {"index": str(i), "name": name, "data_type": kind, "is_target": str(name == "class").lower()}
        | {"is_ignore": "false", "is_row_identifier": "false", "number_of_missing_values": str(int(name == "size"))}
        for i, (name, kind) in enumerate(names.items())
    ]
    files["jdf"].write_bytes(gzip.compress(json.dumps({"data_features": {"feature": columns}}).encode()))
    arrays = read(tmp_path, 61, missing="indicate")
    np.testing.assert_array_equal(
        arrays.x, np.float32([[0, 0, 1, 1.5, 0], [1, 0, 0, 2, 0], [0, 1, 0, 0, 1], [1, 0, 0, 4, 0]])
    )
    assert arrays.y.tolist() == [1, 0, 0, 1]


def test_several_targets_are_several_labels(tmp_path: Path) -> None:
    fill(tmp_path, 40589)  # emotions of music, six labels a row
    arrays = read(tmp_path, 40589)
    assert arrays.y.shape[1] == 6
    assert set(np.unique(arrays.y)) == {0, 1}
    assert "yes is TRUE, no is FALSE" in arrays.notes[0]


def test_without_download_no_request_is_made(tmp_path: Path, refused, network: list[str]) -> None:
    command = ("run", "-m", "ce", "-d", "openml:id=61", "--data-dir", "data")
    says = ("is not in the data folder", str(Path("data") / "openml"))
    error = refused(*command, says=says, hint="--download")
    assert "https://www.openml.org/d/61" in error
    files = fill(tmp_path / "data", 61)
    for kind in ("arff", "jdq", "jdf", "jd"):
        files[kind].unlink()
        refused(*command, says=("is not in the data folder", files[kind].name), hint="--download")
    assert network == []


def test_a_fetch_that_fails_leaves_nothing(tmp_path: Path, network: list[str], cli) -> None:
    ran = cli("run", "-m", "ce", "-d", "openml:id=61", "--data-dir", "data", "--download")
    assert ran.code == 1, ran.err
    assert "no network in tests" in ran.err
    assert "Traceback" not in ran.err
    assert network
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_another_md5_is_refused_and_removed(tmp_path: Path, network: list[str]) -> None:
    files = fill(tmp_path, 61)
    files["arff"].write_bytes(gzip.compress(content(files["arff"]).replace(b"5.1", b"5.2")))
    with pytest.raises(InputError, match="could not be read, and scikit-learn removed it: The md5 checksum"):
        read(tmp_path, 61)
    assert not files["arff"].exists()
    assert network == []
    fill(tmp_path, 61)
    files["arff"].write_bytes(files["arff"].read_bytes()[:-30])
    with pytest.raises(InputError, match="scikit-learn removed it"):
        read(tmp_path, 61)
    fill(tmp_path, 61)
    files["jd"].write_bytes(gzip.compress(b"{"))
    with pytest.raises(InputError, match="scikit-learn removed it"):
        read(tmp_path, 61)


def test_a_wrong_file_from_the_server_is_not_kept(tmp_path: Path, monkeypatch) -> None:
    files = fill(tmp_path, 61)
    published = content(files["arff"])
    served = {"arff": published.replace(b"5.1", b"5.2")}
    files["arff"].unlink()

    def answer(handler: Any, request: Any) -> Any:
        response = addinfourl(io.BytesIO(served["arff"]), Message(), request.full_url, 200)
        response.msg = "OK"
        return response

    monkeypatch.setattr(urllib.request.HTTPSHandler, "https_open", answer)
    with pytest.raises(InputError, match="md5 checksum"):
        read(tmp_path, 61, download=True)
    assert not files["arff"].exists()
    assert files["jd"].exists()
    served["arff"] = published
    assert read(tmp_path, 61, download=True).x.shape == (150, 4)
    assert files["arff"].exists()


def test_unknown_numbers_and_unreadable_forms_are_refused(tmp_path: Path, monkeypatch) -> None:
    fill(tmp_path, 61)
    with pytest.raises(InputError, match="there is no column 'clas'"):
        read(tmp_path, 61, label="clas")
    fill(tmp_path, 292)  # sparse
    with pytest.raises(InputError, match="sparse"):
        read(tmp_path, 292)
    fill(tmp_path, 61, {"status": "deactivated"})
    assert "OpenML marks this version as deactivated" in read(tmp_path, 61).notes

    def unknown(handler: Any, request: Any) -> None:
        raise urllib.error.HTTPError(request.full_url, 412, "Unknown dataset", {}, None)  # type: ignore[arg-type]

    monkeypatch.setattr(urllib.request.HTTPSHandler, "https_open", unknown)
    with pytest.raises(InputError, match="data_id 999999 not found"):
        read(tmp_path, 999_999, download=True)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="needs pandas") as raised:
        read(tmp_path, 61)
    assert 'pip install "calibench[openml]"' in raised.value.hint


def test_a_server_error_is_a_failed_run(tmp_path: Path, network: list[str]) -> None:
    with pytest.raises(RunError, match=r"cannot download it from openml\.org"):
        read(tmp_path / "new", 61, download=True)
    assert list(tmp_path.iterdir()) == []
