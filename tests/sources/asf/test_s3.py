"""Direct access by S3: where it is used, what it falls back to, and keys that are shared and renewed."""

from __future__ import annotations

import json
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
from botocore.exceptions import MetadataRetrievalError
from botocore.response import StreamingBody

from s1monthly.errors import CredentialsError
from s1monthly.sources.asf import s3
from s1monthly.sources.asf.earthdata import Login
from s1monthly.sources.asf.fetching import S3_PATIENCE
from s1monthly.sources.asf.refused_login import RefusedLogin
from s1monthly.sources.asf.s3_keys import FILE, S3Keys, SharedKeys
from s1monthly.sources.transfer import Clock
from standin import Hold, Reply, World, cut, drop, flip, login_page, slow_down, status, trickle
from standin.earthdata import s3_error
from standin.web import Fault
from support.archive_scene import Scene


@pytest.fixture(autouse=True)
def forget_the_region() -> Iterator[None]:
    s3.in_region.cache_clear()
    yield
    s3.in_region.cache_clear()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def expire(world: World) -> None:
    """Let all keys issued so far have expired, whatever they say."""
    world.keys.issued[:] = [replace(keys, expires=datetime.now(UTC) - timedelta(hours=1)) for keys in world.keys.issued]


# from end to end


def test_s3_brings_what_the_archive_holds_with_one_question_for_keys(scene: Scene) -> None:
    fetcher = scene.fetcher(access="s3")
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: scene.fetch(fetcher), range(8))) == [scene.archived] * 8
    assert len(scene.world.keys.issued) == 1 and not scene.signed.log
    assert all(request.headers["x-amz-security-token"] for request in scene.world.s3.web.log)


