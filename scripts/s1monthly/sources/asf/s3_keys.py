"""Temporary keys for S3: requested once and shared by the jobs of a run in a file that only its owner can read."""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from s1monthly.files import replacing
from s1monthly.sources.asf.earthdata import Login
from s1monthly.sources.retries import FinalFault
from s1monthly.sources.transfer import PAGE, Clock, without_query

LOGGER = logging.getLogger("s1monthly")

LEAST_LIFE = timedelta(minutes=5)
"""Keys that expire sooner than this are renewed before use."""

FILE = "s3_keys.json"


class RefusedError(Exception):
    """S3 denies access to this machine or user; HTTPS may still work. The reason is short and without secrets."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class S3Keys:
    """A set of temporary keys; ``repr`` shows only `expires`, the time of expiry in UTC."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expires: datetime

    @classmethod
    def parse(cls, content: bytes) -> S3Keys | None:
        """Parse the archive's answer; return None if it holds no keys."""
        try:
            answer = json.loads(content)
            expires = datetime.fromisoformat(answer["expiration"])
            expires = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
            access, secret, session = (str(answer[name]) for name in ("accessKeyId", "secretAccessKey", "sessionToken"))
        except (ValueError, TypeError, KeyError):
            return None
        return cls(access, secret, session, expires) if access and secret and session else None

    @property
    def alive(self) -> bool:
        """True if the keys are valid for at least `LEAST_LIFE` more."""
        return self.expires - datetime.now(UTC) > LEAST_LIFE


class SharedKeys:
    """The keys of a run. Thread-safe; processes share them through a file.

    Parameters
    ----------
    address : str
        Address that gives keys to a user who is logged in.
    folder : str or Path
        Folder of the file; created if missing, for its owner only.
    """

    def __init__(self, login: Login, address: str, folder: str | Path) -> None:
        self._login, self._address = login, address
        self.path = Path(folder) / FILE
        self._lock = threading.Lock()
        self._keys: S3Keys | None = None
        self._new_until = 0.0

    def current(self, clock: Clock) -> S3Keys:
        """Return keys that stay valid for some minutes; request new ones from the archive if needed.

        Raises
        ------
        CredentialsError, PassingFault, RefusedError
            If the archive gives no keys.
        """
        with self._lock:
            if not (self._keys and (self._keys.alive or time.monotonic() < self._new_until)):
                self._keys = self._read() or self._request(clock)
            return self._keys

    def renewed(self, refused: S3Keys, clock: Clock) -> tuple[S3Keys, bool]:
        """Return keys other than those that S3 rejected, and whether they are new from the archive.

        If another thread or process has already renewed them, its keys are returned. Errors as for `current`.
        """
        with self._lock:
            if self._keys and self._keys != refused:
                return self._keys, False
            self._keys = self._read()
            fresh = self._keys in (None, refused)
            if fresh or self._keys is None:
                self._keys = self._request(clock)
            return self._keys, fresh

    def _request(self, clock: Clock) -> S3Keys:
        try:
            answer = self._login.get(self._address, clock, PAGE)
        except FinalFault as fault:
            raise RefusedError(f"no keys for S3: {fault.reason} ({without_query(self._address)})") from None
        keys = S3Keys.parse(answer.body) if answer.status == 200 else None
        if keys is None:
            raise RefusedError(f"no keys for S3: HTTP {answer.status} from {answer.url}")
        self._write(keys)
        if keys.expires <= datetime.now(UTC):  # the clock is wrong, or S3 will refuse them
            self._new_until = time.monotonic() + LEAST_LIFE.total_seconds()
        return keys

    def _read(self) -> S3Keys | None:
        """Return the keys of the file; None unless it is ours, private and of this archive, and they are valid."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(descriptor, "rb") as stream:
                status = os.fstat(descriptor)
                ours = status.st_uid == os.geteuid() and not status.st_mode & 0o077 and stat.S_ISREG(status.st_mode)
                content = stream.read(PAGE) if ours else b""
        except OSError:
            return None
        address, _, answer = content.partition(b"\n")
        keys = S3Keys.parse(answer) if address == self._address.encode() else None
        return keys if keys and keys.alive else None

    def _write(self, keys: S3Keys) -> None:
        try:
            os.makedirs(self.path.parent, mode=0o700, exist_ok=True)
            with replacing(self.path, durable=False) as temporary, open(temporary, "x", opener=_for_owner) as stream:
                answer = {
                    "accessKeyId": keys.access_key,
                    "secretAccessKey": keys.secret_key,
                    "sessionToken": keys.session_token,
                    "expiration": keys.expires.isoformat(),
                }
                stream.write(f"{self._address}\n{json.dumps(answer)}\n")
        except OSError as error:
            LOGGER.warning("S3 keys cannot be shared by %s: %s", self.path, error.strerror)


def _for_owner(path: str, flags: int) -> int:
    """Open a new file that only its owner can read from the first byte on."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
