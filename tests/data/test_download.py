"""Downloads of published files from a server on this machine: resumed, checked, and no wrong file is kept."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.server
import threading
from pathlib import Path
from typing import Any

import pytest

from calibench import InputError, RunError
from calibench.data.download import download
from calibench.data.folder import DataFolder, data_folder, using_data_folder
from calibench.data.published import PublishedFile
from calibench.progress import quiet

CONTENT = bytes(range(256)) * 4000  # 1 024 000 bytes


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `content`. Tests set `ranges`, `cut` (bytes after which it hangs up), `shift` (a wrong Content-Range) and `length`."""

    content = CONTENT
    ranges = True
    cut: int | None = None
    shift = 0
    length = True
    requested: list[str | None] = []  # noqa: RUF012 - the ranges of all requests, for the test that reads it

    def do_GET(self) -> None:
        kind = type(self)
        requested = self.headers.get("Range")
        kind.requested.append(requested)
        if self.path != "/set.bin":
            self.send_error(404)
            return
        start = int(requested.removeprefix("bytes=").rstrip("-")) if requested and kind.ranges else 0
        body = kind.content[start:]
        self.send_response(206 if requested and kind.ranges else 200)
        if requested and kind.ranges:
            begins = start + kind.shift
            self.send_header("Content-Range", f"bytes {begins}-{len(kind.content) - 1}/{len(kind.content)}")
        if kind.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # a client that has read enough hangs up
            self.wfile.write(body if kind.cut is None else body[: kind.cut])

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server():
    kind = type("Server", (Server,), {"requested": []})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    kind.url = f"http://127.0.0.1:{running.server_address[1]}/set.bin"
    yield kind
    running.shutdown()
    running.server_close()


def published(url: str, content: bytes = CONTENT, **fields: Any) -> PublishedFile:
    return PublishedFile("set.bin", url, len(content), **({"md5": hashlib.md5(content).hexdigest()} | fields))


def test_a_download_is_checked_reports_progress_and_leaves_one_file(server, tmp_path: Path) -> None:
    reports: list[tuple[str, float, int, str]] = []
    target = tmp_path / "new" / "folder" / "set.bin"
    download(published(server.url), target, lambda *report: reports.append(report))
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["set.bin"]
    assert reports[-1] == ("download set.bin", 1024, 1024, "kB")
    kilobytes = [done for _, done, _, _ in reports]
    assert kilobytes == sorted(kilobytes)


def test_a_broken_transfer_is_resumed_where_it_broke_off(server, tmp_path: Path) -> None:
    target = tmp_path / "set.bin"
    server.cut = 300_001
    with pytest.raises(RunError, match="ended after 300001 of 1024000 bytes") as raised:
        download(published(server.url), target, quiet)
    assert "resumed" in raised.value.hint
    assert (tmp_path / "set.bin.part").read_bytes() == CONTENT[:300_001]
    assert not target.exists()
    server.cut = None
    download(published(server.url), target, quiet)
    assert server.requested == [None, "bytes=300001-"]
    assert target.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["set.bin"]


def test_a_server_without_ranges_sends_the_whole_file_again(server, tmp_path: Path) -> None:
    (tmp_path / "set.bin.part").write_bytes(CONTENT[:1000])
    server.ranges = False
    download(published(server.url), tmp_path / "set.bin", quiet)
    assert (tmp_path / "set.bin").read_bytes() == CONTENT


def test_a_part_that_is_whole_is_not_requested_again(server, tmp_path: Path) -> None:
    (tmp_path / "set.bin.part").write_bytes(CONTENT)
    download(published(server.url), tmp_path / "set.bin", quiet)
    assert (tmp_path / "set.bin").read_bytes() == CONTENT
    assert server.requested == []


@pytest.mark.parametrize("start", [b"", b"x" * 1000, b"x" * (len(CONTENT) + 2)], ids=["fresh", "resumed", "too long"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"md5": "0" * 32}, "md5"),
        ({"md5": "", "sha256": hashlib.sha256(b"other").hexdigest()}, "sha256"),
        ({"size": 1_024_001}, "has 1024000 bytes, the published file 1024001"),
        ({"size": 1_023_999}, "has 1024000 bytes, the published file 1023999"),
    ],
)
def test_another_file_is_refused_and_not_kept(server, change: Any, message: str, start: bytes, tmp_path: Path) -> None:
    if start:
        (tmp_path / "set.bin.part").write_bytes(start)
    fields = {"name": "set.bin", "url": server.url, "size": len(CONTENT), "md5": hashlib.md5(CONTENT).hexdigest()}
    with pytest.raises(RunError, match=message):
        download(PublishedFile(**(fields | change)), tmp_path / "set.bin", quiet)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_states_no_length_is_stopped_in_time(server, tmp_path: Path) -> None:
    server.length = False
    with pytest.raises(RunError, match="more than the 1000 bytes"):
        download(published(server.url, CONTENT[:1000]), tmp_path / "set.bin", quiet)
    assert list(tmp_path.iterdir()) == []
    download(published(server.url), tmp_path / "set.bin", quiet)
    assert (tmp_path / "set.bin").read_bytes() == CONTENT


