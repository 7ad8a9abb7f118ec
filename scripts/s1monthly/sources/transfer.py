"""Read bytes from a server under one time limit; describe faults without secrets."""

from __future__ import annotations

import http.client
import io
import logging
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from s1monthly import VERSION
from s1monthly.sources.retries import FinalFault, PassingFault, retry_after

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
"""Longest wait for a connection, and for the next bytes."""

PIECE = 1 << 16
"""Bytes read at a time."""

PAGE = 1 << 16
"""Largest number of bytes read from an answer that is not a file."""

PASSING = {408, 425, 429}
"""HTTP statuses below 500 that may pass."""

SLOW_DOWN = {429, 503}
"""HTTP statuses of a server that asks for fewer requests."""

MOST_REDIRECTS = 12
"""A login needs five redirects."""


class Clock:
    """A time limit that all tries share, in seconds from now; it is over at once when `given_up` is set."""

    def __init__(self, seconds: float, given_up: threading.Event | None = None) -> None:
        self._end = time.monotonic() + seconds
        self._given_up = given_up or threading.Event()

    @property
    def left(self) -> float:
        """Seconds left; 0 when time is up."""
        return 0.0 if self.given_up else max(0.0, self._end - time.monotonic())

    @property
    def given_up(self) -> bool:
        """True if nobody waits for the result any more."""
        return self._given_up.is_set()

    def sleep(self, seconds: float) -> None:
        """Wait, until given up."""
        self._given_up.wait(seconds)

    @property
    def timeouts(self) -> tuple[float, float]:
        """Seconds to wait for a connection and for the next bytes; at least one, or no try could succeed."""
        left = max(1.0, self.left)
        return min(CONNECT_SECONDS, left), min(READ_SECONDS, left)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the clock for a while."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._end += time.monotonic() - begun


@dataclass(frozen=True)
class Answer:
    """A server's answer, after all redirects.

    Attributes
    ----------
    url : str
        Address without its query, which may hold a signature.
    redirected : bool
        Whether the first address was another one.
    content_type : str
        In lower case, without parameters.
    wait : float
        Seconds that the server asks to wait before the next try.
    total : int
        Bytes of the whole file, if a part was asked for and came; else -1.
    body : bytes
        Not shown by ``repr``: it may hold keys.
    """

    status: int
    url: str
    redirected: bool
    content_type: str
    wait: float
    body: bytes = field(repr=False)
    total: int = -1

    @property
    def host(self) -> str:
        """Host that answered."""
        return urlsplit(self.url).hostname or ""


