"""A server of a folder that knows ranges, as object storage and CDNs do; it counts requests and bytes.

It is a process of its own: GDAL holds Python's lock while it waits for an answer.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

LOG = "/-/log"
"""Path at which the server tells what it was asked."""


class Asked(NamedTuple):
    """A request: method, path, status of the answer, bytes of its body."""

    method: str
    path: str
    status: int
    bytes: int


@dataclass
class Traffic:
    """Requests and bytes of bodies sent."""

    requests: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Ranged:
    """A running server."""

    url: str

    @property
    def log(self) -> list[Asked]:
        """All requests so far."""
        with urlopen(f"{self.url}{LOG}", timeout=20) as answer:
            return [Asked(*one) for one in json.load(answer)]

    @contextmanager
    def counted(self) -> Iterator[Traffic]:
        """Count what is asked within the block."""
        traffic, before = Traffic(), len(self.log)
        yield traffic
        asked = self.log[before:]
        traffic.requests, traffic.bytes = len(asked), sum(one.bytes for one in asked)


@contextmanager
def ranged(folder: Path) -> Iterator[Ranged]:
    """Serve the files of a folder."""
    command = [sys.executable, "-m", "support.ranged", str(folder)]
    tests = Path(__file__).resolve().parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent / "scripts")])}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield Ranged(process.stdout.readline().strip())
        finally:
            process.terminate()


def main(folder: Path) -> None:
    """Serve until standard input is closed."""
    from standin.web import Reply, Request, WebServer

    def answer(request: Request) -> Reply:
        if request.path == LOG:
            asked = [(r.method, r.path, r.status, r.sent) for r in server.log if r.path != LOG]
            return Reply(200, json.dumps(asked).encode())
        path = folder / request.path.lstrip("/")
        if request.method not in ("GET", "HEAD") or not path.is_file():
            return Reply(404)
        size = path.stat().st_size
        headers = [("Accept-Ranges", "bytes"), ("Last-Modified", "Tue, 01 Dec 2026 00:00:00 GMT")]
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range") or "")
        if not match:
            return Reply(200, path.read_bytes(), tuple(headers))
        first, last = match.groups()
        start = int(first) if first else max(0, size - int(last))
        end = min(int(last), size - 1) if first and last else size - 1
        if start > end:
            return Reply(416, b"", (*headers, ("Content-Range", f"bytes */{size}")))
        with open(path, "rb") as stream:
            stream.seek(start)
            body = stream.read(end - start + 1)
        return Reply(206, body, (*headers, ("Content-Range", f"bytes {start}-{end}/{size}")))

    server = WebServer(answer)
    print(server.url, flush=True)
    sys.stdin.read()
    server.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
