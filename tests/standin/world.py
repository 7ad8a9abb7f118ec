"""All servers over one archive, and what a client needs to find them instead of the real ones."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import pytest
import trustme

from standin.archive import Archive
from standin.cmr import CmrServer
from standin.credentials import Account, KeyRing
from standin.earthdata import EarthdataServer
from standin.s3 import S3Server
from standin.web import WebServer

DROPPED = ("EARTHDATA_", "AWS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
"""Beginnings of environment variables, in either case, that a client of these servers must not see."""


@dataclass(frozen=True)
class Hosts:
    """Where the servers are.

    Attributes
    ----------
    cmr, login, data, distribution : str
        Host and port, to be asked over HTTPS.
    s3_credentials : str
        URL that hands out keys to the bucket.
    s3_endpoint : str
        URL of the bucket's service.
    trusted : tuple of str
        Hosts to which a token may go, without port.
    signed : str
        Host and port of signed links, to which no token may go.
    """

    cmr: str
    login: str
    data: str
    distribution: str
    s3_credentials: str
    s3_endpoint: str
    trusted: tuple[str, ...]
    signed: str


@dataclass
class World:
    """The servers and how to reach them; `folder` has the certificate of the authority."""

    archive: Archive
    account: Account
    keys: KeyRing
    cmr: CmrServer
    earthdata: EarthdataServer
    s3: S3Server
    folder: Path

    @cached_property
    def hosts(self) -> Hosts:
        """Where the servers are."""
        earthdata = self.earthdata
        return Hosts(
            cmr=self.cmr.web.address,
            login=earthdata.login.address,
            data=earthdata.data.address,
            distribution=earthdata.distribution.address,
            s3_credentials=earthdata.credentials_url,
            s3_endpoint=self.s3.web.url,
            trusted=("localhost",),
            signed=earthdata.signed.address,
        )

    @cached_property
    def token(self) -> str:
        """A good token."""
        return self.account.make_token()

    @cached_property
    def expired_token(self) -> str:
        """A token that was good until an hour ago."""
        return self.account.make_token(timedelta(hours=-1))

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables that make a client trust the servers, and keep it from the user's own logins."""
        authority, nothing = str(self.folder / "authority.pem"), str(self.folder / "none")
        trust = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE")
        return {
            **dict.fromkeys(trust, authority),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": nothing,
            "AWS_SHARED_CREDENTIALS_FILE": nothing,
            "NETRC": nothing,
            "NO_PROXY": "localhost,127.0.0.1",
            "no_proxy": "localhost,127.0.0.1",
        }

    def environment(self, **more: str) -> dict[str, str]:
        """Whole environment of a process that is to talk to the servers, with more variables."""
        inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith(DROPPED)}
        return {**inherited, **self.variables, **more}

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Give this process that environment until the test ends."""
        for name in list(os.environ):
            if name.upper().startswith(DROPPED):
                monkeypatch.delenv(name)
        for name, value in self.variables.items():
            monkeypatch.setenv(name, value)

    def write_netrc(self, path: Path, password: str | None = None) -> Path:
        """Write user and password for the login's host; to be named by NETRC.

        A netrc file knows no ports: ``requests`` sends them to every server on ``localhost`` unless it is told not to.
        """
        path.write_text(f"machine localhost login {self.account.user} password {password or self.account.password}\n")
        path.chmod(0o600)
        return path

    def close(self) -> list[str]:
        """Stop all servers and return what failed inside of them."""
        webs = (*self.earthdata.servers, self.cmr.web, self.s3.web)
        with ThreadPoolExecutor() as threads:  # each waits a moment
            list(threads.map(WebServer.close, webs))
        return [error for web in webs for error in web.errors]


@contextmanager
def standins(archive: Archive) -> Iterator[World]:
    """Start all servers over an archive; stop them at the end.

    Raises
    ------
    AssertionError
        At the end, if one of the servers failed: the test cannot be trusted then.
    """
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(Path(folder) / "authority.pem")
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
        account, keys = Account(), KeyRing()
        earthdata = EarthdataServer(archive, account, keys, tls)
        cmr = CmrServer(archive, earthdata.data.url, tls)
        world = World(archive, account, keys, cmr, earthdata, S3Server(archive, keys), Path(folder))
        try:
            yield world
        finally:
            errors = world.close()
        assert not errors, "\n".join(errors)
