"""Only the page of this server, opened on this machine by its secret address, is answered; no other file is."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from s1monthly.errors import FileError
from s1monthly.explorer.server import make_server
from support.explored_tree import explored_tree
from support.explorer_page import served

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
TEXT, CLOSED = "81", "88"
"""First byte of a websocket's frame (RFC 6455, 5.2): a text, or that the server closes it."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    tree = tmp_path_factory.mktemp("tree")
    explored_tree(tree, 2)
    with served(tree) as address:
        yield address


def ask(address: str, path: str = "", **headers: str) -> tuple[int, str]:
    """Send one request exactly as it is written; return status and body, of a websocket its first byte."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    connection.request("GET", path if path.startswith("/") else place.path + path, headers=headers)
    answer = connection.getresponse()
    content = answer.fp.read(1) if answer.status == 101 else answer.read()
    body = content.hex() if answer.status == 101 else content.decode("utf-8", "replace")
    connection.close()
    return answer.status, body


def test_the_page_is_given_to_its_own_address_alone(address: str) -> None:
    port = urlsplit(address).port
    status, body = ask(address)
    assert status == 200 and "s1monthly explorer" in body
    assert ask(address, Host=f"localhost:{port}", Origin=f"http://localhost:{port}")[0] == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1.evil.example:{port}"):
        assert ask(address, Host=host)[0] == 403
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{(port or 0) + 1}", f"http://evil.example:{port}"):
        assert ask(address, Origin=origin)[0] == 403


def test_a_websocket_needs_the_pages_origin_and_its_token(address: str) -> None:
    place = urlsplit(address)
    own = f"http://{place.netloc}"
    token = re.search(r'"token":"([^"]+)"', ask(address)[1])
    assert token
    protocol = {"Sec-WebSocket-Protocol": f"bokeh, {token[1]}"}
    assert ask(address, "ws", **UPGRADE, **protocol, Origin=own) == (101, TEXT)
    assert ask(address, "ws", **UPGRADE, **protocol, Origin="http://evil.example")[0] == 403
    assert ask(address, "ws", **UPGRADE, **protocol, Origin=own, Host="evil.example")[0] == 403
    header, _, signature = token[1].partition(".")
    forged = f"{header}.{signature[::-1]}"
    assert ask(address, "ws", **UPGRADE, Origin=own, **{"Sec-WebSocket-Protocol": f"bokeh, {forged}"}) == (101, CLOSED)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/ws",
        "/static/js/bokeh.min.js",
        "static/../../../../../../etc/passwd",
        "static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "static//etc/passwd",
        "static/extensions/../../../../etc/passwd",
        "static/extensions/x/../../../../etc/passwd",
        "10SGD_ASCENDING/zarr/S1_monthly.zarr/zarr.json",
        "../../etc/passwd",
    ],
)
def test_no_other_file_is_served(address: str, path: str) -> None:
    status, body = ask(address, path)
    assert status in (400, 403, 404) and "root:" not in body and "zarr_format" not in body


def test_it_listens_on_this_machine_alone(address: str) -> None:
    assert urlsplit(address).hostname == "127.0.0.1"
    port = urlsplit(address).port or 0
    with pytest.raises(FileError, match=f"port {port}"):
        make_server(lambda document: None, port)
