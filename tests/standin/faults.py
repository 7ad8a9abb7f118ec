"""Ways in which any server of the tests answers wrongly."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field, replace

from standin.web import Exchange, Fault, Reply

LOGIN_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Earthdata Login</title></head><body>Username, password</body></html>\n"
)
HTML = ("Content-Type", "text/html; charset=utf-8")
JSON = ("Content-Type", "application/json; charset=utf-8")


def status(code: int, *, html: bool = False, retry_after: int | None = None) -> Fault:
    """Answer with an error: JSON with ``errors``, or an HTML page as proxies and load balancers write it.

    Parameters
    ----------
    code : int
    html : bool
    retry_after : int, optional
        Seconds, in the Retry-After header.
    """
    told = f"The service answers {code}"
    body = f"<html><body><h1>{told}</h1></body></html>" if html else json.dumps({"errors": [told]})
    headers = [HTML if html else JSON]
    if retry_after is not None:
        headers.append(("Retry-After", str(retry_after)))
    reply = Reply(code, body.encode(), tuple(headers))
    return lambda exchange: reply


def login_page() -> Fault:
    """Answer with the HTML page of the login, status 200."""
    return lambda exchange: Reply(200, LOGIN_PAGE, (HTML,))


def drop() -> Fault:
    """Close the connection without an answer."""
    return lambda exchange: Reply(0)


def cut(share: float = 0.5, *, told: bool = False) -> Fault:
    """Send the first part of the body.

    Parameters
    ----------
    share : float
        Of the body that is sent.
    told : bool
        Content-Length is that of the part; else it is that of the whole, and the connection is closed too early.
    """

    def fault(exchange: Exchange) -> Reply:
        reply = exchange.answer()
        part = reply.body[: int(share * len(reply.body))]
        return replace(reply, body=part, length=None if told else len(reply.body))

    return fault


def reset(share: float = 0.5) -> Fault:
    """Reset the connection in the middle of the body."""

    def fault(exchange: Exchange) -> Reply:
        return replace(cut(share)(exchange), reset=True)

    return fault


def flip(share: float = 0.5) -> Fault:
    """Send the body with one bit wrong, at this share of its length."""

    def fault(exchange: Exchange) -> Reply:
        reply = exchange.answer()
        body = bytearray(reply.body)
        if body:
            body[int(share * (len(body) - 1))] ^= 1
        return replace(reply, body=bytes(body))

    return fault


def trickle(seconds: float) -> Fault:
    """Send the body in pieces over so many seconds."""
    return lambda exchange: replace(exchange.answer(), seconds=seconds)


@dataclass
class Hold:
    """Hold the answer back until it is released, the server is closed, or for so many seconds."""

    seconds: float = 60.0
    released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Let the answer go, and those to come."""
        self.released.set()

    def __call__(self, exchange: Exchange) -> Reply:
        """Wait, then answer rightly."""
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and not exchange.closing.is_set() and not self.released.wait(0.02):
            pass
        return exchange.answer()