class Session(requests.Session):
    """A session in which a function gives the Authorization header of every request and redirect, by its address.

    Without a function it sends none.

    On its own, `requests` sends netrc entries (even ``default``) to any host and drops the token at every redirect to
    another host. Proxies and certificates come from the environment as usual.
    """

    def __init__(self, authorization: Callable[[str], str | None] = lambda url: None) -> None:
        super().__init__()
        self._authorization = authorization
        self.auth = self._authorize
        self.max_redirects = MOST_REDIRECTS
        # identity: the archive's own bytes, so that their number can be compared
        self.headers.update({"User-Agent": f"s1monthly/{VERSION}", "Accept-Encoding": "identity"})

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        value = self._authorization(request.url or "")
        if value:
            request.headers["Authorization"] = value
        return request

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Set the header of a redirect."""
        self._authorize(prepared_request)


class _Stream(Protocol):
    def read1(self, amount: int, /) -> bytes: ...


def get(
    session: requests.Session,
    url: str,
    clock: Clock,
    max_bytes: int | None = None,
    part: tuple[int, int] | None = None,
) -> Answer:
    """Get an address, following redirects; `clock` and `max_bytes` limit the reading as in `read_body`.

    With a part, first byte and end, the server may send only these bytes, with status 206.

    Raises
    ------
    PassingFault
        If the connection fails or the body is cut short.
    FinalFault
        If the address or the server's certificate is not usable.
    """
    fault: Exception
    try:
        headers = {"Range": f"bytes={part[0]}-{part[1] - 1}"} if part else None
        with session.get(url, stream=True, timeout=clock.timeouts, headers=headers) as response:
            if response.status_code in (200, 206):
                length = response.headers.get("Content-Length", "")
                body = read_body(response.raw, clock, max_bytes, int(length) if length.isdecimal() else None)
            else:
                body = _page(response.raw, clock)
            return Answer(
                response.status_code,
                without_query(response.url),
                bool(response.history),
                response.headers.get("Content-Type", "").split(";")[0].strip().lower(),
                retry_after(response.headers.get("Retry-After"), response.headers.get("Date")),
                body,
                _total(response.headers.get("Content-Range", "")),
            )
    except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
        fault = fault_of(error)
    raise fault  # raised here, so that it does not chain the error, which may quote a signed address


def _total(content_range: str) -> int:
    """Return the bytes of a whole file, from a header Content-Range (RFC 9110, 14.4), or -1."""
    match = re.fullmatch(r"bytes \d+-\d+/(\d+)", content_range)
    return int(match[1]) if match else -1


def read_body(stream: _Stream, clock: Clock, max_bytes: int | None = None, length: int | None = None) -> bytes:
    """Read a body to its end.

    Parameters
    ----------
    clock : Clock
        Time limit for reading.
    max_bytes : int, optional
        Stop reading after this many bytes.
    length : int, optional
        Number of bytes that the server announced.

    Raises
    ------
    PassingFault
        If fewer bytes come than announced, or the time is up.
    """
    body = io.BytesIO()
    # `read1` returns whatever has come: a server that sends slowly cannot exceed the time limit
    while body.write(stream.read1(PIECE)):
        if max_bytes is not None and body.tell() > max_bytes:
            return body.getvalue()[: max_bytes + 1]
        if not clock.left:
            raise PassingFault(f"only {body.tell()} bytes came in the time given")
    if length is not None and body.tell() < length:  # not every library below checks this
        raise PassingFault(f"cut short: {body.tell()} of {length} bytes came")
    return body.getvalue()


def _page(stream: _Stream, clock: Clock) -> bytes:
    """Return the page of an error, or nothing if it does not arrive whole: the status is enough."""
    with suppress(PassingFault, OSError, urllib3.exceptions.HTTPError):
        return read_body(stream, clock, PAGE)
    return b""


def is_tiff(body: bytes) -> bool:
    """Return True if bytes begin like a TIFF or BigTIFF."""
    return body[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def fault_of(error: BaseException) -> PassingFault | FinalFault:
    """Translate a failed request into a fault, without quoting its address."""
    causes = _causes(error)
    text = _first_text(causes)

    def caused_by(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if caused_by(ssl.SSLCertVerificationError):
        return FinalFault(
            f"the server's certificate is not trusted ({text})",
            "where a proxy opens TLS, name its certificate authority in REQUESTS_CA_BUNDLE; else check the clock",
        )
    if type(error) is OSError and error.errno is None:  # requests: no such file of certificates
        return FinalFault(text, "let REQUESTS_CA_BUNDLE name a file of certificates, or unset it")
    if isinstance(error, requests.TooManyRedirects):
        return FinalFault("redirected without end", "try again later; ask the archive if it stays so")
    if isinstance(error, requests.exceptions.InvalidProxyURL):
        return FinalFault("the proxy's address is not usable", "correct HTTPS_PROXY")
    if isinstance(error, ValueError):
        return FinalFault("not an address that can be asked", "ask the source again: search.refresh: true")
    if isinstance(error, requests.exceptions.ProxyError):
        return PassingFault(f"the proxy gives no connection ({text})")
    if isinstance(error, requests.ConnectTimeout):
        return PassingFault("no connection in time")
    if caused_by(TimeoutError, urllib3.exceptions.ReadTimeoutError):
        return PassingFault("the server stopped answering")
    if caused_by(http.client.IncompleteRead):
        return PassingFault("cut short: the connection was closed before all bytes had come")
    return PassingFault(f"connection failed ({text})")


def _causes(error: BaseException | None) -> list[BaseException]:
    """Return an error and its causes, the first cause last."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _first_text(causes: list[BaseException]) -> str:
    """Return the text of an operating system or TLS error; of a library's, only its name: it may quote an address."""
    library = (requests.RequestException, urllib3.exceptions.HTTPError)
    for cause in reversed(causes):
        if isinstance(cause, OSError) and not isinstance(cause, library):
            return cause.strerror or str(cause) or type(cause).__name__
    return type(causes[-1]).__name__


def without_query(url: str) -> str:
    """Remove the parts of an address that may be secret: user, password, query and fragment."""
    return re.sub(r"(?<=//)[^/]*@", "", re.split(r"[?#]", url)[0])


def _without_queries(record: logging.LogRecord) -> bool:
    record.msg, record.args = re.sub(r"\?[^\s\"')]*", "", record.getMessage()), ()
    return True


for _name in ("urllib3.connectionpool", "urllib3.util.retry"):
    # they log addresses with the query; in a signed address that is a secret
    logging.getLogger(_name).addFilter(_without_queries)
