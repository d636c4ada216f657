"""`hf` from caches laid out as the Hub's own client lays them out, and from a server like the Hub; nothing leaves this machine."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from published_files import data_folder

from calibench import run

pytest.importorskip("datasets", reason="the library datasets is not installed")
pytest.importorskip("PIL.Image", reason="Pillow is not installed")
pytest.importorskip("pyarrow")

from hf_sets import read

pytestmark = pytest.mark.usefixtures("offline_hub")

COMMIT = "1f0c5d9b8a7e6f5d4c3b2a190817263544536271"


def write_cache(cache: Path, folder: Path) -> None:
    """A set as huggingface_hub keeps it: content in blobs/, links to it in snapshots/COMMIT, and refs/main naming the commit."""
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


@pytest.mark.slow
@pytest.mark.parametrize("revision", ["main", COMMIT])
@pytest.mark.parametrize("place", ["home/hub", "data/huggingface/people--things--"])
def test_a_run_reads_either_cache_without_a_network(place: str, revision: str, hf_folder: Path, tmp_path: Path) -> None:
    write_cache(tmp_path / (place + revision if place.endswith("--") else place), hf_folder)
    dataset = f"hf:path=people/things,revision={revision}"
    record = run("ce", dataset, "cnn:width=4", epochs=1, results=None, data_dir=tmp_path / "data")
    assert record.n["test"] == 8
    origin = f"read from people/things on the Hugging Face Hub, revision {revision}, commit {COMMIT}"
    assert origin in record.data["notes"][1]


def test_a_set_that_is_not_here_is_an_error_with_the_way_to_get_it(refused, tmp_path: Path) -> None:
    command = ("run", "-m", "ce", "--data-dir", "data", "-d")
    refused(*command, "hf:path=people/things", says=("people/things", "revision="), hint="pins it")
    folders = (str(Path("data") / "huggingface"), str(tmp_path / "home" / "hub"))
    error = refused(*command, "hf:path=people/things,revision=main", says=folders, hint="--download")
    assert "hf download people/things --repo-type dataset --revision main" in error
    refused(*command, "hf:path=./no/such/folder", says="there is no such folder")
    (tmp_path / "here").mkdir()
    refused(*command, "hf:path=here,revision=main", says="would do nothing")
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    refused(*command, "hf:path=x.csv", says="not a Parquet file")


def test_without_the_library_the_error_names_the_extra(refused, hf_folder: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    hint = 'pip install "calibench[vision]"'
    refused("run", "-m", "ce", "-d", "hf:path=set", says="needs the library datasets", hint=hint)


def test_a_local_set_does_not_use_the_data_folder(hf_folder: Path, refused, tmp_path: Path) -> None:
    refused("run", "-m", "ce", "-d", "hf:path=set", "--data-dir", "data", says="would do nothing", hint="--data-dir")
    with data_folder(tmp_path / "data") as folder:
        read(hf_folder)
    assert not folder.was_used


class HubHandler(http.server.BaseHTTPRequestHandler):
    """Answers the requests with which the Hub's client fetches people/things; of people/broken it denies the test file."""

    root = Path()
    requests: list[str] = []  # noqa: RUF012 - one log for the test that reads it

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.requests.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0].replace("broken", "things")
        file = self.root / path.removeprefix(f"/datasets/people/things/resolve/{COMMIT}/")
        if "/broken/" in self.path and "/data/test" in self.path:
            self.answer(b"{}", {}, 403)
        elif path.startswith("/api/datasets/people/things/tree/"):
            self.answer(self.tree())
        elif path.startswith("/api/datasets/people/things"):
            self.answer(self.info())
        elif path.startswith("/datasets/people/things/resolve/") and file.is_file():
            content = file.read_bytes()
            self.answer(content, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT})
        else:
            self.answer(b"{}", {"X-Error-Code": "RepoNotFound"}, 404)

    def names(self) -> list[str]:
        return sorted(str(p.relative_to(self.root)) for p in self.root.rglob("*") if p.is_file())

    def tree(self) -> bytes:
        files = [{"path": name, "size": (self.root / name).stat().st_size} for name in self.names()]
        return json.dumps([{"type": "file", "oid": "0"} | file for file in files]).encode()

    def info(self) -> bytes:
        siblings = [{"rfilename": name} for name in self.names()]
        info = {"_id": "1", "id": "people/things", "sha": COMMIT, "siblings": siblings}
        return json.dumps(info | {"private": False, "downloads": 0, "likes": 0, "tags": []}).encode()

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
def hub(hf_folder: Path):
    """A server like the Hub, with its address as `url` and the log of its `requests`."""
    handler = type("Handler", (HubHandler,), {"root": hf_folder, "requests": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    handler.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield handler
    server.shutdown()
    server.server_close()


STEPS = (
    ("things", False, "is neither in"),
    ("things", True, f"commit {COMMIT}"),
    ("things", False, f"commit {COMMIT}"),
    ("nothing", True, "no such public set"),
    ("broken", True, "cannot download"),
    ("broken", False, "is neither in"),
)
"""Name of the set, whether a download is allowed, and words in the one line that is printed."""

CODE = """
import json, sys
from calibench.data.folder import using_data_folder
from calibench.errors import CalibenchError
from calibench_datasets.sources.hf import SPEC, hf

for name, download, _ in json.loads(sys.argv[2]):
    params = {param.key: param.default for param in SPEC.params}
    params |= {"path": f"people/{name}", "revision": "main"}
    try:
        with using_data_folder(sys.argv[1], download, lambda *report: None):
            arrays = hf(**params)
        print("LINE rows", len(arrays.x), arrays.notes[1])
    except CalibenchError as error:
        print("LINE", type(error).__name__, str(error).replace(chr(10), " "))
"""


@pytest.mark.slow
def test_download_fetches_once_and_then_works_offline(hub, hf_folder: Path, tmp_path: Path) -> None:
    """In a process of its own, because the client reads HF_ENDPOINT when it is imported."""
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-c", CODE, str(tmp_path / "data"), json.dumps(STEPS)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    log = f"{ran.stdout}\n{ran.stderr}\n{hub.requests}"
    lines = [line for line in ran.stdout.splitlines() if line.startswith("LINE")]
    assert len(lines) == len(STEPS), log
    for line, (_, _, words) in zip(lines, STEPS, strict=True):
        assert words in line, log
    folders = {p.name for p in (tmp_path / "data" / "huggingface").iterdir()}
    assert folders == {"people--things--main", "people--broken--main.part"}, (
        "an incomplete set is not kept as a part to resume"
    )
    fetched = [line for line in hub.requests if line.startswith("GET /datasets/people/things")]
    assert len(fetched) == len(list(hf_folder.rglob("*.parquet"))), log
