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
    """Answer with an error: JSON with ``errors``, or an HTML page as proxies and load balancers write it."""
    text = f"The service answers {code}"
    body = f"<html><body><h1>{text}</h1></body></html>" if html else json.dumps({"errors": [text]})
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


def cut(share: float = 0.5, *, fitting_length: bool = False) -> Fault:
    """Send only the first share of the body, then close the connection.

    With `fitting_length`, Content-Length is that of the part, so that HTTP cannot notice.
    """

    def fault(exchange: Exchange) -> Reply:
        reply = exchange.answer()
        part = reply.body[: int(share * len(reply.body))]
        return replace(reply, body=part, length=None if fitting_length else len(reply.body))

    return fault


def reset() -> Fault:
    """Reset the connection in the middle of the body."""
    return lambda exchange: replace(cut()(exchange), reset=True)


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
