"""The hosts behind Earthdata Login: data, distribution, login, and the one that signed links lead to."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import ssl
import time
from collections import Counter
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, quote, urlencode

from standin.archive import Archive
from standin.credentials import Account, KeyRing
from standin.faults import HTML, JSON, LOGIN_PAGE
from standin.umm_g import BUCKET, PREFIX
from standin.web import Reply, Request, WebServer

FILES = "/RTC/OPERA-S1/"
COOKIE = "asf-urs"
CLIENT_ID = "BO_n7nTIlMljdvU6kRRB3g"
XML = ("Content-Type", "application/xml")


def s3_error(status: int, code: str, message: str) -> Reply:
    """An error as S3 writes it."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Reply(status, body.encode(), (XML,))


@dataclass
class EarthdataServer:
    """Four servers that hand out the archive's files to who has logged in.

    `data`, `distribution` and `login` listen on ``localhost``, `signed` on ``127.0.0.1``: for a client another host,
    which must see neither token nor password. A host's log and faults are those of its server.

    Attributes
    ----------
    archive : Archive
    account : Account
    keys : KeyRing
        To the bucket.
    tls : ssl.SSLContext
    login_page : bool
        Without user and password the login answers its HTML page with status 200; else 401.
    approved : bool
        False: the user has not agreed to the terms, the data hosts answer 403.
    redirects_bad_tokens : bool
        A token that is not good leads to the login; else to 401.
    link_lifetime : float
        Seconds for which a signed link is good.
    """

    archive: Archive
    account: Account
    keys: KeyRing
    tls: ssl.SSLContext
    login_page: bool = False
    approved: bool = True
    redirects_bad_tokens: bool = False
    link_lifetime: float = 3600
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
        return Counter(request.file for request in self.signed.log if request.status in {200, 206} and request.sent)

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
        asked = {"client_id": CLIENT_ID, "response_type": "code", "redirect_uri": back, "state": url}
        return Reply(302, headers=(("Location", f"{self.login.url}/oauth/authorize?{urlencode(asked)}"),))

    def _data(self, request: Request) -> Reply:
        admitted = self._enter(request, self.data)
        if isinstance(admitted, Reply):
            return admitted
        found = self.archive.find(request.file) if request.path == FILES + request.file else None
        if found is None or found[1].path is None:
            return Reply(404, b"<html><body>Could not find requested data.</body></html>", (HTML,))
        return Reply(
            303, headers=(("Location", self.link(f"{BUCKET}/{PREFIX}/{found[0].id}/{request.file}")), *admitted)
        )

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
        if not state:
            return Reply(200, b"<html><body>Welcome</body></html>", (HTML, self._session()))
        own = tuple(f"{server.url}/" for server in (self.data, self.distribution))
        if not state[0].startswith(own):
            return Reply(400, b"<html><body>Could not login</body></html>", (HTML,))
        return Reply(302, headers=(("Location", state[0]), self._session()))

    # login

    def _login(self, request: Request) -> Reply:
        scheme, credentials = request.authorization
        if (request.method, request.path) == ("POST", "/oauth/tokens/user"):
            if any(self.account.knows(token) for token in request.values("token")):
                return Reply(200, json.dumps({"uid": self.account.user}).encode(), (JSON,))
            return Reply(403, b'{"error": "invalid_token"}', (JSON,))
        known = {("GET", "/oauth/authorize"), ("POST", "/api/users/find_or_create_token")}
        if (request.method, request.path) not in known:
            return Reply(404, b"<html><body>Not found</body></html>", (HTML,))
        if scheme != "basic" or not self.account.has_basic(credentials):
            if self.login_page:
                return Reply(200, LOGIN_PAGE, (HTML,))
            return Reply(401, LOGIN_PAGE, (HTML, ("WWW-Authenticate", 'Basic realm="Please enter your credentials"')))
        if request.method == "POST":
            told = {"access_token": self.account.make_token(), "token_type": "Bearer"}
            return Reply(200, json.dumps(told).encode(), (JSON,))
        asked = {name: values[-1] for name, values in parse_qs(request.query).items()}
        if asked.get("response_type") != "code" or asked.get("redirect_uri") != f"{self.distribution.url}/login":
            return Reply(400, b"<html><body>Invalid request</body></html>", (HTML,))
        code = secrets.token_hex(16)
        self._codes.add(code)
        back = {"code": code} | ({"state": asked["state"]} if "state" in asked else {})
        return Reply(302, headers=(("Location", f"{asked['redirect_uri']}?{urlencode(back)}"),))

    # signed

    def _signature(self, path: str, expires: str) -> str:
        return hmac.new(self._secret, f"{path}{expires}".encode(), "sha256").hexdigest()

    def link(self, path: str) -> str:
        """Signed link to ``<bucket>/<key>``."""
        expires = str(int(time.time() + self.link_lifetime))
        asked = {"A-userid": self.account.user, "Expires": expires, "Signature": self._signature(f"/{path}", expires)}
        return f"{self.signed.url}/{quote(path)}?{urlencode(asked)}"

    def _signed(self, request: Request) -> Reply:
        if request.authorization[0]:
            return s3_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        expires, signature = ("".join(request.values(name)) for name in ("Expires", "Signature"))
        if not hmac.compare_digest(signature, self._signature(request.path, expires)):
            return s3_error(403, "SignatureDoesNotMatch", "The request signature does not match")
        if int(expires) <= time.time():
            return s3_error(403, "AccessDenied", "Request has expired")
        found = self.archive.find(request.file)
        content = found[1].content() if found else None
        if content is None:
            return s3_error(404, "NoSuchKey", "The specified key does not exist.")
        return _file(request, content)


def _file(request: Request, content: bytes) -> Reply:
    """Content of a file, or the range of it that is asked for."""
    etag = hashlib.md5(content).hexdigest()
    headers = (("Content-Type", "image/tiff"), ("ETag", f'"{etag}"'), ("Accept-Ranges", "bytes"))
    unit, _, wanted = (request.headers.get("Range") or "").partition("=")
    start, _, end = wanted.partition("-")
    if unit != "bytes" or not start:
        return Reply(200, content, headers)
    if int(start) >= len(content):
        return s3_error(416, "InvalidRange", "The requested range is not satisfiable")
    last = min(int(end or len(content) - 1), len(content) - 1)
    told = ("Content-Range", f"bytes {start}-{last}/{len(content)}")
    return Reply(206, content[int(start) : last + 1], (*headers, told))
