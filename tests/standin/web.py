"""A small HTTP server in threads of the test: it keeps a log, and can be told to answer wrongly."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from standin.link import Link

PIECES = 16
"""Pieces in which a slow body is sent."""


@dataclass
class Request:
    """A request, with the status of its answer (0 without one) and the number of bytes sent; `path` is decoded."""

    method: str
    path: str
    query: str
    headers: Message
    body: bytes
    status: int = 0
    sent: int = 0

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """Names and values of the query, then of a form in the body, in their order."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        if self.headers.get_content_type() == "application/x-www-form-urlencoded":
            pairs += parse_qsl(self.body.decode(), keep_blank_values=True)
        return pairs

    def values(self, name: str) -> list[str]:
        """Every value of a parameter."""
        return [value for key, value in self.parameters if key == name]

    @property
    def authorization(self) -> tuple[str, str]:
        """Scheme in lower case and credentials of the Authorization header; empty where there is none."""
        scheme, _, credentials = (self.headers.get("Authorization") or "").partition(" ")
        return scheme.lower(), credentials.strip()

    @property
    def file(self) -> str:
        """Last part of the path."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Reply:
    """An answer and how it is delivered.

    Attributes
    ----------
    status : int
        0 closes the connection without an answer.
    length : int, optional
        The Content-Length to send if it is not the body's; the connection is closed after the body.
    reset : bool
        End with a reset of the connection after the body.
    seconds : float
        Time over which the body is sent, in pieces.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None
    reset: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Exchange:
    """A request that is about to be answered, how to make the right answer, and when the server closes."""

    request: Request
    answer: Callable[[], Reply]
    closing: threading.Event


Fault = Callable[[Exchange], Reply]
"""Makes the answer to a request in another way than the server would."""

Faults = list[Fault | None] | Fault
"""A list is used up, one entry a request, None for the right answer; a lone fault stays for ever."""


@dataclass
class WebServer:
    """Listens on a free port of this machine from its making until `close`.

    Attributes
    ----------
    handle : callable
        Makes the right answer to a request; an exception is answered with status 500 and kept in `errors`.
    tls : ssl.SSLContext, optional
        For HTTPS.
    host : str
        Name by which clients are told to call it.
    log : list of Request
        In order of arrival; an entry is there before its answer is sent.
    faults : list or callable
        What goes wrong with the coming requests; see `Faults`.
    faults_at : dict
        The same for requests whose path has a text in it; goes before `faults`, which are then not used up.
    errors : list of str
        What failed in the server itself.
    link : Link, optional
        A slow link between the server and its clients.
    """

    handle: Callable[[Request], Reply]
    tls: ssl.SSLContext | None = None
    host: str = "localhost"
    log: list[Request] = field(default_factory=list)
    faults: Faults = field(default_factory=list)
    faults_at: dict[str, Faults] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    link: Link | None = None

    def __post_init__(self) -> None:
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._listener = _Listener(self)
        # a short poll: `shutdown` waits for one
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self._listener.server_address[1]}"

    @property
    def served(self) -> Counter[str]:
        """How often bytes of each file were sent."""
        return Counter(request.file for request in self.log if request.status == 200 and request.sent)

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self.tls else 'http'}://{self.address}"

    def answer(self, request: Request) -> Reply:
        """Log a request and answer it, rightly or as the faults have it."""
        with self._lock:
            self.log.append(request)
            fault = self._next_fault(request)
        try:
            exchange = Exchange(request, lambda: self.handle(request), self.closing)
            reply = fault(exchange) if fault else exchange.answer()
        except Exception:
            self.errors.append(f"{request.method} {request.path}?{request.query}\n{traceback.format_exc()}")
            reply = Reply(500, b"the stand-in server failed")
        request.status = reply.status
        return reply

    def _next_fault(self, request: Request) -> Fault | None:
        for text, faults in [*self.faults_at.items(), ("", self.faults)]:
            if text in request.path and faults:
                return faults.pop(0) if isinstance(faults, list) else faults
        return None

    def close(self) -> None:
        """Stop listening, let go of requests that are held, close connections."""
        self.closing.set()
        self._listener.shutdown()
        self._listener.server_close()
        self._listener.close_connections()
        self._thread.join()


class _Listener(ThreadingHTTPServer):
    """The listening socket; knows its open connections and their threads."""

    request_queue_size = 128

    def __init__(self, server: WebServer) -> None:
        self.owner = server
        self.connections: dict[threading.Thread, socket.socket] = {}
        super().__init__(("127.0.0.1", 0), _Handler)
        if server.tls:
            # the handshake is left to the connection's thread
            self.socket = server.tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        self.connections[thread] = request
        thread.start()

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            self.connections.pop(threading.current_thread(), None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if not isinstance(error, OSError):  # a client may go away
            self.owner.errors.append("".join(traceback.format_exception(error)))

    def close_connections(self) -> None:
        for thread, connection in list(self.connections.items()):
            with contextlib.suppress(OSError):  # closed by then
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # past TLS, which its own thread is using
            thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one go
    server: _Listener

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, unquote(parts.path), parts.query, self.headers, body)
        if self.server.owner.link:
            self.server.owner.link.wait()
        self._send(request, self.server.owner.answer(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def _send(self, request: Request, reply: Reply) -> None:
        if not reply.status:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        length = len(reply.body) if reply.length is None else reply.length
        self.send_header("Content-Length", str(length))
        if length != len(reply.body) or reply.reset:
            self.close_connection = True
        body = reply.body if request.method != "HEAD" else b""
        request.sent = len(body)
        self.end_headers()
        if self.server.owner.link:
            self.wfile.flush()
            self.server.owner.link.send(self.wfile.write, body)
            return
        pieces = PIECES if reply.seconds else 1
        step = -(-len(body) // pieces) or 1
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            self.wfile.flush()
            self.server.owner.closing.wait(reply.seconds / pieces)
        if reply.reset:
            self._reset()

    def _reset(self) -> None:
        time.sleep(0.05)  # for the client to read what was sent: a reset takes back what was not read
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: Any) -> None:
        """The log is a list, not standard error."""
