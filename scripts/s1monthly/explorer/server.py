"""A Bokeh server for one person on this machine: it listens on 127.0.0.1 alone and answers its own page alone."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from bokeh.server.util import bind_sockets
from bokeh.settings import settings
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.web import ErrorHandler

from s1monthly.errors import FileError

ADDRESS = "127.0.0.1"


class _OwnPageOnly(BokehTornado):
    """Refuses (403) requests for another host, as after DNS rebinding, and those that a foreign page sends."""

    def __init__(self, *given: Any, hosts: frozenset[str], **options: Any) -> None:
        self.hosts = hosts
        super().__init__(*given, extra_websocket_origins=sorted(hosts), **options)

    def find_handler(self, request: HTTPServerRequest, **options: Any) -> Any:
        origin = request.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc not in self.hosts
        if foreign or request.headers.get("Host") not in self.hosts:
            return self.get_handler_delegate(request, ErrorHandler, {"status_code": 403})
        return super().find_handler(request, **options)


def make_server(build: Callable[[Document], None], port: int = 0) -> BaseServer:
    """Return a server that is bound, but not started: a page for each visit, under a path that nobody can guess.

    The path keeps out other users of this machine. All resources are Bokeh's own files; no route serves others.

    Parameters
    ----------
    build : callable
        Fills the document of a visit.
    port : int
        Port, 0 for any that is free.

    Raises
    ------
    FileError
        If the port cannot be used.
    """
    try:
        sockets, port = bind_sockets(ADDRESS, port)
    except OSError as error:
        raise FileError(f"port {port}: {error.strerror}", "give another --port, or 0 for any that is free") from error
    settings.resources = "server"  # whatever the environment says: nothing is fetched from elsewhere
    application = _OwnPageOnly(
        Application(FunctionHandler(build)),
        hosts=frozenset({f"{ADDRESS}:{port}", f"localhost:{port}"}),
        prefix=secrets.token_urlsafe(16),
        secret_key=secrets.token_bytes(32),
        sign_sessions=True,
    )
    server = HTTPServer(application)
    server.add_sockets(sockets)
    return BaseServer(IOLoop.current(), application, server)


def address_of(server: BaseServer) -> str:
    """Return the address of the page."""
    return f"http://{server.address}:{server.port}{server.prefix}/"
