"""Temporary keys for S3: asked for once, shared by the jobs of a run in a file that only their owner can read."""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from s1monthly.files import replacing
from s1monthly.sources.asf.earthdata import Login
from s1monthly.sources.asf.transfer import PAGE, Clock, FinalFault, without_query

LOGGER = logging.getLogger("s1monthly")

LEAST_LIFE = timedelta(minutes=5)
"""Keys with less to live are renewed before they are used."""

FILE = "s3_keys.json"


class RefusedError(Exception):
    """S3 lets this machine or user not in; HTTPS may.

    Parameters
    ----------
    reason : str
        In few words, without secrets.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class S3Keys:
    """A set of temporary keys.

    Attributes
    ----------
    access_key, secret_key, session_token : str
        Not shown by ``repr``.
    expires : datetime
        UTC.
    """

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expires: datetime

    @classmethod
    def parse(cls, content: bytes) -> S3Keys | None:
        """Read what the archive answers; None where that is no set of keys."""
        try:
            told = json.loads(content)
            expires = datetime.fromisoformat(told["expiration"])
            expires = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
            keys = cls(str(told["accessKeyId"]), str(told["secretAccessKey"]), str(told["sessionToken"]), expires)
        except (ValueError, TypeError, KeyError):
            return None
        return keys if keys.access_key and keys.secret_key and keys.session_token else None

    @property
    def alive(self) -> bool:
        """True while they may be used for some minutes more."""
        return self.expires - datetime.now(UTC) > LEAST_LIFE


class SharedKeys:
    """The keys of a run. Safe in threads; processes share them by a file.

    Parameters
    ----------
    login : Login
    address : str
        Gives keys to who is logged in.
    folder : str or Path
        Of the file; made where missing, for its owner alone.
    """

    def __init__(self, login: Login, address: str, folder: str | Path) -> None:
        self._login, self._address = login, address
        self.path = Path(folder) / FILE
        self._lock = threading.Lock()
        self._keys: S3Keys | None = None

    def current(self, clock: Clock) -> S3Keys:
        """Return keys that have some minutes to live; asks the archive for them where there are none.

        Raises
        ------
        CredentialsError, PassingFault, RefusedError
            If the archive gives none.
        """
        with self._lock:
            if not (self._keys and self._keys.alive):
                self._keys = self._read() or self._asked(clock)
            return self._keys

    def renewed(self, refused: S3Keys, clock: Clock) -> tuple[S3Keys, bool]:
        """Return other keys than those that S3 did not take, and whether they are new from the archive.

        Where another thread or process has renewed them by now, its keys are returned. Errors as `current`.
        """
        with self._lock:
            if self._keys and self._keys != refused:
                return self._keys, False
            self._keys = self._read()
            fresh = self._keys in (None, refused)
            if fresh or self._keys is None:
                self._keys = self._asked(clock)
            return self._keys, fresh

    def _asked(self, clock: Clock) -> S3Keys:
        try:
            answer = self._login.get(self._address, clock, PAGE)
        except FinalFault as fault:
            raise RefusedError(f"no keys for S3: {fault.reason} ({without_query(self._address)})") from None
        keys = S3Keys.parse(answer.body) if answer.status == 200 else None
        if keys is None:
            raise RefusedError(f"no keys for S3: HTTP {answer.status} from {answer.url}")
        self._write(keys)
        return keys

    def _read(self) -> S3Keys | None:
        """Keys from the file, where it is ours alone, of this archive, and they are alive."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(descriptor, "rb") as stream:
                status = os.fstat(descriptor)
                ours = status.st_uid == os.geteuid() and not status.st_mode & 0o077 and stat.S_ISREG(status.st_mode)
                content = stream.read(PAGE) if ours else b""
        except OSError:
            return None
        address, _, told = content.partition(b"\n")
        keys = S3Keys.parse(told) if address == self._address.encode() else None
        return keys if keys and keys.alive else None

    def _write(self, keys: S3Keys) -> None:
        try:
            os.makedirs(self.path.parent, mode=0o700, exist_ok=True)
            with replacing(self.path, durable=False) as temporary, open(temporary, "x", opener=_for_owner) as stream:
                told = {
                    "accessKeyId": keys.access_key,
                    "secretAccessKey": keys.secret_key,
                    "sessionToken": keys.session_token,
                    "expiration": keys.expires.isoformat(),
                }
                stream.write(f"{self._address}\n{json.dumps(told)}\n")
        except OSError as error:
            LOGGER.warning("S3 keys cannot be shared by %s: %s", self.path, error.strerror)


def _for_owner(path: str, flags: int) -> int:
    """Make a file that nobody else can read from its first byte."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
