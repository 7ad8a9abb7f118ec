"""The bucket: the archive's files as objects of S3, to be read with keys that are good."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from standin.archive import Archive
from standin.credentials import KeyRing
from standin.earthdata import s3_error
from standin.umm_g import BUCKET, PREFIX
from standin.web import Fault, Reply, Request, WebServer


def slow_down() -> Fault:
    """Answer 503 as S3 does to a client that asks too often."""
    return lambda exchange: s3_error(503, "SlowDown", "Please reduce your request rate.")


@dataclass
class S3Server:
    """Serves objects ``OPERA_L2_RTC-S1/<granule>/<file>`` over plain HTTP; it does not check signatures.

    Attributes
    ----------
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
        self.web = WebServer(self._answer, host="127.0.0.1")

    @property
    def served(self) -> Counter[str]:
        """How often bytes of each file were sent."""
        return self.web.served

    def _answer(self, request: Request) -> Reply:
        scope = re.match(r"Credential=([^/]+)/", request.authorization[1])
        token = request.headers.get("x-amz-security-token") or ""
        keys = self.keys.find(scope[1], token) if scope else None
        if self.deny or keys is None:
            return s3_error(403, "AccessDenied", "Access Denied")
        if keys.expires <= datetime.now(UTC):
            return s3_error(400, "ExpiredToken", "The provided token has expired.")
        found = self.archive.find(request.file)
        if found is None or request.path != f"/{BUCKET}/{PREFIX}/{found[0]}/{request.file}":
            return s3_error(404, "NoSuchKey", "The specified key does not exist.")
        etag = f'"{hashlib.md5(found[1]).hexdigest()}"'
        return Reply(200, found[1], (("ETag", etag), ("Content-Type", "image/tiff")))
