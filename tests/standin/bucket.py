"""Public buckets: files by HTTPS without a login, and lists of them as S3 gives them."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
import trustme

from standin.web import Reply, Request, WebServer


@dataclass
class Bucket:
    """Serves objects by their keys.

    Attributes
    ----------
    tls : ssl.SSLContext
        For HTTPS.
    objects : dict of str to bytes
        Key -> content.
    page : int
        Objects on a page of a list.
    web : WebServer
        With the log and the faults.
    """

    tls: ssl.SSLContext
    objects: Mapping[str, bytes] = field(default_factory=dict)
    page: int = 1000
    web: WebServer = field(init=False)

    def __post_init__(self) -> None:
        self.web = WebServer(self._answer, self.tls)

    @property
    def host(self) -> str:
        """Host and port."""
        return self.web.address

    @property
    def asked(self) -> list[str]:
        """What was asked for: keys, and ``?`` with the first key of a list."""
        return [request.path[1:] or f"?{''.join(request.values('start-after'))}" for request in self.web.log]

    def _answer(self, request: Request) -> Reply:
        assert "Authorization" not in request.headers
        key = request.path[1:]
        if not key and "list-type" in request.query:
            return self._list(request)
        if key not in self.objects:
            return Reply(404, b"<Error><Code>NoSuchKey</Code></Error>", (("Content-Type", "application/xml"),))
        return Reply(200, self.objects[key], (("Content-Type", "binary/octet-stream"),))

    def _list(self, request: Request) -> Reply:
        prefix, after = "".join(request.values("prefix")), "".join(request.values("start-after"))
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        items = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2024-07-27T02:04:55.000Z</LastModified>"
            f"<ETag>&quot;0&quot;</ETag><Size>{len(self.objects[key])}</Size></Contents>"
            for key in keys[: self.page]
        )
        more = str(len(keys) > self.page).lower()
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>bucket</Name><Prefix>{prefix}</Prefix><IsTruncated>{more}</IsTruncated>{items}</ListBucketResult>"
        )
        return Reply(200, body.encode(), (("Content-Type", "application/xml"),))


@contextmanager
def buckets(count: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Bucket]]:
    """Start empty buckets that this process trusts; a server that failed fails the test."""
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(Path(folder) / "authority.pem")
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(tls)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(Path(folder) / "authority.pem"))
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "localhost")
        made = [Bucket(tls) for _ in range(count)]
        try:
            yield made
        finally:
            for bucket in made:
                bucket.web.close()
        assert not [error for bucket in made for error in bucket.web.errors]
