"""Granules fetched by HTTPS: what arrives is what the archive holds, and every fault is named."""

from __future__ import annotations

import io
import logging
import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import rasterio
from rasterio.errors import RasterioIOError

from s1monthly.errors import CredentialsError, S1MonthlyError, SourceError
from s1monthly.sources import transfer
from s1monthly.sources.asf.connections import Connections
from s1monthly.sources.asf.refused_login import VALID_SECONDS, RefusedLogin
from s1monthly.sources.transfer import Clock
from standin import Hold, Reply, cut, drop, flip, login_page, reset, status, trickle
from standin.web import Fault
from support.archive_scene import Scene, shown_by, written_in


def test_layers_arrive_as_the_archive_holds_them_and_are_freed(scene: Scene) -> None:
    with scene.fetcher().in_memory(scene.granule, ("VV", "mask", "HH")) as ready:
        assert [layer.name for layer in ready.layers] == ["VV", "mask"]
        for layer in ready.layers:
            listed = scene.granule.layer(layer.name)
            assert listed and layer == replace(listed, url=layer.url)
            assert layer.url.startswith("/vsimem/") and layer.url.endswith(Path(listed.url).name)
            with rasterio.open(layer.url) as dataset:
                assert dataset.read(1).tobytes() == scene.archived[layer.name]
    for layer in ready.layers:
        with pytest.raises(RasterioIOError):
            rasterio.open(layer.url)
    for request in scene.signed.log:
        assert request.headers["User-Agent"].startswith("s1monthly/")
        assert request.headers["Accept-Encoding"] == "identity"  # bytes are counted as the archive has them


def test_layers_are_freed_when_a_later_one_fails_or_reading_does(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    original = rasterio.io.MemoryFile.__init__

    def noted(self: rasterio.io.MemoryFile, *arguments: object, **named: object) -> None:
        original(self, *arguments, **named)
        names.append(self.name)

    monkeypatch.setattr(rasterio.io.MemoryFile, "__init__", noted)
    scene.signed.faults_at["_VH.tif"] = status(404)
    with pytest.raises(SourceError, match="layer VH"):
        scene.fetch()
    with pytest.raises(ZeroDivisionError), scene.fetcher().in_memory(scene.one, ["VV"]):
        raise ZeroDivisionError
    assert len(names) == 1, "nothing is in memory before all has come"
    for name in names:
        with pytest.raises(RasterioIOError):
            rasterio.open(name)


def test_granules_are_fetched_side_by_side_and_keep_apart(scene: Scene) -> None:
    fetcher = scene.fetcher()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: scene.fetch(fetcher), range(16)))
    assert answers == [scene.archived] * 16
    with ExitStack() as stack:
        twice = [stack.enter_context(fetcher.in_memory(scene.one, ["VV"])) for _ in range(2)]
        assert twice[0].layers[0].url != twice[1].layers[0].url


def test_what_the_record_does_not_know_is_not_checked(scene: Scene) -> None:
    assert scene.fetch(granule=scene.listed(size=-1, md5="")) == scene.archived
    assert scene.fetch(granule=scene.listed(size=-1)) == scene.archived
    assert scene.fetch(granule=scene.listed(md5="")) == scene.archived
    upper = [replace(layer, md5=layer.md5.upper()) for layer in scene.granule.layers]
    assert scene.fetch(granule=replace(scene.granule, layers=tuple(upper))) == scene.archived


# faults that pass


