"""Errors of object storage, named in our words with a remedy: messages of servers and libraries may hold keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore import exceptions

from s1monthly.errors import S1MonthlyError

_STATUS = re.compile(r"status code: (\d{3})|status: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>|\"(?:reason|code)\": ?\"(\w+)\"")

_RENEW = (
    "renew them (aws sso login, or new AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN), then run again;"
    " what is uploaded stays"
)
_REFUSED = (
    "the credentials of the environment (AWS_PROFILE, AWS_ACCESS_KEY_ID ...; GOOGLE_APPLICATION_CREDENTIALS;"
    " AZURE_STORAGE_...) must be allowed to list, read and write there"
)
_OF_CODE = {
    "ExpiredToken": ("the credentials have expired", _RENEW),
    "ExpiredTokenException": ("the credentials have expired", _RENEW),
    "TokenRefreshRequired": ("the credentials have expired", _RENEW),
    "InvalidAccessKeyId": ("the server does not know the access key", _REFUSED),
    "SignatureDoesNotMatch": ("the secret key does not fit the access key", _REFUSED),
    "RequestTimeTooSkewed": ("the clock of this machine is wrong", "set it (timedatectl set-ntp true), then run again"),
    "NoSuchBucket": ("there is no such bucket", "make the bucket, or correct publish.url or publish.endpoint"),
    "ContainerNotFound": ("there is no such container", "make it, or correct publish.url or publish.endpoint"),
    "PermanentRedirect": ("the bucket is in another region", "set AWS_REGION to the region of the bucket"),
    "AuthorizationHeaderMalformed": ("the bucket is in another region", "set AWS_REGION to the region of the bucket"),
    "SlowDown": ("the server is too busy", "run again later, with a lower publish.max_workers"),
}
_OF_STATUS = {
    "301": _OF_CODE["PermanentRedirect"],
    "401": ("the server knows no credentials of ours", _REFUSED),
    "403": ("the server refuses access", _REFUSED),
    "429": _OF_CODE["SlowDown"],
    "503": _OF_CODE["SlowDown"],
}
_UNREACHABLE = ("the server cannot be reached, or broke off", "check publish.endpoint and the network, then run again")


class UploadError(S1MonthlyError):
    """Storage that cannot be read or written, or that holds something else."""


class ConflictError(Exception):
    """An object was changed by another publisher since it was read."""


_CONFLICTS = (exceptions.AlreadyExistsError, exceptions.PreconditionError)
_ALL = (exceptions.BaseError, OSError, ValueError, NotImplementedError)


@contextmanager
def storage_errors(where: str) -> Iterator[None]:
    """Turn errors of the storage into an UploadError that names the object, the cause and the remedy.

    The server's own text is left out, because it may hold a signed address.

    Raises
    ------
    ConflictError
        If a condition of the request did not hold.
    """
    try:
        yield
    except _CONFLICTS:
        raise ConflictError(where) from None
    except _ALL as error:
        raise UploadError(f"{where}: {(found := explain(error))[0]}", found[1]) from None


def explain(error: Exception) -> tuple[str, str]:
    """Return cause and remedy of an error of the storage."""
    text = str(error)
    code = next((one or other for one, other in _CODE.findall(text)), "")
    status = next((one or other for one, other in _STATUS.findall(text)), "")
    if code in _OF_CODE:
        return _OF_CODE[code]
    if status in _OF_STATUS:
        problem, remedy = _OF_STATUS[status]
        return f"{problem} ({' '.join(filter(None, (status, code)))})", remedy
    if status:
        return (
            f"the server answers {' '.join(filter(None, (status, code)))}",
            "run again; ask the operator of the storage",
        )
    if isinstance(error, OSError) and error.errno:
        return error.strerror or "cannot be read or written", "fix that and run again"
    if isinstance(error, FileNotFoundError):
        return "not found", "check publish.url"
    return _UNREACHABLE
