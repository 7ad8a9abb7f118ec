"""A granule in the stand-in archive, and what a test needs to fetch it and to look for secrets afterwards."""

from __future__ import annotations

import base64
import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from s1monthly.errors import S1MonthlyError, SourceError
from s1monthly.granule_names import layer_file
from s1monthly.granules import Granule
from s1monthly.sources import retries
from s1monthly.sources.asf.fetching import Fetcher
from standin import Archive, WebServer, World, standins
from standin.umm_g import BUCKET, PREFIX
from support.granules import write_granule


@dataclass
class Scene:
    """Servers with one granule, and the granule as a search lists it.

    Attributes
    ----------
    world : World
    granule : Granule
        With addresses, sizes and MD5 of its layers.
    folder : Path
        For what a run writes.
    """

    world: World
    granule: Granule
    folder: Path

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of a Fetcher that uses HTTPS and no cache."""
        hosts = self.world.hosts
        return {
            "login": hosts.login,
            "s3_credentials": hosts.s3_credentials,
            "s3_endpoint": hosts.s3_endpoint,
            "trusted": hosts.trusted,
            "access": "https",
            "cache_dir": None,
            "cache_max_bytes": 10**9,
            "keys_dir": str(self.folder / "keys"),
            "link_dir": str(self.folder / "connections"),
            "seconds": 20.0,
        }

    def fetcher(self, **options: Any) -> Fetcher:
        """A Fetcher, with some options changed."""
        return Fetcher(**(self.options | options))

    def refusal(self, kind: type[S1MonthlyError] = SourceError, **options: Any) -> str:
        """Fetch VV in vain; return the message, which names granule and layer and shows no query and no secret."""
        with pytest.raises(kind) as caught:
            self.fetch(self.fetcher(**options), self.one)
        message = str(caught.value)
        assert f"granule {self.granule.id}: layer VV: " in message and "?" not in message
        assert any(address in message for layer in self.one.layers for address in (layer.url, layer.s3_url))
        shown = shown_by(caught.value)
        assert not [secret for secret in self.secrets() if secret in shown]
        return message

    def fetch(self, fetcher: Fetcher | None = None, granule: Granule | None = None) -> dict[str, bytes]:
        """Fetch the granule and return the pixels of its layers."""
        with (fetcher or self.fetcher()).in_memory(granule or self.granule, ("VV", "VH", "mask")) as ready:
            return {layer.name: pixels(layer.url) for layer in ready.layers}

    @property
    def archived(self) -> dict[str, bytes]:
        """Pixels of the layers that the archive holds."""
        layers = self.world.archive.entries[self.granule.id].granule.layers
        return {layer.name: pixels(layer.url) for layer in layers}

    @property
    def one(self) -> Granule:
        """The granule with its VV layer alone."""
        return replace(self.granule, layers=tuple(layer for layer in self.granule.layers if layer.name == "VV"))

    @property
    def signed(self) -> WebServer:
        """The server that sends the files."""
        return self.world.earthdata.signed

    def listed(self, **changes: Any) -> Granule:
        """The granule with something changed in all its layers."""
        return replace(self.granule, layers=tuple(replace(layer, **changes) for layer in self.granule.layers))

    def secrets(self) -> set[str]:
        """Everything that must not be told: the login, sessions, keys, signatures."""
        world, account = self.world, self.world.account
        basic = base64.b64encode(f"{account.user}:{account.password}".encode()).decode()
        secrets = {account.password, basic, *account.tokens, *account.sessions}
        for keys in world.keys.issued:
            secrets |= {keys.access_key, keys.secret_key, keys.session_token}
        for request in world.earthdata.signed.log:
            secrets |= set(request.values("Signature"))
        return secrets


@contextmanager
def archive_scene(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Serve a granule, make this process trust the servers, and let tries follow each other quickly."""
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(retries, "LONGEST_WAIT", 0.05)
    noise = np.random.default_rng(1).random((3, 200, 200), np.float32)
    layers = {"VV": noise[0], "VH": noise[1], "mask": (noise[2] > 0.9).astype(np.uint8)}
    archive = Archive()
    granule = write_granule(folder / "archive", layers)
    entry = archive.add(granule)
    with standins(archive) as world:
        world.enter(monkeypatch)
        listed = []
        for layer in entry.granule.layers:
            file = layer_file(granule.id, layer.name)
            s3_url = f"s3://{BUCKET}/{PREFIX}/{granule.id}/{file}"
            listed.append(replace(layer, url=f"https://{world.hosts.data}/RTC/OPERA-S1/{file}", s3_url=s3_url))
        yield Scene(world, replace(granule, layers=tuple(listed)), folder)


def pixels(path: str | Path) -> bytes:
    """Pixels of a raster, as bytes that can be compared."""
    with rasterio.open(path) as dataset:
        values: bytes = dataset.read(1).tobytes()
    return values


def shown_by(error: BaseException) -> str:
    """All that an error could show: itself, what led to it, and the variables of our code at the time."""
    shown, seen, queue = [], [], [error]
    while queue:
        each = queue.pop()
        if each in seen:
            continue
        seen.append(each)
        shown += [str(each), repr(each), repr(vars(each))]
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                shown += [repr(value) for value in frame.f_locals.values()]
        queue += [led for led in (each.__cause__, each.__context__) if led]
    return "\n".join(shown)


def written_in(folder: Path, *but: str) -> str:
    """Content of every file in a folder, but those of some names."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in but]
    return "\n".join(path.read_bytes().decode("latin-1") for path in files)


@contextmanager
def connect_proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy that knows CONNECT: its host and port, and the first line of every request it gets."""
    asked: list[str] = []

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                client, _ = listener.accept()
                asked.append(client.recv(1 << 16).decode().split("\r\n")[0])
                host, port = asked[-1].split()[1].rsplit(":", 1)
                server = socket.create_connection((host, int(port)))
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=copy, args=ends, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)