PASSING: dict[str, tuple[Fault, str]] = {
    "503": (status(503, html=True), "HTTP 503 from 127.0.0.1"),
    "408": (status(408), "HTTP 408"),
    "dropped": (drop(), "connection failed"),
    "reset": (reset(), "connection"),
    "cut short": (cut(), "cut short"),
    "cut short with a fitting length": (cut(fitting_length=True), r"only \d+ bytes came instead of \d+"),
    "empty": (cut(0, fitting_length=True), "an empty file came"),
    "too long": (lambda e: replace(e.answer(), body=e.answer().body * 2), r"more bytes came instead of \d+"),
    "flipped bit": (flip(), r"MD5 \w{32} came instead of \w{32}"),
    "signature refused": (status(403), "the signed address is refused"),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_is_logged_and_forgotten(scene: Scene, name: str, caplog: pytest.LogCaptureFixture) -> None:
    fault, reason = PASSING[name]
    scene.signed.faults = [fault]
    assert scene.fetch() == scene.archived
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert re.search(rf"granule {scene.granule.id}: layer \w+: try 1: .*{reason}", warning)


@pytest.mark.parametrize("name", ["503", "empty"])
def test_a_fault_that_stays_ends_with_its_name_and_the_number_of_tries(scene: Scene, name: str) -> None:
    fault, reason = PASSING[name]
    scene.signed.faults = fault
    message = scene.refusal(seconds=0.5)
    # of a file the last try may begin just before the time is up
    assert re.search(rf"({reason}.*|in the time given) \(tried \d+ times in 0\.5 s\)", message)
    assert "memory.scene_retry_timeout_seconds" in message and len(scene.signed.log) > 2


@pytest.mark.parametrize("fault", [cut(), reset(), trickle(9)], ids=["cut", "reset", "trickled"])
def test_an_error_whose_page_does_not_come_whole_keeps_its_status(scene: Scene, fault: Fault) -> None:
    page = Reply(503, b"<html>Out of service</html>" * 100)
    scene.signed.faults = lambda exchange: fault(replace(exchange, answer=lambda: page))
    assert "HTTP 503 from 127.0.0.1 (tried " in scene.refusal(seconds=0.4)


def test_layers_of_a_granule_come_side_by_side(scene: Scene) -> None:
    held = Hold()
    scene.signed.faults_at["_VV.tif"] = held
    with ThreadPoolExecutor(1) as pool:
        fetched = pool.submit(scene.fetch)
        while len(scene.signed.log) < 3 and not fetched.done():
            time.sleep(0.01)
        assert not fetched.done()
        held.release()
        assert fetched.result() == scene.archived


def test_a_server_that_asks_to_wait_is_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(Clock, "sleep", lambda _, seconds: waits.append(seconds))
    monkeypatch.setattr(Connections, "_pause", lambda *_: None)  # it pauses the whole run as long
    at = f"{datetime.now(UTC) + timedelta(seconds=9):%a, %d %b %Y %H:%M:%S GMT}"
    dated = Reply(429, headers=(("Retry-After", at),))
    scene.signed.faults = [status(503, retry_after=7), lambda exchange: dated]
    assert scene.fetch(granule=scene.one) == {"VV": scene.archived["VV"]}
    assert waits[0] == 7 and 7 < waits[1] <= 9


def test_a_server_that_stops_or_trickles_is_cut_off_by_the_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(transfer, "READ_SECONDS", 0.2)
        scene.signed.faults = Hold(5)
        assert "the server stopped answering" in scene.refusal(seconds=0.5)
    scene.signed.faults = trickle(6)
    begun = time.monotonic()
    assert re.search(r"only \d+ bytes came in the time given \(tried 1 time in 1 s\)", scene.refusal(seconds=1.0))
    assert time.monotonic() - begun < 4


def test_no_more_is_read_than_the_record_tells_and_one_byte(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    original = transfer.read_body

    def noted(*arguments: object) -> bytes:
        body = original(*arguments)
        lengths.append(len(body))
        return body

    monkeypatch.setattr(transfer, "read_body", noted)
    scene.signed.faults = [PASSING["too long"][0]]
    scene.fetch(granule=scene.one)
    size = scene.one.layers[0].size
    assert lengths == [size + 1, size]
    endless = io.BufferedReader(io.FileIO("/dev/zero"))
    with endless:
        assert original(endless, Clock(5), max_bytes=1000) == bytes(1001)
        assert endless.tell() <= 2 * transfer.PIECE


# faults that stay


def test_the_same_wrong_bytes_twice_are_the_archives(scene: Scene) -> None:
    scene.signed.faults = [flip(0.1), flip(0.2), flip(0.3)]
    assert scene.fetch(granule=scene.one) == {"VV": scene.archived["VV"]}
    for fault in (flip(), cut(fitting_length=True), PASSING["too long"][0]):
        before = len(scene.signed.log)
        scene.signed.faults = fault
        message = scene.refusal()
        assert "another file than its record says" in message and "twice" in message and "search.refresh" in message
        assert len(scene.signed.log) == before + 2


def test_no_tiff_is_no_tiff_even_where_the_record_knows_nothing(scene: Scene) -> None:
    scene.signed.faults = lambda exchange: Reply(200, b'{"message": "hello"}')
    with pytest.raises(SourceError, match="no TIFF"):
        scene.fetch(granule=scene.listed(size=-1, md5=""))
    scene.signed.faults = lambda exchange: Reply(200)
    with pytest.raises(SourceError, match=r"an empty file came \(tried"):
        scene.fetch(scene.fetcher(seconds=0.2), scene.listed(size=-1, md5=""))


@pytest.mark.parametrize("server", ["data", "signed"])
@pytest.mark.parametrize("code", [404, 410])
def test_a_file_that_is_gone_is_not_asked_for_again(scene: Scene, server: str, code: int) -> None:
    web = getattr(scene.world.earthdata, server)
    web.faults = status(code, html=True)
    message = scene.refusal()
    assert f"no longer in the archive (HTTP {code})" in message and "search.refresh: true" in message
    assert len(web.log) == 1


def test_an_answer_that_nobody_expects_is_reported(scene: Scene) -> None:
    scene.signed.faults = status(418)
    assert "unexpected answer (HTTP 418 from 127.0.0.1)" in scene.refusal()
    for url in ("ftp://localhost/file_VV.tif", "https://[broken/file_VV.tif", "file_VV.tif"):
        with pytest.raises(SourceError, match="not an address"):
            scene.fetch(granule=scene.listed(url=url))


def test_a_circle_of_redirects_ends(scene: Scene) -> None:
    data = scene.world.earthdata.data
    data.faults = lambda exchange: Reply(302, headers=(("Location", exchange.request.path),))
    assert "redirected without end" in scene.refusal()
    assert len(data.log) < 20


def test_a_certificate_that_is_not_trusted_is_not_tried_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("CURL_CA_BUNDLE")
    message = scene.refusal()
    assert "certificate is not trusted" in message and "REQUESTS_CA_BUNDLE" in message
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/bundle.pem")
    assert "/nonexistent/bundle.pem" in scene.refusal()


# the login


def redirected_token(scene: Scene) -> None:
    os.environ["EARTHDATA_TOKEN"] = "a-token-that-was-revoked"
    scene.world.earthdata.redirects_bad_tokens = True


def login_page_at_login(scene: Scene) -> None:
    redirected_token(scene)
    scene.world.earthdata.login_page = True


def other_answer_at_login(scene: Scene) -> None:
    redirected_token(scene)
    scene.world.earthdata.login.faults = lambda exchange: Reply(200, b'{"error": "log in"}')


def wrong_password(scene: Scene) -> None:
    del os.environ["EARTHDATA_TOKEN"]
    os.environ |= {"EARTHDATA_USERNAME": scene.world.account.user, "EARTHDATA_PASSWORD": "wrong-password"}


def untrusted_host(scene: Scene) -> None:
    scene.signed.faults = status(401)
    scene.granule = scene.listed(url=f"https://{scene.world.hosts.signed}/file_VV.tif")


def data(fault: Fault) -> Callable[[Scene], None]:
    return lambda scene: setattr(scene.world.earthdata.data, "faults", fault)


PAGE = Reply(200, b"\n <!DOCTYPE html><html>Log in</html>")
PLAIN = Reply(200, b"Log in, please", headers=(("Content-Type", "Text/HTML; charset=utf-8"),))
PORTAL = Reply(200, b"<html>Pay for your room</html>")
REFUSALS: dict[str, tuple[Callable[[Scene], object], str]] = {
    "unknown token": (
        lambda scene: os.environ.update(EARTHDATA_TOKEN="a-token-that-was-revoked"),
        r"token in EARTHDATA_TOKEN is refused.*HTTP 401.*Generate Token",
    ),
    "expired token": (
        lambda scene: os.environ.update(EARTHDATA_TOKEN=scene.world.expired_token),
        r"token in EARTHDATA_TOKEN expired on \d{4}-\d\d-\d\d at \d\d:\d\d UTC.*Generate Token",
    ),
    "redirected token": (redirected_token, r"token in EARTHDATA_TOKEN is refused.*HTTP 401"),
    "login page at login": (login_page_at_login, r"token in EARTHDATA_TOKEN is refused.*a login page"),
    "other answer at login": (other_answer_at_login, r"token in EARTHDATA_TOKEN is refused"),
    "login page": (data(login_page()), r"token in EARTHDATA_TOKEN is refused.*a login page"),
    "page without type": (data(lambda exchange: PAGE), r"token in EARTHDATA_TOKEN is refused.*a login page"),
    "page without tags": (data(lambda exchange: PLAIN), r"token in EARTHDATA_TOKEN is refused.*a login page"),
    "forbidden": (
        data(lambda exchange: Reply(403, b"no")),
        r"the archive forbids access to the login from EARTHDATA_TOKEN \(from localhost, HTTP 403\).*Applications",
    ),
    "wrong password": (
        wrong_password,
        r"user name or password from EARTHDATA_USERNAME and EARTHDATA_PASSWORD is wrong.*HTTP 401",
    ),
    "no approval": (
        lambda scene: setattr(scene.world.earthdata, "approved", False),
        r"not approved.*EULA.*HTTP 403.*Alaska Satellite Facility Data Access",
    ),
    "untrusted host": (untrusted_host, r"127\.0\.0\.1 wants a login.*HTTP 401.*source\.hosts\.trusted"),
    "page of a portal": (
        lambda scene: setattr(scene.signed, "faults", lambda exchange: PORTAL),
        r"127\.0\.0\.1 sent a web page instead of the file.*portal",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_login_ends_all_at_once_and_says_why(
    scene: Scene, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("EARTHDATA_USERNAME", "EARTHDATA_PASSWORD"):
        monkeypatch.setenv(variable, "")  # set back after the test
    arrange, reason = REFUSALS[name]
    arrange(scene)
    message = scene.refusal(CredentialsError)
    assert re.search(reason, message), message
    secrets = "a-token-that-was-revoked", "wrong-password", scene.world.expired_token
    assert not [secret for secret in secrets if secret in message]
    assert all(len(server.log) <= 2 for server in scene.world.earthdata.servers)


def test_a_token_that_expires_in_mid_run_is_named(scene: Scene) -> None:
    fetcher = scene.fetcher()
    assert scene.fetch(fetcher) == scene.archived
    scene.world.account.tokens.clear()
    scene.world.account.sessions.clear()
    with pytest.raises(CredentialsError, match=r"refused: expired.*HTTP 401"):
        scene.fetch(fetcher)


# secrets


def test_no_secret_is_shown_anywhere(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("boto3", "botocore", "urllib3"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    shown = ""
    for access in ("https", "s3", "auto"):
        options = {"access": access, "cache_dir": str(scene.folder / "cache" / access)}
        web = scene.signed if access == "https" else scene.world.s3.web
        fetcher = scene.fetcher(access=access)
        for fault in (drop(), cut(), reset(), flip(), status(503)):  # one try in vain
            web.faults = [fault]
            scene.fetch(fetcher, scene.one)
        fetcher = scene.fetcher(**options, seconds=1.0)
        for fault in (flip(), status(418), status(403)):
            web.faults = fault
            try:
                scene.fetch(fetcher, scene.one)
            except S1MonthlyError as error:
                shown += shown_by(error)
        web.faults = []
        scene.fetch(fetcher)
        shown += repr(fetcher) + repr(vars(fetcher))
    assert len(scene.secrets()) > 8 and "another file" in shown and "S3 is given up" in caplog.text
    assert caplog.text.count("try 1: ") >= 15
    shown += caplog.text + written_in(scene.folder, "s3_keys.json")
    assert not [secret for secret in scene.secrets() if secret in shown]


def test_a_refused_login_is_tried_by_no_other_job_until_it_was_tried_out_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each further try would bring the account nearer to being locked."""
    scene.world.earthdata.data.faults = status(401)
    message = scene.refusal(CredentialsError)
    before = len(scene.world.earthdata.data.log)
    scene.world.earthdata.data.faults = []
    assert scene.refusal(CredentialsError) == message
    assert len(scene.world.earthdata.data.log) == before
    refused = RefusedLogin(scene.options["keys_dir"])
    old = time.time() - VALID_SECONDS - 1
    (path,) = Path(scene.options["keys_dir"]).glob("login_refused*")
    os.utime(path, (old, old))
    assert scene.fetch() == scene.archived, "a refusal of another day is none"
    os.utime(path)
    refused.forget()
    refused.forget()
    assert scene.fetch() == scene.archived