def test_a_response_with_the_wrong_range_is_refused(server, tmp_path: Path) -> None:
    (tmp_path / "set.bin.part").write_bytes(CONTENT[:1000])
    server.shift = 5
    with pytest.raises(RunError, match="asked for the bytes from 1000 on"):
        download(published(server.url), tmp_path / "set.bin", quiet)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_server_or_file_leaves_nothing_behind(server, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="Not Found"):
        download(published(server.url + "x"), tmp_path / "a" / "b" / "set.bin", quiet)
    with pytest.raises(RunError, match="refused"):
        download(published("http://127.0.0.1:9/set.bin"), tmp_path / "a" / "set.bin", quiet)
    assert list(tmp_path.iterdir()) == []


def test_two_processes_do_not_write_one_part(server, tmp_path: Path) -> None:
    part = tmp_path / "set.bin.part"
    with part.open("ab") as out:
        fcntl.flock(out, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="another process"):
            download(published(server.url), tmp_path / "set.bin", quiet)
    assert part.exists(), "the part of the first process was removed"
    assert server.requested == []


def test_the_folder_downloads_nothing_by_itself(server, tmp_path: Path) -> None:
    file = published(server.url)
    with pytest.raises(InputError) as raised:
        DataFolder(tmp_path).get("things", file, " (or else)")
    for word in ("things", "set.bin", str(tmp_path / "things"), str(tmp_path)):
        assert word in raised.value.message
    for word in ("--download", "1.02 MB", server.url, "or else", "--data-dir", "CALIBENCH_DATA"):
        assert word in raised.value.hint
    assert server.requested == []
    assert list(tmp_path.iterdir()) == []


def test_the_folder_downloads_once_and_checks_every_time(server, tmp_path: Path) -> None:
    file = published(server.url)
    path = DataFolder(tmp_path, download=True).get("things", file)
    assert path == tmp_path / "things" / "set.bin"
    assert DataFolder(tmp_path, download=True).get("things", file) == path
    assert server.requested == [None], "the file was there and was downloaded again"
    path.write_bytes(CONTENT[:5] + b"x" + CONTENT[6:])
    with pytest.raises(InputError, match="not the published file: its md5 is") as raised:
        DataFolder(tmp_path, download=True).get("things", file)
    for word in ("remove it", server.url, str(tmp_path / "things"), "searched first"):
        assert word in raised.value.hint
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match="it has 1023999 bytes, the published file 1024000"):
        DataFolder(tmp_path).get("things", file)
    path.rename(tmp_path / "set.bin").write_bytes(CONTENT)
    assert DataFolder(tmp_path).get("things", file) == tmp_path / "set.bin"


def test_the_folder_is_that_of_the_option_else_the_variable_else_the_cache(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("CALIBENCH_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder().path == tmp_path / ".cache" / "calibench" / "data"
    monkeypatch.setenv("CALIBENCH_DATA", "~/elsewhere")
    assert data_folder() == DataFolder(tmp_path / "elsewhere")
    with using_data_folder("~/stated", True, quiet):
        assert data_folder() == DataFolder(tmp_path / "stated", True, quiet)
    with using_data_folder(None, False, quiet):
        assert data_folder().path == tmp_path / "elsewhere"
    assert data_folder().path == tmp_path / "elsewhere"
    with pytest.raises(InputError, match="cannot look for"), using_data_folder("x" * 5000, False, quiet):
        pass
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="is a file"), using_data_folder(tmp_path / "file", False, quiet):
        pass


def test_a_file_of_unknown_size_is_checked_by_its_checksum(server, tmp_path: Path) -> None:
    file = PublishedFile("set.bin", server.url, None, md5=hashlib.md5(CONTENT).hexdigest())
    target = tmp_path / "set.bin"
    for length in (True, False):
        server.length = length
        (tmp_path / "set.bin.part").write_bytes(CONTENT[:1000])
        download(file, target, quiet)
        assert target.read_bytes() == CONTENT
        target.unlink()
    assert server.requested == [None, None], "a part is not resumed if the size of the file is unknown"
    server.length, server.cut = True, 5000
    with pytest.raises(RunError, match="ended after 5000 of 1024000 bytes"):
        download(file, target, quiet)
    server.cut = None
    wrong = PublishedFile("set.bin", server.url, None, md5="0" * 32)
    with pytest.raises(RunError, match="md5"):
        download(wrong, target, quiet)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError) as raised:
        DataFolder(tmp_path).get("things", file)
    assert "size unknown" in raised.value.hint


@pytest.mark.parametrize("idle", [("--data-dir", "data"), ("--download",)])
def test_a_data_folder_that_is_not_read_is_refused(idle: tuple[str, ...], refused, tmp_path: Path) -> None:
    says = ("dataset 'digits' reads no published files", "would do nothing")
    refused("run", "-m", "ce", "-d", "digits", *idle, says=says, hint="leave out")


def test_noise_alone_may_read_the_data_folder(refused, tmp_path: Path) -> None:
    command = ("run", "-m", "ce", "--noise", "cifar10n:set=worse", "--data-dir", "data")
    refused(*command, says="there is no CIFAR-10_human.pt")
