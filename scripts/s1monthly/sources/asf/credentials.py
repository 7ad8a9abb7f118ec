"""The user's Earthdata Login: where it is looked up, and an object that never shows it."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import netrc
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from s1monthly.errors import CredentialsError

LOGGER = logging.getLogger("s1monthly")

TOKEN, USER, PASSWORD = "EARTHDATA_TOKEN", "EARTHDATA_USERNAME", "EARTHDATA_PASSWORD"
"""Environment variables."""

NETRC_NAMES = (".netrc", "_netrc")
"""File names in the home folder, unless the variable NETRC names a file."""


@dataclass(frozen=True)
class Credentials:
    """A token, or a user name and password.

    Attributes
    ----------
    scheme : str
        ``Bearer`` for a token, ``Basic`` for user name and password.
    origin : str
        Where it was found, for messages.
    secret : str
        What follows the scheme in the Authorization header. Not shown by ``repr``.
    """

    scheme: str
    origin: str
    secret: str = field(repr=False)

    @classmethod
    def password(cls, origin: str, user: str, password: str) -> Credentials:
        """Make credentials from a user name and password."""
        return cls("Basic", origin, base64.b64encode(f"{user}:{password}".encode()).decode())

    @property
    def authorization(self) -> str:
        """Value of the Authorization header."""
        return f"{self.scheme} {self.secret}"


def find_credentials(login_host: str) -> Credentials:
    """Look up the login: a token, then user name and password, in the environment; then netrc.

    Parameters
    ----------
    login_host : str
        Host to look up in netrc; a port is ignored, because netrc has none.

    Raises
    ------
    CredentialsError
        If there is none, or the first one found cannot work: an expired token, a user name without password, an
        unreadable netrc file.
    """
    if _given(TOKEN):
        token = Credentials("Bearer", TOKEN, os.environ[TOKEN].strip())
        _check_token(token, login_host)
        return token
    missing = [name for name in (USER, PASSWORD) if not _given(name)]
    if not missing:
        return Credentials.password(f"{USER} and {PASSWORD}", os.environ[USER].strip(), os.environ[PASSWORD])
    if len(missing) == 1:
        given = USER if missing == [PASSWORD] else PASSWORD
        raise CredentialsError(f"{given} is set and {missing[0]} is not", f"export {missing[0]}, too, or unset {given}")
    return _from_netrc(login_host)


def _given(name: str) -> bool:
    return bool(os.environ.get(name, "").strip())


def _check_token(token: Credentials, login_host: str) -> None:
    remedy = f"get a new token at https://{login_host} (Generate Token), then export {TOKEN}=<token>"
    if not re.fullmatch(r"[\x21-\x7e]+", token.secret):
        raise CredentialsError(f"{TOKEN} holds blanks, line breaks or letters that no token has", remedy)
    expires = expiry(token)
    if expires is not None and expires <= time.time():
        when = datetime.fromtimestamp(expires, UTC)
        raise CredentialsError(f"the token in {TOKEN} expired on {when:%Y-%m-%d at %H:%M} UTC", remedy)


def expiry(token: Credentials) -> float | None:
    """Return when a JSON Web Token expires, in seconds since 1970; None for other tokens or without a date."""
    parts = token.secret.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    expires = claims.get("exp") if isinstance(claims, dict) else None
    # the range of years that datetime can hold
    return float(expires) if isinstance(expires, int | float) and 0 <= expires < 2e11 else None


def _from_netrc(login_host: str) -> Credentials:
    path = _netrc_path()
    if not os.path.exists(path):
        raise _none_found(login_host, f"there is no {path}")
    host = login_host.split(":")[0]
    entry, problem = _netrc_entry(path, host)
    if problem:
        raise CredentialsError(
            f"netrc file {path}: {problem}", f"repair it, or export {TOKEN}=<token> instead: it goes first"
        )
    if entry is None:
        raise _none_found(login_host, f"{path} has no entry for {host}")
    _warn_if_open(path)
    return entry


def _netrc_path() -> Path:
    """Return the path where the netrc file is, or would be."""
    named = os.environ.get("NETRC")
    with suppress(RuntimeError):  # no home folder
        if named:
            return Path(named).expanduser()
        places = [Path.home() / name for name in NETRC_NAMES]
        return next(filter(os.path.exists, places), places[0])
    return Path(named or NETRC_NAMES[0])


def _netrc_entry(path: Path, host: str) -> tuple[Credentials | None, str]:
    """Return a host's entry in a netrc file, and what is wrong with it.

    The parser's errors, which may quote a password, stay inside. The ``default`` entry is ignored, because it does not
    name this host.
    """
    try:
        # given a path, the parser does not check the file's permissions
        user, _, password = netrc.netrc(path).hosts.get(host, (None, None, None))
    except netrc.NetrcParseError as error:
        return None, f"not understood at line {error.lineno}"
    except (OSError, UnicodeError) as error:
        return None, f"cannot be read ({getattr(error, 'strerror', None) or 'not text'})"
    if user and password:
        return Credentials.password(f"netrc file {path}", user, password), ""
    return None, "" if user is None else f"the entry for {host} has no {'password' if user else 'login'}"


def _warn_if_open(path: Path) -> None:
    if os.name == "posix" and os.stat(path).st_mode & 0o077:
        LOGGER.warning("netrc file %s holds a password and is open to others: chmod 600 %s", path, path)


def _none_found(login_host: str, netrc_says: str) -> CredentialsError:
    return CredentialsError(
        f"no Earthdata Login: {TOKEN} and {USER} are not set, and {netrc_says}",
        f"get a free account and a token at https://{login_host} (Generate Token), then export {TOKEN}=<token>; or"
        f" write into ~/.netrc: machine {login_host.split(':')[0]} login <user> password <password>",
    )
