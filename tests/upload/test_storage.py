"""Object storage: what is put and how, and what is said and done if it goes wrong."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from s1monthly.config.publish import check_publish
from s1monthly.errors import ConfigError, CredentialsError
from s1monthly.upload import storage, transfer
from s1monthly.upload.publishing import Options, publish_tree
from s1monthly.upload.storage import Storage, Version, open_storage
from s1monthly.upload.storage_errors import ConflictError, UploadError
from standin.faults import drop
from standin.web import Exchange, Reply, Request, WebServer
from support.bucket import KEYS, URL, only, refusal
from support.shelf import files_of


def opened(server: WebServer, url: str = URL) -> Storage:
    return open_storage(url, server.url)


def publish(base: Path, server: WebServer) -> int:
    return publish_tree(base, opened(server), Options(workers=4), print).files


def contents(moto: str) -> dict[str, bytes]:
    """What lies in the bucket below the prefix, but for manifests."""
    client = boto3.client("s3", endpoint_url=moto, region_name="us-east-1")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="bucket")
    keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
    assert all(key.startswith("pre/fix/") for key in keys)
    read = {key.removeprefix("pre/fix/"): client.get_object(Bucket="bucket", Key=key)["Body"].read() for key in keys}
    return {path: data for path, data in read.items() if not path.startswith("_manifests")}


def is_put(request: Request) -> bool:
    return request.method == "PUT"


def test_a_tree_in_a_bucket(base: Path, s3: WebServer, moto: str) -> None:
    assert publish(base, s3) == len(files_of(base)) and contents(moto) == files_of(base)
    client = boto3.client("s3", endpoint_url=moto, region_name="us-east-1")
    for path, media_type in {
        "catalog.json": "application/json",
        "10SGD_ASCENDING/10SGD_ASCENDING_2021-11.json": "application/geo+json",
        "10SGD_ASCENDING/cog/10SGD_S1_Monthly_ASCENDING_2021-11.tif": "image/tiff; application=geotiff;"
        " profile=cloud-optimized",
        "10SGD_ASCENDING/preview/10SGD_S1_Monthly_ASCENDING_2021-11.png": "image/png",
        "items.parquet": "application/vnd.apache.parquet",
        "10SGD_ASCENDING/zarr/S1_monthly.zarr/VV_dB/c/0/0/0": "application/octet-stream",
        "report/coverage.html": "text/html; charset=utf-8",
    }.items():
        assert client.head_object(Bucket="bucket", Key=f"pre/fix/{path}")["ContentType"] == media_type
    s3.log.clear()
    assert publish(base, s3) == 0 and not [request for request in s3.log if is_put(request)]
    assert len(s3.log) < 15, "an idle publication reads manifests and tables alone"


@pytest.mark.parametrize("where", ["bucket", "folder"])
def test_conditional_puts(where: str, s3: WebServer, tmp_path: Path) -> None:
    place = opened(s3) if where == "bucket" else open_storage(str(tmp_path / "published"))
    first = place.put_if("m/a.json", b"1", Version())
    with pytest.raises(ConflictError):
        place.put_if("m/a.json", b"2", Version())
    second = place.put_if("m/a.json", b"2", first)
    with pytest.raises(ConflictError):
        place.put_if("m/a.json", b"3", first)
    assert place.get("m/a.json") == (b"2", second) and place.get("m/b.json") is None
    place.delete(["m/a.json", "m/b.json"])
    assert place.get("m/a.json") is None


def test_throttling_and_lost_connections_slow_and_do_not_stop(base: Path, s3: WebServer, moto: str) -> None:
    wrong = [refusal(503, "SlowDown"), refusal(429, "TooManyRequests"), refusal(500, "InternalError"), drop()]
    count = iter(range(10**6))

    def every_third(exchange: Exchange) -> Reply:
        number = next(count)
        return exchange.answer() if number % 3 else wrong[number // 3 % 4](exchange)

    s3.faults = every_third
    publish(base, s3)
    assert contents(moto) == files_of(base) and next(count) > 200


def test_a_connection_that_is_lost_in_a_multipart_upload(
    base: Path, s3: WebServer, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "PART", 20_000)
    monkeypatch.setattr(transfer, "PART", 20_000)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    s3.faults = only(lambda request: "partNumber=2" in request.query, drop(), times=2)
    publish(base, s3)
    parts = [request for request in s3.log if "partNumber" in request.query]
    assert len(parts) > 6 and sum(request.status == 0 for request in parts) == 2
    assert contents(moto) == files_of(base)


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (400, "ExpiredToken", "the credentials have expired -> renew them (aws sso login"),
        (403, "RequestTimeTooSkewed", "the clock of this machine is wrong -> set it"),
        (403, "InvalidAccessKeyId", "the server does not know the access key"),
        (403, "SignatureDoesNotMatch", "the secret key does not fit"),
        (403, "AccessDenied", "the server refuses access (403 AccessDenied)"),
        (400, "AuthorizationHeaderMalformed", "another region -> set AWS_REGION"),
        (404, "NoSuchBucket", "there is no such bucket"),
        (418, "Teapot", "the server answers 418 Teapot"),
    ],
)
def test_what_is_refused_is_said_with_a_remedy_and_without_keys(
    s3: WebServer, status: int, code: str, says: str
) -> None:
    s3.faults = refusal(status, code)
    with pytest.raises(UploadError) as error:
        opened(s3).put("a.json", b"1", "text/plain")
    assert says in str(error.value) and f"{URL}/a.json" in str(error.value)
    shown = f"{error.value!r} {error.getrepr(chain=True)}"
    assert not [key for key in KEYS.values() if key in shown]


def test_what_is_refused_in_the_middle_is_continued(base: Path, s3: WebServer, moto: str) -> None:
    puts = iter(range(10**6))
    s3.faults = only(lambda request: is_put(request) and next(puts) > 30, refusal(400, "ExpiredToken"))
    with pytest.raises(UploadError, match="expired"):
        publish(base, s3)
    s3.faults = []
    publish(base, s3)
    assert contents(moto) == files_of(base)


def test_another_publisher_in_between_is_noticed(
    base: Path, s3: WebServer, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.faults = only(lambda r: is_put(r) and "_manifests" in r.path, refusal(412, "PreconditionFailed"), times=3)
    publish(base, s3)
    assert contents(moto) == files_of(base)
    s3.faults = only(is_put, refusal(412, "PreconditionFailed"))
    (base / "10SGD_ASCENDING" / "months" / "2021-11.json").touch()
    monkeypatch.setattr(transfer, "ATTEMPTS", 2)
    with pytest.raises(UploadError, match="other publishers write it all the time"):
        publish(base, s3)


def test_no_credentials_no_profile_no_server(
    base: Path, s3: WebServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    s3.close()
    monkeypatch.setattr(storage, "RETRIES", {**storage.RETRIES, "max_retries": 1})
    with pytest.raises(UploadError, match="the server cannot be reached"):
        publish(base, s3)
    for name in KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(CredentialsError, match="no credentials were found -> set AWS_PROFILE"):
        opened(s3)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(CredentialsError, match=r"nobody.* -> set AWS_PROFILE"):
        opened(s3)


def test_a_profile_of_the_aws_files_is_used(s3: WebServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in KEYS:
        monkeypatch.delenv(name)
    (tmp_path / "keys").write_text("[mine]\naws_access_key_id = AKIDOFPROFILE\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    opened(s3).put("a", b"1", "text/plain")
    assert "Credential=AKIDOFPROFILE/" in s3.log[-1].headers["Authorization"]


@pytest.mark.parametrize("url", ["gs://bucket/prefix", "az://container/prefix"])
def test_other_clouds_are_reached_at_their_server(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is tried: there is no stand-in for them."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    assert open_storage(url, "https://localhost:1").store.prefix == "prefix"


def test_a_cloud_without_its_account_is_not_called_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(UploadError, match=r"az://container: the settings .* AZURE_STORAGE_ACCOUNT_NAME"):
        open_storage("az://container")


@pytest.mark.parametrize("server", ["http://[::1", "https://ex^ample.org", "https://host:port"])
def test_a_server_that_no_request_can_name_is_refused(server: str, tmp_path: Path) -> None:
    """The library below would end the program."""
    with pytest.raises(ConfigError, match=r"publish.endpoint: not the address of a server"):
        check_publish({"url": "s3://bucket", "endpoint": server}, str(tmp_path))


@pytest.mark.parametrize("server", ["http://[::1]:9000", "https://s3.example.org/path", "http://localhost:9000"])
def test_a_server_may_be_a_name_or_a_number(server: str, tmp_path: Path) -> None:
    assert check_publish({"url": "s3://bucket", "endpoint": server}, str(tmp_path)).endpoint == server
