"""Who may read: an account with its tokens and sessions, and the short-lived keys to the bucket."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


def _part(content: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


@dataclass
class Account:
    """An Earthdata Login account.

    Attributes
    ----------
    tokens : dict
        Every token that was made, and when it expires.
    sessions : set of str
        Values of the session cookie that are good; empty it to end all sessions.
    """

    user: str = "burst_reader"
    password: str = "not-a-real-password"
    tokens: dict[str, datetime] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)

    def make_token(self, lifetime: timedelta = timedelta(days=60)) -> str:
        """Make a token in the form of a JSON Web Token; a negative lifetime makes one that has expired."""
        expires = datetime.now(UTC).replace(microsecond=0) + lifetime
        claims = {"type": "User", "uid": self.user, "exp": int(expires.timestamp())}
        token = f"{_part({'typ': 'JWT', 'alg': 'RS256'})}.{_part(claims)}.{secrets.token_urlsafe(64)}"
        self.tokens[token] = expires
        return token

    def knows(self, token: str) -> bool:
        """Tell whether a token is one of this account's and has not expired."""
        return token in self.tokens and self.tokens[token] > datetime.now(UTC)

    def has_basic(self, credentials: str) -> bool:
        """Tell whether the credentials of a Basic authorization are user and password."""
        return credentials == base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def begin_session(self) -> str:
        """Return the value of a new session cookie."""
        session = secrets.token_urlsafe(24)
        self.sessions.add(session)
        return session


@dataclass(frozen=True)
class Keys:
    """Keys to the bucket."""

    access_key: str
    secret_key: str
    session_token: str
    expires: datetime

    @property
    def json(self) -> dict[str, str]:
        """As the distribution host answers them."""
        return {
            "accessKeyId": self.access_key,
            "secretAccessKey": self.secret_key,
            "sessionToken": self.session_token,
            "expiration": f"{self.expires:%Y-%m-%d %H:%M:%S}+00:00",
        }


@dataclass
class KeyRing:
    """All keys that were issued; a negative lifetime makes keys that have expired."""

    lifetime: timedelta = timedelta(hours=1)
    issued: list[Keys] = field(default_factory=list)

    def issue(self) -> Keys:
        """Make new keys."""
        expires = datetime.now(UTC) + self.lifetime
        keys = Keys("ASIA" + secrets.token_hex(8).upper(), secrets.token_hex(20), secrets.token_urlsafe(64), expires)
        self.issued.append(keys)
        return keys

    def find(self, access_key: str, session_token: str) -> Keys | None:
        """Return the keys of that pair; None if they were not issued together."""
        return next((k for k in self.issued if (k.access_key, k.session_token) == (access_key, session_token)), None)
