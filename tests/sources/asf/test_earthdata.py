"""The login: where it is found, who sees it, and what a refusal is called."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from s1monthly.errors import CredentialsError, SourceError
from s1monthly.sources.asf.credentials import Credentials, find_credentials
from s1monthly.sources.asf.earthdata import Login, check_login
from standin import Hold, Reply, login_page, status
from support.archive_scene import Scene, connect_proxy, shown_by

HOST = "urs.earthdata.nasa.gov"
TRUSTED = ("earthdata.nasa.gov", "asf.alaska.edu")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, and an environment without logins."""
    for name in [name for name in os.environ if name.startswith("EARTHDATA_")] + ["NETRC"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def netrc(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def jwt(**claims: object) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({}, claims)]
    return f"{parts[0]}.{parts[1]}.c2lnbmF0dXJl"


# where it is found


def test_the_order_is_token_then_password_then_netrc(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc(home / "_netrc", f"machine {HOST} login third password p3")
    assert find_credentials(HOST).authorization == f"Basic {basic('third', 'p3')}"
    netrc(home / ".netrc", f"machine {HOST} login second password p2")
    assert find_credentials(HOST).authorization == f"Basic {basic('second', 'p2')}"
    monkeypatch.setenv("NETRC", str(netrc(home / "named", f"machine {HOST} login first password p1")))
    assert find_credentials(f"{HOST}:8443").authorization == f"Basic {basic('first', 'p1')}"
    monkeypatch.setenv("EARTHDATA_USERNAME", " me ")
    monkeypatch.setenv("EARTHDATA_PASSWORD", "schl\u00fcssel mit blank")
    assert find_credentials(HOST).authorization == "Basic " + basic("me", "schl\u00fcssel mit blank")
    monkeypatch.setenv("EARTHDATA_TOKEN", "  \n")
    assert find_credentials(HOST).scheme == "Basic"
    monkeypatch.setenv("EARTHDATA_TOKEN", " some-token\r\n")
    assert find_credentials(HOST).authorization == "Bearer some-token"


@pytest.mark.parametrize(("given", "missing"), [("USERNAME", "PASSWORD"), ("PASSWORD", "USERNAME")])
def test_half_a_login_is_none(home: Path, monkeypatch: pytest.MonkeyPatch, given: str, missing: str) -> None:
    netrc(home / ".netrc", f"machine {HOST} login me password p")
    monkeypatch.setenv(f"EARTHDATA_{given}", "something")
    monkeypatch.setenv(f"EARTHDATA_{missing}", "")
    with pytest.raises(CredentialsError, match=f"EARTHDATA_{given} is set and EARTHDATA_{missing} is not"):
        find_credentials(HOST)


@pytest.mark.parametrize("text", [None, "", "machine other.host login me password p\n", "default login me password p"])
def test_without_a_login_the_message_says_how_to_get_one(
    home: Path, text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is None:
        monkeypatch.setenv("NETRC", "~/nowhere/.netrc")
    else:
        netrc(home / ".netrc", text)
    with pytest.raises(CredentialsError) as caught:
        find_credentials(HOST)
    message = str(caught.value)
    assert text is not None or f"there is no {home}/nowhere/.netrc" in message
    for part in (f"https://{HOST}", "free account", "export EARTHDATA_TOKEN=", f"machine {HOST} login", ".netrc"):
        assert part in message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("machine\n", "not understood at line"),
        (f"machine {HOST} login me hunter2\n", "not understood at line"),
        (f"machine {HOST} login me\n", f"the entry for {HOST} has no password"),
        (f"machine {HOST} password hunter2\n", f"the entry for {HOST} has no login"),
        ("folder", "cannot be read"),
    ],
)
def test_a_netrc_that_is_not_usable_is_named(home: Path, text: str, problem: str) -> None:
    path = home / ".netrc"
    path.mkdir() if text == "folder" else netrc(path, text)
    with pytest.raises(CredentialsError, match=problem) as caught:
        find_credentials(HOST)
    assert str(path) in str(caught.value) and "EARTHDATA_TOKEN" in str(caught.value)
    assert "hunter2" not in shown_by(caught.value)


@pytest.mark.parametrize(("mode", "warnings"), [(0o600, 0), (0o644, 1), (0o620, 1)])
def test_a_netrc_open_to_others_is_used_with_a_warning(
    home: Path, mode: int, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = netrc(home / ".netrc", f"machine {HOST} login me password p", mode)
    assert find_credentials(HOST).scheme == "Basic"
    assert [f"chmod 600 {path}" in record.getMessage() for record in caplog.records] == [True] * warnings


def test_a_token_that_expired_is_reported_without_asking(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = jwt(exp=1_600_000_000)
    monkeypatch.setenv("EARTHDATA_TOKEN", token)
    with pytest.raises(CredentialsError) as caught:
        find_credentials(HOST)
    for part in ("EARTHDATA_TOKEN expired on 2020-09-13 at 12:26 UTC", f"https://{HOST}", "export EARTHDATA_TOKEN="):
        assert part in str(caught.value)
    assert token not in shown_by(caught.value)


@pytest.mark.parametrize(
    "token",
    [
        jwt(exp=4_000_000_000),
        *(jwt(), jwt(exp="soon"), jwt(exp=1e300), jwt(exp=-5)),
        *("EDL-U1234", "a.b.c", ".."),
        f"a.{base64.urlsafe_b64encode(b'[1]').decode()}.c",
        f"a.{base64.urlsafe_b64encode(bytes([255, 254])).decode()}.c",
    ],
)
def test_any_other_token_is_taken_as_it_is(home: Path, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("EARTHDATA_TOKEN", token)
    assert find_credentials(HOST).authorization == f"Bearer {token}"


@pytest.mark.parametrize("token", ["two words", "two\nlines", "Bearer abc", "umlaut-\u00fc"])
def test_a_token_that_no_header_can_carry_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("EARTHDATA_TOKEN", token)
    with pytest.raises(CredentialsError, match="EARTHDATA_TOKEN holds blanks") as caught:
        find_credentials(HOST)
    assert token not in shown_by(caught.value)


def test_credentials_do_not_show_themselves() -> None:
    shown = repr(Credentials.password("here", "me", "hunter2"))
    assert "hunter2" not in shown and basic("me", "hunter2") not in shown and "here" in shown


# who sees it


@pytest.mark.parametrize(
    ("url", "token", "password"),
    [
        (f"https://{HOST}/oauth/authorize", True, True),
        (f"https://{HOST.upper()}/oauth", True, True),
        (f"https://{HOST}:443/oauth", True, True),
        (f"http://{HOST}/oauth", False, False),
        ("https://asf.alaska.edu/a", True, False),
        ("https://datapool.asf.alaska.edu/a", True, False),
        ("https://datapool.asf.alaska.edu:8443/a", True, False),
        ("http://datapool.asf.alaska.edu/a", False, False),
        ("ftp://datapool.asf.alaska.edu/a", False, False),
        ("https://evil-asf.alaska.edu/a", False, False),
        ("https://asf.alaska.edu.evil.org/a", False, False),
        ("https://asf.alaska.edu@evil.org/a", False, False),
        ("https://evil.org/asf.alaska.edu", False, False),
        ("https://evil.org/?https://asf.alaska.edu", False, False),
        ("https://evil.org#@asf.alaska.edu/", False, False),
        ("https://d1234.cloudfront.net/a", False, False),
        ("https://alaska.edu/a", False, False),
        ("https:///a", False, False),
        (f"https://sub.{HOST}/a", True, False),
    ],
)
def test_who_may_see_the_login(
    home: Path, monkeypatch: pytest.MonkeyPatch, url: str, token: bool, password: bool
) -> None:
    monkeypatch.setenv("EARTHDATA_USERNAME", "me")
    monkeypatch.setenv("EARTHDATA_PASSWORD", "hunter2")
    assert Login(HOST, TRUSTED).authorization(url) == (f"Basic {basic('me', 'hunter2')}" if password else None)
    monkeypatch.setenv("EARTHDATA_TOKEN", "abc")
    assert Login(HOST, TRUSTED).authorization(url) == ("Bearer abc" if token else None)


@pytest.mark.parametrize(
    ("domain", "url", "trusted"),
    [
        ("localhost", "https://localhost:8443/", True),
        ("localhost:8443", "https://localhost:8443/", True),
        ("localhost:8443", "https://localhost:8444/", False),
        ("localhost:8443", "https://localhost/", False),
        ("example.org:443", "https://data.example.org/", True),
        ("Example.ORG", "https://data.example.org/", True),
        ("127.0.0.1", "https://127.0.0.1:9/", True),
        ("[::1]:8443", "https://[::1]:8443/", True),
        ("", "https://example.org/", False),
    ],
)
def test_ports_of_trusted_hosts(home: Path, domain: str, url: str, trusted: bool) -> None:
    assert Login("login.example.com", [domain]).trusts(url) == trusted


def test_the_token_goes_along_the_redirects_and_never_to_the_signed_host(scene: Scene) -> None:
    earthdata = scene.world.earthdata
    earthdata.distribution.faults = [
        lambda exchange: Reply(302, headers=(("Location", f"{earthdata.data.url}{exchange.request.path}"),))
    ]
    (layer,) = scene.one.layers
    moved = replace(layer, url=layer.url.replace(earthdata.data.url, earthdata.distribution.url))
    assert scene.fetch(granule=replace(scene.one, layers=(moved,))) == {"VV": scene.archived["VV"]}
    assert [request.authorization for request in earthdata.data.log] == [("bearer", scene.world.token)]
    assert [request.authorization for request in earthdata.signed.log] == [("", "")]


def use_password(scene: Scene, monkeypatch: pytest.MonkeyPatch, password: str | None = None) -> None:
    monkeypatch.delenv("EARTHDATA_TOKEN", raising=False)
    monkeypatch.setenv("EARTHDATA_USERNAME", scene.world.account.user)
    monkeypatch.setenv("EARTHDATA_PASSWORD", password or scene.world.account.password)


def shown_logins(scene: Scene) -> list[tuple[str, str]]:
    """Every login that a server was shown; only the login's own host may see a password."""
    return [r.authorization for server in scene.world.earthdata.servers for r in server.log if r.authorization[0]]


def test_a_password_logs_in_once_and_is_seen_by_the_login_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    use_password(scene, monkeypatch)
    assert scene.fetch() == scene.archived
    assert [scheme for scheme, _ in shown_logins(scene)] == ["basic"]
    assert scene.world.earthdata.login.log[0].authorization[0] == "basic"


def test_a_netrc_entry_logs_in_and_a_default_entry_goes_nowhere(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    path = scene.world.write_netrc(scene.folder / "netrc")
    path.write_text(path.read_text() + "default login anonymous password me@example.org\n")
    monkeypatch.setenv("NETRC", str(path))
    assert scene.fetch() == scene.archived
    assert {scheme for scheme, _ in shown_logins(scene)} == {"bearer"}, "a token goes first"
    for server in scene.world.earthdata.servers:
        server.log.clear()
    monkeypatch.delenv("EARTHDATA_TOKEN")
    assert scene.fetch() == scene.archived
    assert shown_logins(scene) == [("basic", basic(scene.world.account.user, scene.world.account.password))]


def test_user_and_password_in_an_address_are_not_sent(scene: Scene) -> None:
    scene.signed.faults = status(401)
    url = f"https://me:hunter2@{scene.signed.address}/file_VV.tif"
    with pytest.raises(CredentialsError, match="wants a login") as caught:
        scene.fetch(granule=scene.listed(url=url))
    assert "hunter2" not in shown_by(caught.value).replace(url, "") and "hunter2" not in str(caught.value)
    assert scene.signed.log and all(not request.authorization[0] for request in scene.signed.log)


def test_threads_share_a_session(home: Path) -> None:
    login = Login(HOST, TRUSTED)
    sessions: list[requests.Session] = []
    threads = [threading.Thread(target=lambda: sessions.append(login.session)) for _ in range(3)]
    for thread in threads:
        thread.start()
        thread.join()
    assert {id(session) for session in sessions} == {id(login.session)} and len(sessions) == 3


def test_a_proxy_of_the_environment_is_used(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect_proxy() as (address, requested):
        monkeypatch.delenv("NO_PROXY")
        monkeypatch.delenv("no_proxy")
        monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
        assert scene.fetch(granule=scene.one) == {"VV": scene.archived["VV"]}
    hosts = scene.world.hosts
    assert [line.split()[:2] for line in requested] == [["CONNECT", hosts.data], ["CONNECT", hosts.signed]]
    with pytest.raises(SourceError, match="the proxy gives no connection"):
        scene.fetch(scene.fetcher(seconds=0.2))


# the test at the start of a run


def check(scene: Scene, timeout: float = 20.0) -> None:
    hosts = scene.world.hosts
    check_login(hosts.login, hosts.s3_credentials, hosts.trusted, timeout)


def refusal(scene: Scene) -> str:
    with pytest.raises(CredentialsError) as caught:
        check(scene)
    shown = shown_by(caught.value)
    assert not [secret for secret in scene.secrets() if secret in shown]
    return str(caught.value)


def test_a_good_login_passes_without_a_word(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    check(scene)
    use_password(scene, monkeypatch)
    check(scene)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not scene.world.earthdata.data.log


def test_a_refused_login_stops_the_run(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.world.earthdata.distribution.faults = [login_page()]
    assert "a login page" in refusal(scene)
    scene.world.earthdata.approved = False
    assert re.search(r"not approved .* EULA .*HTTP 403", refusal(scene))
    monkeypatch.setenv("EARTHDATA_TOKEN", "unknown")
    assert re.search(r"token in EARTHDATA_TOKEN is refused.*HTTP 401", refusal(scene))
    scene.world.earthdata.redirects_bad_tokens = scene.world.earthdata.login_page = True
    assert re.search(r"token in EARTHDATA_TOKEN is refused.*a login page", refusal(scene))
    scene.world.earthdata.login_page = False
    use_password(scene, monkeypatch, "wrong")
    assert re.search(r"user name or password .* is wrong \(from localhost, HTTP 401\)", refusal(scene))
    monkeypatch.delenv("EARTHDATA_USERNAME")
    monkeypatch.delenv("EARTHDATA_PASSWORD")
    assert "no Earthdata Login" in refusal(scene)


@pytest.mark.parametrize("code", [401, 403])
def test_the_page_for_approval_is_named_where_the_login_names_it(scene: Scene, code: int) -> None:
    page = f"https://{scene.world.hosts.login}/approve_app?client_id=BO_n7nTIlMljdvU6kRRB3g"
    answer = {"error": "invalid_token", "error_description": "EULA Acceptance Failure", "resolution_url": page}
    scene.world.earthdata.distribution.faults = lambda exchange: Reply(code, json.dumps(answer).encode())
    assert f"log in at {page}, approve 'Alaska Satellite Facility Data Access'" in refusal(scene)
    answer["resolution_url"] = "https://evil.org/approve_app?client_id=1"
    assert "evil.org" not in refusal(scene)


def test_a_server_in_trouble_stops_nothing(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.world.earthdata.distribution.faults = [status(503), status(404), lambda exchange: Reply(0), Hold(5)]
    begun = time.monotonic()
    for _ in range(4):
        check(scene, 1.0)
    scene.world.close()
    check(scene, 1.0)
    assert time.monotonic() - begun < 5
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    reasons = ["HTTP 503", "HTTP 404", "connection failed", "stopped answering", "Connection refused"]
    assert all(reason in warning for reason, warning in zip(reasons, warnings, strict=True))
    assert all("could not be tried out" in warning and "/s3credentials" in warning for warning in warnings)
