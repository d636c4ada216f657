"""Servers that break off, send too much, or send something else."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults import Fault, LostError, Place

from calibench.data.download import download
from calibench.data.published import PublishedFile
from calibench.errors import RunError
from calibench.progress import quiet

CONTENT = bytes(range(256)) * 2000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def served(answer: Callable[[Any, int], None]) -> Callable[[Place, int], str]:
    """A download from a server on this machine that answers its first request so, and then as it should."""

    def inject(place: Place, _: int) -> str:
        requests: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(str(self.headers.get("Range")))
                start = int(requests[-1].removeprefix("bytes=").rstrip("-")) if requests[-1] != "None" else 0
                if len(requests) == 1:
                    answer(self, start)
                    return
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
                self.send_header("Content-Length", str(len(CONTENT) - start))
                self.end_headers()
                self.wfile.write(CONTENT[start:])

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        target = place.folder / "data" / "a.bin"
        try:
            return _twice(f"http://127.0.0.1:{server.server_port}/a.bin", target, requests)
        finally:
            server.shutdown()
            server.server_close()

    return inject


def _twice(url: str, target: Path, requests: list[str]) -> str:
    file = PublishedFile(name="a.bin", url=url, sha256=DIGEST, size=len(CONTENT))
    try:
        download(file, target, quiet)
    except RunError as error:
        saw = error.message.replace(url, "URL")
    else:
        raise LostError("a wrong download was taken")
    if target.exists():
        raise LostError("a wrong file is in place")
    download(file, target, quiet)
    if target.read_bytes() != CONTENT:
        raise LostError("the file is another one")
    resumed = "; the next call asks for the rest" if requests[-1] != "None" else "; the next call starts again"
    return f"{saw.partition(' from URL')[2].lstrip(': ')}{resumed}"


def _break_off(handler: Any, _: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT[:300_000])


def _send(content: bytes) -> Callable[[Any, int], None]:
    def answer(handler: Any, _: int) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def _error(handler: Any, _: int) -> None:
    handler.send_error(503)


FAULTS = [
    Fault("a download breaks off", "the server closes after 300 000 of 512 000 bytes", 1, served(_break_off)),
    Fault("a download is another file", "as many bytes, others", 1, served(_send(CONTENT[::-1]))),
    Fault("a download does not end", "the server sends more than it should", 1, served(_send(CONTENT * 2))),
    Fault("a server is down", "status 503", 1, served(_error)),
]
