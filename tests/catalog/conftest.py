"""Nothing in these tests may use the network."""

from __future__ import annotations

import socket

import pytest


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Fail every attempt to open a socket or look up a host."""

    def refuse(*args, **kwargs):
        raise AssertionError(f"network touched: {args}")

    for name in ("create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