PASSING: dict[str, tuple[Fault, str]] = {
    "slow down": (slow_down(), "S3 answers SlowDown, HTTP 503"),
    "500": (lambda exchange: s3_error(500, "InternalError", "We encountered an error"), "InternalError"),
    "dropped": (drop(), "connection failed"),
    "cut short": (cut(), "cut short"),
    "flipped bit": (flip(), "MD5 .* came instead of"),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_of_s3_that_passes_is_logged_and_forgotten(
    scene: Scene, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    fault, reason = PASSING[name]
    scene.world.s3.web.faults = [fault]
    assert scene.fetch(scene.fetcher(access="s3")) == scene.archived
    (warning,) = warnings(caplog)
    assert re.search(rf"layer \w+: try 1: .*{reason}", warning)


def test_a_body_cut_short_is_seen_where_the_record_knows_nothing(scene: Scene) -> None:
    scene.world.s3.web.faults = [cut()]
    assert scene.fetch(scene.fetcher(access="s3"), scene.listed(size=-1, md5="")) == scene.archived
    scene.signed.faults = [cut()]
    assert scene.fetch(granule=scene.listed(size=-1, md5="")) == scene.archived


def test_a_fault_of_s3_that_stays_is_named(scene: Scene) -> None:
    web = scene.world.s3.web
    web.faults = slow_down()
    message = scene.refusal(access="s3", seconds=0.5)
    assert "S3 answers SlowDown, HTTP 503 (tried " in message and "(s3://asf-cumulus-prod-opera-products/" in message
    web.faults = flip()
    assert "another file than its record says" in scene.refusal(access="s3")
    nowhere = scene.refusal(access="s3", s3_endpoint="http://127.0.0.1:9", seconds=0.3)
    assert "tried" in nowhere and "connection failed" in nowhere and "us-west-2" not in nowhere
    web.faults = Hold(5)
    begun = time.monotonic()
    assert "the server stopped answering (tried 1 time" in scene.refusal(access="s3", seconds=1.0)
    web.faults = trickle(8)
    assert "bytes came in the time given" in scene.refusal(access="s3", seconds=1.5)
    assert time.monotonic() - begun < 5


def test_the_wait_for_the_next_bytes_ends_with_the_granules_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    original = StreamingBody.set_socket_timeout

    def noted(self: StreamingBody, timeout: float) -> None:
        waits.append(timeout)
        original(self, timeout)

    monkeypatch.setattr(StreamingBody, "set_socket_timeout", noted)
    scene.world.s3.web.faults = [lambda exchange: replace(cut()(exchange), seconds=0.3)]
    scene.fetch(scene.fetcher(access="s3", seconds=20.0), scene.one)
    assert len(waits) == 2 and 20 > waits[0] > waits[1] + 0.2


def test_an_object_that_is_gone_is_not_asked_for_again(scene: Scene) -> None:
    scene.world.archive.remove(scene.granule.id)
    message = scene.refusal(access="s3")
    assert "no longer in the archive (S3 answers NoSuchKey, HTTP 404)" in message and "search.refresh: true" in message
    assert len(scene.world.s3.web.log) == 1


# refusals


def no_s3_address(scene: Scene) -> None:
    scene.granule = scene.listed(s3_url="")


def keys_not_understood(scene: Scene) -> None:
    answer = json.dumps(scene.world.keys.issue().json | {"expiration": "soon"})
    scene.world.earthdata.distribution.faults = lambda exchange: Reply(200, answer.encode())


REFUSALS: dict[str, tuple[Callable[[Scene], object], str]] = {
    "no bucket access": (lambda scene: setattr(scene.world.s3, "deny", True), "S3 answers AccessDenied, HTTP 403"),
    "other region": (
        lambda scene: setattr(
            scene.world.s3.web, "faults", lambda _: s3_error(400, "AuthorizationHeaderMalformed", "")
        ),
        "S3 answers AuthorizationHeaderMalformed, HTTP 400",
    ),
    "wrong clock": (
        lambda scene: setattr(scene.world.s3.web, "faults", lambda _: s3_error(403, "RequestTimeTooSkewed", "")),
        "the clock of this machine is wrong (S3 answers RequestTimeTooSkewed, HTTP 403)",
    ),
    "no S3 address": (no_s3_address, "the record names no address for S3"),
    "no keys there": (
        lambda scene: setattr(scene.world.earthdata.distribution, "faults", status(404)),
        "no keys for S3: HTTP 404 from https://localhost",
    ),
    "keys not understood": (keys_not_understood, "no keys for S3: HTTP 200 from https://localhost"),
    "keys that never work": (
        lambda scene: setattr(scene.world.keys, "lifetime", timedelta(hours=-1)),
        "S3 does not take new keys (ExpiredToken)",
    ),
    "no profile": (
        lambda scene: os.environ.update(AWS_PROFILE="nobody"),  # set back by the test
        "S3 cannot be used: The config profile (nobody) could not be found",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_where_s3_refuses_s3_alone_fails_and_auto_goes_on_by_https(
    scene: Scene, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "default")
    monkeypatch.delenv("AWS_PROFILE")
    arrange, reason = REFUSALS[name]
    arrange(scene)
    message = scene.refusal(access="s3")
    assert reason in message and "us-west-2" in message and "download.access to auto or https" in message
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    before = len(scene.world.s3.web.log)
    caplog.clear()
    fetcher = scene.fetcher(access="auto")
    assert scene.fetch(fetcher) == scene.fetch(fetcher) == scene.archived
    (warning,) = warnings(caplog)
    assert warning.startswith(f"S3 is given up for HTTPS: {reason}") and len(scene.world.s3.web.log) <= before + 2


def test_a_login_that_is_refused_by_the_keys_is_named(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene.world.earthdata.distribution.faults = login_page()
    assert "token in EARTHDATA_TOKEN is refused" in scene.refusal(CredentialsError, access="s3")
    RefusedLogin(scene.options["keys_dir"]).forget()
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert scene.fetch(scene.fetcher(access="auto")) == scene.archived
    (warning,) = warnings(caplog)
    assert warning.startswith("S3 is given up for HTTPS: the token in EARTHDATA_TOKEN is refused")


def test_a_server_of_keys_in_trouble_is_asked_again(scene: Scene) -> None:
    scene.world.earthdata.distribution.faults = [status(503), drop(), None]
    assert scene.fetch(scene.fetcher(access="s3")) == scene.archived


def test_auto_leaves_s3_after_some_faults_in_a_row(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    scene.world.s3.web.faults = drop()
    assert scene.fetch(scene.fetcher(access="auto")) == scene.archived
    assert S3_PATIENCE <= len(scene.world.s3.web.log) <= S3_PATIENCE + 2, "three were under way"
    assert any(line.startswith("S3 is given up for HTTPS: connection failed") for line in warnings(caplog))


def test_keys_go_to_the_archives_service_whatever_the_environment_names(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    reader = s3.S3Reader(shared(scene), None, 20)
    keys = S3Keys("key", "secret", "session", datetime.now(UTC) + timedelta(hours=1))
    assert reader._client_of(keys).meta.endpoint_url == "https://s3.us-west-2.amazonaws.com"


# the region


@pytest.mark.parametrize(
    ("variables", "ways"),
    [
        ({}, "HTTPS"),
        ({"AWS_DEFAULT_REGION": "us-west-2"}, "S3"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-west-2"}, "HTTPS"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-west-2"}, "S3"),
    ],
)
def test_auto_uses_s3_inside_the_region_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], ways: str
) -> None:
    monkeypatch.setattr(s3, "_on_ec2", lambda: False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert scene.fetch(scene.fetcher(access="auto")) == scene.archived
    assert bool(scene.world.s3.web.log) == (ways == "S3") and bool(scene.signed.log) == (ways == "HTTPS")


@pytest.mark.parametrize(
    ("file", "content", "answers", "inside"),
    [
        ("sys_vendor", "Amazon EC2\n", ["us-west-2"], True),
        ("uuid", "ec2e1916-9099-7caf-fd21-012345abcdef\n", ["us-west-2"], True),
        ("uuid", "EC2E1916\n", [MetadataRetrievalError(error_msg="disabled")], False),
        ("sys_vendor", "LENOVO\n", [], False),
        ("uuid", "4c4c4544\n", [], False),
        ("none", "", [], False),
        ("switched off", "Amazon EC2\n", [], False),
    ],
)
def test_the_machines_metadata_are_read_on_ec2_alone_and_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, content: str, answers: list[object], inside: bool
) -> None:
    reader = mock.Mock()
    reader.return_value.retrieve_region.side_effect = answers  # one more question would raise
    monkeypatch.setattr("botocore.utils.InstanceMetadataRegionFetcher", reader)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SYS_VENDOR", "HYPERVISOR_UUID"):
        monkeypatch.setattr(s3, name, tmp_path / name.lower().removeprefix("hypervisor_"))
    if file == "switched off":
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "True")
        file = "sys_vendor"
    (tmp_path / file).write_text(content)
    assert s3.in_region() is s3.in_region() is inside
    assert reader.call_count == len(answers)
    assert all(call.kwargs == {"timeout": 1, "num_attempts": 1} for call in reader.call_args_list)


# the keys


def shared(scene: Scene) -> SharedKeys:
    hosts = scene.world.hosts
    return SharedKeys(Login(hosts.login, hosts.trusted), hosts.s3_credentials, scene.folder / "keys")


def test_keys_that_expire_in_mid_run_are_renewed(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    fetcher = scene.fetcher(access="s3")
    assert scene.fetch(fetcher) == scene.archived
    expire(scene.world)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: scene.fetch(fetcher), range(4))) == [scene.archived] * 4
    assert len(scene.world.keys.issued) == 2 and warnings(caplog) == []


def test_keys_with_little_to_live_are_renewed_before_they_are_used(scene: Scene) -> None:
    scene.world.keys.lifetime = timedelta(minutes=4)
    fetcher = scene.fetcher(access="s3")
    assert scene.fetch(fetcher, scene.one) and len(scene.world.keys.issued) == 1
    scene.world.keys.lifetime = timedelta(minutes=6)
    assert scene.fetch(fetcher) == scene.archived
    assert len(scene.world.keys.issued) == 2
    assert not [request for request in scene.world.s3.web.log if request.status != 200]


def test_new_keys_that_a_wrong_clock_takes_for_expired_are_used(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    parse = S3Keys.parse
    skewed = lambda content: replace(parse(content), expires=datetime(2020, 1, 1, tzinfo=UTC))  # noqa: E731
    monkeypatch.setattr(S3Keys, "parse", skewed)
    assert [scene.fetch(fetcher) for fetcher in [scene.fetcher(access="s3")] * 2] == [scene.archived] * 2
    assert len(scene.world.keys.issued) == 1


def test_keys_that_another_job_has_renewed_are_taken_over(scene: Scene) -> None:
    mine, other = scene.fetcher(access="s3"), scene.fetcher(access="s3")
    scene.fetch(mine)
    expire(scene.world)
    scene.fetch(other)
    scene.fetch(mine)
    assert len(scene.world.keys.issued) == 2


def test_the_keys_file_is_its_owners_from_the_first_byte(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    original = os.replace

    def noted(source: Path, target: Path) -> None:
        modes.append(stat.S_IMODE(os.stat(source).st_mode))
        original(source, target)

    monkeypatch.setattr(os, "replace", noted)
    monkeypatch.setattr(os, "chmod", lambda *arguments, **options: pytest.fail("chmod comes too late"))
    mask = os.umask(0)
    try:
        shared(scene).current(Clock(5))
    finally:
        os.umask(mask)
    assert modes == [0o600] and stat.S_IMODE((scene.folder / "keys").stat().st_mode) == 0o700
    assert [path.name for path in (scene.folder / "keys").iterdir()] == [FILE]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text(""),
        lambda path: path.write_bytes(b"\xff\xfe\n\xff"),
        lambda path: path.write_text(path.read_text()[:-9]),
        lambda path: path.write_text("https://elsewhere/s3credentials\n" + path.read_text().split("\n")[1]),
        lambda path: path.chmod(0o640),
        lambda path: path.chmod(0o604),
        lambda path: os.chown(path, 12345, -1),
        lambda path: (path.rename(path.with_name("other")), path.symlink_to("other")),
        lambda path: path.write_text(path.read_text().replace(datetime.now(UTC).strftime("%Y-"), "2019-")),
    ],
    ids=["empty", "not text", "cut off", "other archive", "group", "others", "foreign", "link", "expired"],
)
def test_a_keys_file_that_cannot_be_trusted_is_replaced(scene: Scene, spoil: Callable[[Path], object]) -> None:
    first = shared(scene).current(Clock(5))
    path = scene.folder / "keys" / FILE
    if os.geteuid() and "chown" in spoil.__code__.co_names:
        pytest.skip("only root can give files away")
    spoil(path)
    second = shared(scene).current(Clock(5))
    assert second != first and len(scene.world.keys.issued) == 2
    status = path.lstat()
    assert stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o600 and status.st_uid == os.geteuid()
    assert shared(scene).current(Clock(5)) == second


def test_keys_that_cannot_be_shared_are_used_all_the_same(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    (scene.folder / "keys").write_text("a file where the folder should be")
    fetcher = scene.fetcher(access="s3")
    assert scene.fetch(fetcher) == scene.fetch(fetcher) == scene.archived
    assert len(scene.world.keys.issued) == 1
    (warning,) = warnings(caplog)
    assert "S3 keys cannot be shared" in warning
    keys = shared(scene)
    first = keys.current(Clock(5))
    second, fresh = keys.renewed(first, Clock(5))
    # what one thread has renewed is good for the others
    assert second != first and fresh and keys.renewed(first, Clock(5)) == (second, False)


@pytest.mark.parametrize(
    ("text", "expires"),
    [
        ("2030-01-02 03:04:05+00:00", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2030-01-02T03:04:05Z", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2030-01-02 03:04:05", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ],
)
def test_keys_are_read_and_do_not_show_themselves(text: str, expires: datetime) -> None:
    answer = {"accessKeyId": "AKEY", "secretAccessKey": "SKEY", "sessionToken": "STOKEN", "expiration": text}
    keys = S3Keys.parse(json.dumps(answer).encode())
    assert keys and keys == S3Keys("AKEY", "SKEY", "STOKEN", expires)
    assert not [secret for secret in ("AKEY", "SKEY", "STOKEN") if secret in repr(keys)]
    for name in answer:
        assert S3Keys.parse(json.dumps(answer | {name: ""}).encode()) is None
        assert S3Keys.parse(json.dumps({k: v for k, v in answer.items() if k != name}).encode()) is None
