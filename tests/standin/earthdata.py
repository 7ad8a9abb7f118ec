"""The hosts behind Earthdata Login: data, distribution, login, and the one that signed links lead to."""

from __future__ import annotations

import hmac
import json
import re
import secrets
import ssl
from collections import Counter
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, quote, urlencode

from standin.archive import Archive
from standin.credentials import Account, KeyRing
from standin.faults import HTML, JSON, LOGIN_PAGE
from standin.umm_g import BUCKET, PREFIX
from standin.web import Reply, Request, WebServer

FILES = ("/RTC/OPERA-S1/", "/RTC-STATIC/OPERA-S1/")
COOKIE = "asf-urs"
CLIENT_ID = "BO_n7nTIlMljdvU6kRRB3g"
XML = ("Content-Type", "application/xml")


def s3_error(status: int, code: str, message: str) -> Reply:
    """An error as S3 writes it."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Reply(status, body.encode(), (XML,))


def ranged(request: Request, content: bytes) -> Reply:
    """A file, or the bytes of it that the header Range asks for, as S3 and CloudFront send them."""
    asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range") or "")
    kind = ("Content-Type", "image/tiff")
    if not asked:
        return Reply(200, content, (kind,))
    start, end = int(asked[1]), min(int(asked[2]) + 1, len(content))
    return Reply(206, content[start:end], (kind, ("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")))


@dataclass
class EarthdataServer:
    """Four servers that hand out the archive's files to who has logged in.

    `data`, `distribution` and `login` listen on ``localhost``, `signed` on ``127.0.0.1``: for a client another host,
    which must see neither token nor password. A host's log and faults are those of its server.

    Attributes
    ----------
    login_page : bool
        Without user and password the login answers its HTML page with status 200; else 401.
    approved : bool
        False: the user has not agreed to the terms, the data hosts answer 403.
    redirects_bad_tokens : bool
        A token that is not good leads to the login; else to 401.
    """

    archive: Archive
    account: Account
    keys: KeyRing
    tls: ssl.SSLContext
    login_page: bool = False
    approved: bool = True
    redirects_bad_tokens: bool = False
    data: WebServer = field(init=False)
    distribution: WebServer = field(init=False)
    login: WebServer = field(init=False)
    signed: WebServer = field(init=False)

    def __post_init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._codes: set[str] = set()
        self.data = WebServer(self._data, self.tls)
        self.distribution = WebServer(self._distribution, self.tls)
        self.login = WebServer(self._login, self.tls)
        self.signed = WebServer(self._signed, self.tls, host="127.0.0.1")

    @property
    def servers(self) -> tuple[WebServer, ...]:
        """All four."""
        return self.data, self.distribution, self.login, self.signed

    @property
    def credentials_url(self) -> str:
        """Where keys to the bucket are handed out."""
        return f"{self.distribution.url}/s3credentials"

    @property
    def served(self) -> Counter[str]:
        """How often bytes of each file were sent."""
        return self.signed.served

    @property
    def leaks(self) -> list[Request]:
        """Requests that carry a password anywhere but to the login, or anything secret to the signed host."""
        leaks = [r for server in (self.data, self.distribution) for r in server.log if r.authorization[0] == "basic"]
        return leaks + [r for r in self.signed.log if r.authorization[0] or r.headers.get("Cookie")]

    # data and distribution

    def _enter(self, request: Request, server: WebServer) -> Reply | tuple[tuple[str, str], ...]:
        """Headers for who may enter; an answer for who may not."""
        scheme, credentials = request.authorization
        cookie = SimpleCookie(request.headers.get("Cookie") or "").get(COOKIE)
        headers: tuple[tuple[str, str], ...] = ()
        if cookie is None or cookie.value not in self.account.sessions:
            if scheme == "bearer" and not self.account.knows(credentials) and not self.redirects_bad_tokens:
                return Reply(401, b'{"error": "invalid_token"}', (JSON,))
            if scheme != "bearer" or not self.account.knows(credentials):
                return self._to_login(f"{server.url}{request.path}")
            headers = (self._session(),)
        if not self.approved:
            return Reply(403, b"<html><body>Please accept the EULA of ALASKA SATELLITE FACILITY</body></html>", (HTML,))
        return headers

    def _session(self) -> tuple[str, str]:
        return "Set-Cookie", f"{COOKIE}={self.account.begin_session()}; Path=/; Secure; HttpOnly"

    def _to_login(self, url: str) -> Reply:
        back = f"{self.distribution.url}/login"
        parameters = {"client_id": CLIENT_ID, "response_type": "code", "redirect_uri": back, "state": url}
        return Reply(302, headers=(("Location", f"{self.login.url}/oauth/authorize?{urlencode(parameters)}"),))

    def _data(self, request: Request) -> Reply:
        admitted = self._enter(request, self.data)
        if isinstance(admitted, Reply):
            return admitted
        known = request.path in [folder + request.file for folder in FILES]
        found = self.archive.find(request.file) if known else None
        if found is None:
            return Reply(404, b"<html><body>Could not find requested data.</body></html>", (HTML,))
        link = self._link(f"{BUCKET}/{PREFIX}/{found[0]}/{request.file}")
        return Reply(303, headers=(("Location", link), *admitted))

    def _distribution(self, request: Request) -> Reply:
        if request.path == "/login":
            return self._logged_in(request)
        if request.path != "/s3credentials":
            return Reply(404, b"<html><body>Could not find requested data.</body></html>", (HTML,))
        admitted = self._enter(request, self.distribution)
        if isinstance(admitted, Reply):
            return admitted
        return Reply(200, json.dumps(self.keys.issue().json).encode(), (JSON, *admitted))

    def _logged_in(self, request: Request) -> Reply:
        """Exchange the login's code for a session, and send the client back to where it came from."""
        code, state = (request.values(name)[:1] for name in ("code", "state"))
        if not code or code[0] not in self._codes:
            return Reply(400, b"<html><body>Could not login</body></html>", (HTML,))
        self._codes.discard(code[0])
        return Reply(302, headers=(("Location", state[0]), self._session()))

    # login

    def _login(self, request: Request) -> Reply:
        scheme, credentials = request.authorization
        if request.path != "/oauth/authorize":
            return Reply(404, b"<html><body>Not found</body></html>", (HTML,))
        if scheme != "basic" or not self.account.has_basic(credentials):
            if self.login_page:
                return Reply(200, LOGIN_PAGE, (HTML,))
            return Reply(401, LOGIN_PAGE, (HTML, ("WWW-Authenticate", 'Basic realm="Please enter your credentials"')))
        parameters = {name: values[-1] for name, values in parse_qs(request.query).items()}
        if (
            parameters.get("response_type") != "code"
            or parameters.get("redirect_uri") != f"{self.distribution.url}/login"
        ):
            return Reply(400, b"<html><body>Invalid request</body></html>", (HTML,))
        code = secrets.token_hex(16)
        self._codes.add(code)
        back = {"code": code, "state": parameters["state"]}
        return Reply(302, headers=(("Location", f"{parameters['redirect_uri']}?{urlencode(back)}"),))

    # signed

    def _signature(self, path: str) -> str:
        return hmac.new(self._secret, path.encode(), "sha256").hexdigest()

    def _link(self, path: str) -> str:
        """Signed link to ``<bucket>/<key>``."""
        parameters = {"A-userid": self.account.user, "Signature": self._signature(f"/{path}")}
        return f"{self.signed.url}/{quote(path)}?{urlencode(parameters)}"

    def _signed(self, request: Request) -> Reply:
        if request.authorization[0]:
            return s3_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        if request.values("Signature") != [self._signature(request.path)]:
            return s3_error(403, "SignatureDoesNotMatch", "The request signature does not match")
        found = self.archive.find(request.file)
        if found is None:
            return s3_error(404, "NoSuchKey", "The specified key does not exist.")
        return ranged(request, found[1])
