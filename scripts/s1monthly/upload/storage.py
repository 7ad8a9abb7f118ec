"""The place to publish at: a prefix in a bucket, or a folder, read and written through obstore."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, MemoryStore, S3Store

from s1monthly.errors import CredentialsError
from s1monthly.files import locked
from s1monthly.upload.storage_errors import ConflictError, UploadError, storage_errors

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

MEDIA_TYPES = {
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".png": "image/png",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".gpkg": "application/geopackage+sqlite3",
    ".html": "text/html; charset=utf-8",
    ".xml": "application/xml",
}
GEOJSON = "application/geo+json"
CHUNK = "application/octet-stream"

PART = 16 * 2**20
"""Bytes of a part of a large object; smaller objects are put in one request."""

RETRIES: RetryConfig = {
    "max_retries": 8,
    "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=15), "base": 2},
    "retry_timeout": timedelta(seconds=120),
}
"""For answers 429 and 5xx, and for connections that are lost."""

LIFE = timedelta(minutes=5)
"""Time after which credentials are asked for again: less than the ten minutes for which boto3's are always valid."""

_REGION = "us-east-1"
_BUCKET = re.compile(r"(s3|gs|az)://([^/]+)/?(.*)")


@dataclass(frozen=True)
class Version:
    """What identifies the state of an object, for conditional puts; empty for an object that does not exist."""

    e_tag: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class Storage:
    """A prefix in a bucket, or a folder.

    Attributes
    ----------
    url : str
        Its address, for messages.
    store : ObjectStore
        Of obstore; paths are relative to the prefix.
    folder : Path or None
        The folder, if it is one.
    """

    url: str
    store: ObjectStore
    folder: Path | None = None

    def put(self, path: str, content: bytes | IO[bytes], media_type: str) -> None:
        """Write an object in one step, whether or not it exists.

        Raises
        ------
        UploadError
            If the storage refuses; retries are over then.
        """
        with storage_errors(f"{self.url}/{path}"):
            obstore.put(self.store, path, content, attributes=self._attributes(media_type), chunk_size=PART)

    def put_if(self, path: str, content: bytes, expected: Version) -> Version:
        """Write a small object if it is still in the expected state; return its new one.

        Raises
        ------
        ConflictError
            If it is in another state.
        UploadError
            As `put`.
        """
        where, attributes = f"{self.url}/{path}", self._attributes("application/json")
        if self.folder is None:
            given: Any = {name: value for name, value in vars(expected).items() if value is not None}
            with storage_errors(where):
                return _version(obstore.put(self.store, path, content, attributes=attributes, mode=given or "create"))
        with storage_errors(where), locked((self.folder / path).with_name(".lock")):
            found = self.get(path)
            if (found[1] if found else Version()) != expected:
                raise ConflictError(where)
            return _version(obstore.put(self.store, path, content, mode="overwrite"))

    def get(self, path: str) -> tuple[bytes, Version] | None:
        """Read a small object; return its content and state, or None if it does not exist.

        Raises
        ------
        UploadError
            As `put`; also if there is no such bucket.
        """
        with storage_errors(f"{self.url}/{path}"):
            try:
                found = obstore.get(self.store, path)
                return bytes(found.bytes()), _version(found.meta)
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
                    raise
                return None

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Yield path and size of the objects below a folder.

        Raises
        ------
        UploadError
            As `put`.
        """
        with storage_errors(f"{self.url}/{prefix}"):
            for page in obstore.list(self.store, prefix or None):
                yield from ((found["path"], found["size"]) for found in page)

    def states(self, prefix: str) -> dict[str, str | None]:
        """Return the ETag of each object below a folder by its path.

        Raises
        ------
        UploadError
            As `put`.
        """
        with storage_errors(f"{self.url}/{prefix}"):
            return {found["path"]: found["e_tag"] for page in obstore.list(self.store, prefix) for found in page}

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects; those that do not exist are none the less gone.

        Raises
        ------
        UploadError
            As `put`.
        """
        with storage_errors(self.url):
            if self.folder is None:
                obstore.delete(self.store, list(paths))
                return
            for path in paths:
                (self.folder / path).unlink(missing_ok=True)

    def _attributes(self, media_type: str) -> dict[str, str] | None:
        return {"Content-Type": media_type} if self.folder is None else None


def _version(found: Any) -> Version:
    return Version(found["e_tag"], found["version"])


def media_type(path: str) -> str:
    """Return the media type of an object from its name; chunks have no name of their own."""
    name = path.rpartition("/")[2]
    return MEDIA_TYPES.get(f".{name.rpartition('.')[2]}" if "." in name else "", CHUNK)


def open_storage(url: str, endpoint: str | None = None, *, make: bool = True) -> Storage:
    """Open a place to publish at; nothing is asked of it yet.

    Credentials come from the usual chains: for S3 that of boto3 (environment, profiles, single sign-on, roles of
    machines), for Google and Azure those of obstore.

    Parameters
    ----------
    url : str
        As in publish.url: ``s3://bucket/prefix``, ``gs://``, ``az://`` or a folder.
    endpoint : str, optional
        Server. One that begins with ``http://`` is called without encryption.
    make : bool
        Make the folder if there is none; otherwise it is an empty place.

    Raises
    ------
    CredentialsError
        If there are no credentials.
    UploadError
        If the address cannot be used, or the folder not made.
    """
    match = _BUCKET.fullmatch(url)
    if match is None:
        folder = Path(url)
        if not (make or folder.exists()):
            return Storage(url, MemoryStore(), folder=None)
        with storage_errors(url):
            folder.mkdir(parents=True, exist_ok=True)
            return Storage(url, LocalStore(folder), folder)
    scheme, bucket, prefix = match.groups()
    client: ClientConfig = {"connect_timeout": timedelta(seconds=10), "timeout": timedelta(seconds=120)}
    if endpoint and endpoint.startswith("http://"):
        client["allow_http"] = True
    options: dict[str, Any] = {"prefix": prefix or None, "client_options": client, "retry_config": RETRIES}
    try:  # nothing is asked of a server yet
        if scheme == "gs":
            return Storage(url, GCSStore(bucket, **options, **_given(base_url=endpoint)))
        if scheme == "az":
            return Storage(url, AzureStore(bucket, **options, **_given(endpoint=endpoint)))
        return Storage(url, _s3(bucket, endpoint, options))
    except (BaseError, ValueError):  # its text may hold a key
        raise UploadError(
            f"{url}: the settings of this storage are incomplete or wrong",
            "check publish.endpoint and the variables of the environment, for az:// AZURE_STORAGE_ACCOUNT_NAME",
        ) from None


def _s3(bucket: str, endpoint: str | None, options: dict[str, Any]) -> S3Store:
    import boto3
    import botocore.exceptions
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        session = boto3.Session()
        provider = Boto3CredentialProvider(session, ttl=LIFE)
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        problem = str(error) if isinstance(error, botocore.exceptions.ProfileNotFound) else "no credentials were found"
        raise CredentialsError(
            f"s3://{bucket}: {problem}",
            "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in: aws sso login",
        ) from None
    region = session.region_name or _REGION
    return S3Store(
        bucket,
        **options,
        region=region,
        credential_provider=provider,
        **_given(endpoint=endpoint),
    )


def _given(**options: str | None) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
