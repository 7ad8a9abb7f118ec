"""The bucket: moto's S3 behind the rules of the real one."""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.models import S3Backend, s3_backends
from werkzeug.test import Client

from standin.archive import Archive
from standin.credentials import KeyRing
from standin.earthdata import s3_error
from standin.umm_g import BUCKET, PREFIX
from standin.web import Fault, Reply, Request, WebServer

REGION = "us-west-2"

_moto = threading.Lock()
"""moto's buckets are the process's own, and not made for threads."""


def slow_down() -> Fault:
    """Answer 503 as S3 does to a client that asks too often."""
    return lambda exchange: s3_error(503, "SlowDown", "Please reduce your request rate.")


@dataclass
class S3Server:
    """Serves the archive's files as objects ``OPERA_L2_RTC-S1/<granule>/<file>`` over plain HTTP, to be read only.

    Attributes
    ----------
    archive : Archive
    keys : KeyRing
        Keys that open the bucket.
    deny : bool
        Refuse every request, as to a client outside the bucket's region.
    web : WebServer
        With the log and the faults.
    """

    archive: Archive
    keys: KeyRing
    deny: bool = False
    web: WebServer = field(init=False)

    def __post_init__(self) -> None:
        self._client = Client(create_backend_app("s3"))
        self.web = WebServer(self._answer, host="127.0.0.1")

    @property
    def url(self) -> str:
        """Endpoint."""
        return self.web.url

    @property
    def served(self) -> Counter[str]:
        """How often bytes of each file were sent."""
        return Counter(request.file for request in self.web.log if request.status in {200, 206} and request.sent)

    def _answer(self, request: Request) -> Reply:
        refusal = self._refusal(request)
        if refusal:
            return refusal
        _, bucket, *key = request.path.split("/", 2)
        if bucket != BUCKET:
            return s3_error(404, "NoSuchBucket", "The specified bucket does not exist")
        if not key or not key[0]:
            raise NotImplementedError("the bucket cannot be listed")
        with _moto:
            self._update(key[0])
            answer = self._client.open(
                request.path, base_url=self.url, method=request.method, headers=dict(request.headers.items())
            )
        length = int(answer.headers.get("Content-Length") or 0) if request.method == "HEAD" else None
        kept = {"content-type", "etag", "last-modified", "content-range", "accept-ranges", "x-amzn-requestid"}
        headers = tuple((name, value) for name, value in answer.headers.items() if name.lower() in kept)
        return Reply(answer.status_code, answer.data, headers, length)

    def _refusal(self, request: Request) -> Reply | None:
        denied = s3_error(403, "AccessDenied", "Access Denied")
        if self.deny or request.method not in {"GET", "HEAD"}:
            return denied
        _, scope = request.authorization
        access_key = re.match(r"Credential=([^/]+)/", scope)
        token = request.headers.get("x-amz-security-token") or ""
        keys = self.keys.find(access_key[1], token) if access_key else None
        if keys is None:
            return denied
        if keys.expires <= datetime.now(UTC):
            return s3_error(400, "ExpiredToken", "The provided token has expired.")
        return None

    def _update(self, key: str) -> None:
        """Put the object as the archive has it now into moto's bucket; take it out where there is none."""
        backend: S3Backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        if BUCKET not in backend.buckets:
            backend.create_bucket(BUCKET, REGION)
        found = self.archive.find(key.rsplit("/", 1)[-1])
        content = found[1].content() if found and key == f"{PREFIX}/{found[0].id}/{found[1].name}" else None
        if content is not None:
            backend.put_object(BUCKET, key, content)
        elif key in backend.buckets[BUCKET].keys:
            backend.delete_object(BUCKET, key)

    def close(self) -> None:
        """Stop serving, and forget the objects."""
        self.web.close()
        with _moto:
            s3_backends[DEFAULT_ACCOUNT_ID]["aws"].reset()
