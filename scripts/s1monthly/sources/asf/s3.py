"""Direct access by S3, inside the archive's AWS region only, with temporary keys."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3.exceptions

from s1monthly.sources.asf.s3_keys import RefusedError, S3Keys, SharedKeys
from s1monthly.sources.retries import FinalFault, PassingFault
from s1monthly.sources.transfer import PASSING, SLOW_DOWN, Clock, fault_of, read_body

REGION = "us-west-2"
"""AWS region of the archive's buckets."""

SYS_VENDOR = Path("/sys/class/dmi/id/sys_vendor")
HYPERVISOR_UUID = Path("/sys/hypervisor/uuid")
"""Files that identify a machine of Amazon EC2."""

KEYS_NOT_TAKEN = {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "InvalidAccessKeyId", "TokenRefreshRequired"}
"""S3 error codes that new keys can fix."""


class _KeysNotTakenError(Exception):
    """S3 rejects the keys."""


class S3Reader:
    """Reads whole objects. Thread-safe.

    Parameters
    ----------
    keys : SharedKeys
        Temporary keys of the run.
    endpoint : str or None
        Address of the S3 service; None for Amazon's.
    seconds : float
        Time limit for a granule.
    """

    def __init__(self, keys: SharedKeys, endpoint: str | None, seconds: float) -> None:
        self._keys = keys
        self._endpoint = endpoint
        self._timeouts = Clock(seconds).timeouts
        self._lock = threading.Lock()
        self._client: tuple[S3Keys, Any] | None = None

    def get(self, url: str, clock: Clock, max_bytes: int | None = None) -> bytes:
        """Read an object (``s3://bucket/key``); renew rejected keys.

        `clock` and `max_bytes` limit the reading as in `transfer.read_body`.

        Raises
        ------
        RefusedError
            If S3 denies access to this machine or user.
        CredentialsError
            If the archive gives no keys because of the login.
        PassingFault, FinalFault
            If anything else goes wrong, also when keys are requested.
        """
        keys, fresh = self._keys.current(clock), False
        while True:
            try:
                return self._get(url, keys, clock, max_bytes)
            except _KeysNotTakenError as error:
                if fresh:
                    raise RefusedError(f"S3 does not take new keys ({error})") from None
            keys, fresh = self._keys.renewed(keys, clock)

    def _get(self, url: str, keys: S3Keys, clock: Clock, max_bytes: int | None) -> bytes:
        import botocore.exceptions

        parts = urlsplit(url)
        fault: Exception
        try:
            answer = self._client_of(keys).get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))
            answer["Body"].set_socket_timeout(clock.timeouts[1])
            with answer["Body"] as stream:
                return read_body(stream, clock, max_bytes, answer["ContentLength"])
        except botocore.exceptions.ClientError as error:
            fault = _fault_of_answer(error.response)
        except (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError) as error:
            fault = fault_of(error)
        except botocore.exceptions.BotoCoreError as error:
            fault = RefusedError(f"S3 cannot be used: {error}")  # AWS_PROFILE names no profile, and the like
        except (OSError, urllib3.exceptions.HTTPError) as error:
            fault = fault_of(error)
        raise fault  # raised here, so that it does not chain the error

    def _client_of(self, keys: S3Keys) -> Any:
        import boto3
        from botocore.config import Config

        with self._lock:
            if self._client is None or self._client[0] != keys:
                _quiet("boto3", "botocore")
                client = boto3.session.Session().client(
                    "s3",
                    region_name=REGION,
                    endpoint_url=self._endpoint,
                    aws_access_key_id=keys.access_key,
                    aws_secret_access_key=keys.secret_key,
                    aws_session_token=keys.session_token,
                    config=Config(
                        connect_timeout=self._timeouts[0],
                        read_timeout=self._timeouts[1],
                        retries={"total_max_attempts": 1},
                        ignore_configured_endpoint_urls=True,  # keys go to the archive only, whatever AWS_* says
                        max_pool_connections=64,
                    ),
                )
                self._client = keys, client
            return self._client[1]


def _fault_of_answer(answer: dict[str, Any]) -> Exception:
    code, status = answer["Error"].get("Code", ""), answer["ResponseMetadata"]["HTTPStatusCode"]
    reason = f"S3 answers {code or 'an error'}, HTTP {status}"
    if code in KEYS_NOT_TAKEN:
        return _KeysNotTakenError(code)
    if status == 404 and code != "NoSuchBucket":
        return FinalFault(
            f"no longer in the archive ({reason})", "ask the source again for what it holds now: search.refresh: true"
        )
    if status in PASSING or status >= 500 or code == "SlowDown":
        return PassingFault(reason, slow_down=status in SLOW_DOWN)
    if code == "RequestTimeTooSkewed":
        return RefusedError(f"the clock of this machine is wrong ({reason})")
    return RefusedError(reason)


def _quiet(*names: str) -> None:
    """Stop libraries from logging at DEBUG, where they quote keys and signatures."""
    for name in names:
        logger = logging.getLogger(name)
        logger.setLevel(max(logging.INFO, logger.getEffectiveLevel()))


@cache
def in_region() -> bool:
    """Return True if this machine is in the region of the archive's buckets."""
    return _region() == REGION


def _region() -> str | None:
    """Return this machine's AWS region from the environment or, on EC2 only, from the machine's metadata."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if os.environ.get(name):
            return os.environ[name]
    if not _on_ec2() or os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    import botocore.exceptions
    from botocore.utils import BadIMDSRequestError, InstanceMetadataRegionFetcher

    _quiet("botocore")
    with suppress(botocore.exceptions.BotoCoreError, BadIMDSRequestError):
        region: str | None = InstanceMetadataRegionFetcher(timeout=1, num_attempts=1).retrieve_region()
        return region
    return None


def _on_ec2() -> bool:
    for path, beginning in ((SYS_VENDOR, "amazon ec2"), (HYPERVISOR_UUID, "ec2")):
        with suppress(OSError, UnicodeError):
            if path.read_text(encoding="utf-8").strip().lower().startswith(beginning):
                return True
    return False
