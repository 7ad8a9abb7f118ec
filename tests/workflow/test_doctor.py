"""The doctor: what is well is said to be well, and every fault is found and named with its remedy."""

from __future__ import annotations

import json
import os
import platform
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import doctor as script
from s1monthly.grid.lattice import tile_geobox
from s1monthly.model import Tile
from s1monthly.sources.asf import earthdata
from s1monthly.sources.grd.copernicus import tile_name
from s1monthly.sources.grd.dem_fetching import cells_under
from s1monthly.workflow import doctor, file_system
from s1monthly.workflow.doctor import Finding, State, examine
from standin.bucket import buckets
from support.archive_scene import Scene, archive_scene
from support.grd_products import write_small

LOCK = Path(__file__).resolve().parents[2] / "requirements.txt"


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    return {
        "roi": {"manual_mgrs_tiles": ["10SGD"], "flight_direction": "ASCENDING"},
        "time": {"years": [2022]},
        "source": {"kind": "simulated"},
        "output": {"base_dir": str(tmp_path / "deep" / "out"), "disk_warn_gb": 0},
    }


@pytest.fixture
def online(values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A configuration for a stand-in of the archive, and its world."""
    with archive_scene(tmp_path, monkeypatch) as scene:
        monkeypatch.setenv("EARTHDATA_TOKEN", scene.world.token)
        yield scene, {**values, "source": {"kind": "asf", "hosts": hosts_of(scene)}}
        assert scene.world.earthdata.leaks == []


def hosts_of(scene: Scene) -> dict[str, Any]:
    hosts = scene.world.hosts
    keys = {"s3_credentials": hosts.s3_credentials, "trusted": list(hosts.trusted)}
    return {"cmr": hosts.login, "login": hosts.login, **keys}


def found(values: dict[str, Any] | None, state: State, about: str, lock: Path = LOCK) -> list[Finding]:
    return [each for each in examine(values, lock) if each.state is state and each.about.startswith(about)]


def bad(values: dict[str, Any] | None) -> list[str]:
    return [str(each) for each in examine(values, LOCK) if each.state is State.BAD]


def test_a_machine_that_is_ready_is_well(values: dict[str, Any], tmp_path: Path) -> None:
    assert bad(values) == []
    for about in ("system", "Python", "configuration", "memory", "output.base_dir", "output.work_dir", "network"):
        assert found(values, State.WELL, about), about
    assert not (tmp_path / "deep").exists()


def test_the_archive_and_the_login_are_tried(online: Any) -> None:
    scene, values = online
    assert bad(values) == []
    hosts = values["source"]["hosts"]
    assert {each.text.split()[0] for each in found(values, State.WELL, "network")} >= {hosts["cmr"]}
    assert found(values, State.WELL, "clock")
    (login,) = [each for each in examine(values, LOCK) if each.about == "Earthdata Login"]
    assert login.text.startswith("EARTHDATA_TOKEN: accepted") and scene.world.token not in str(login)


def test_a_refused_login_is_bad(online: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, values = online
    monkeypatch.setenv("EARTHDATA_TOKEN", "not-a-token-of-anyone")
    (login,) = found(values, State.BAD, "Earthdata Login")
    assert "is refused" in login.text and "get a new token" in login.remedy


def test_a_token_that_ends_soon_is_worth_a_note(online: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, values = online
    monkeypatch.setattr("s1monthly.sources.asf.credentials.expiry", lambda token: time.time() + 2.5 * 86400)
    (login,) = found(values, State.NOTE, "Earthdata Login")
    assert "expires in 2.5 days" in login.text


def test_an_archive_that_does_not_answer_the_login_is_worth_a_note(
    online: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, values = online
    monkeypatch.setattr(earthdata, "check_login", lambda *_: earthdata.LOGGER.warning("could not be tried out"))
    assert [each.text for each in found(values, State.NOTE, "Earthdata Login")] == ["could not be tried out"]


def test_a_host_that_cannot_be_reached_is_bad(values: dict[str, Any]) -> None:
    with socket.socket() as closed:
        closed.bind(("localhost", 0))
        host = f"localhost:{closed.getsockname()[1]}"
        keys = f"https://{host}/keys"
        asf = {**values, "source": {"kind": "asf", "hosts": {"cmr": host, "login": host, "s3_credentials": keys}}}
        (network,) = found(asf, State.BAD, "network")
    assert network.text.startswith(f"{host}: connection failed") and "HTTPS_PROXY" in network.remedy


@pytest.mark.parametrize(("minutes", "says"), [(20, "20 min ahead"), (-600, "600 min behind")])
def test_a_wrong_clock_is_bad(online: Any, monkeypatch: pytest.MonkeyPatch, minutes: int, says: str) -> None:
    _, values = online
    right = time.time
    monkeypatch.setattr(doctor, "time", SimpleNamespace(time=lambda: right() + 60 * minutes, monotonic=time.monotonic))
    (clock,) = found(values, State.BAD, "clock")
    assert says in clock.text and "NTP" in clock.remedy


def test_missing_and_other_packages_are_named(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("no-such-package==1.0\npydantic==0.1\n")
    missing, other = doctor.check_packages(lock)
    assert (missing.state, missing.text) == (State.BAD, "missing: no-such-package")
    assert other.state is State.NOTE and "pydantic" in other.text and "(tested: 0.1)" in other.text
    assert f"-m pip install -r {lock}" in missing.remedy


@pytest.mark.parametrize(
    ("change", "about", "says"),
    [
        (lambda m: m.setattr(platform, "system", lambda: "Windows"), "system", "wsl"),
        (lambda m: m.setattr(sys, "version_info", (3, 10, 1)), "Python", "Python 3.11 or newer"),
        (lambda m: m.setenv("PATH", ""), "bash", "install it"),
        (lambda m: m.setattr(doctor, "memory_mb", lambda: 500), "memory", "larger machine"),
    ],
)
def test_a_machine_that_cannot_run_it_is_bad(
    values: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
    about: str,
    says: str,
) -> None:
    change(monkeypatch)
    (finding,) = found(values, State.BAD, about)
    assert says in finding.remedy


def test_folders_that_cannot_hold_a_tree_are_bad(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    (folder, _) = found({**values, "output": {"base_dir": str(tmp_path / "file")}}, State.BAD, "output")
    assert "file" in folder.text
    monkeypatch.setattr(file_system, "_mount", lambda place: "fuse.s3fs s3fs")
    assert "object storage" in found(values, State.BAD, "output.base_dir")[0].text


def test_granules_that_cannot_be_read_are_bad(values: dict[str, Any], tmp_path: Path) -> None:
    local = {**values, "source": {"kind": "local", "path": str(tmp_path / "granules")}}
    (missing,) = found(local, State.BAD, "source.path")
    assert "granules: No such file" in missing.text
    (tmp_path / "granules").mkdir()
    assert bad(local) == [] and found(local, State.WELL, "source.path")


def test_an_open_netrc_is_noted_once(online: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, values = online
    account, host = scene.world.account, values["source"]["hosts"]["login"].split(":")[0]
    monkeypatch.delenv("EARTHDATA_TOKEN")
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {host} login {account.user} password {account.password}\n")
    netrc.chmod(0o644)
    monkeypatch.setenv("NETRC", str(netrc))
    (note,) = found(values, State.NOTE, "Earthdata Login")
    assert "chmod 600" in note.text and account.password not in str(note)


def test_little_space_no_locks_and_another_clock_are_worth_a_note(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    values["output"]["disk_warn_gb"] = 1e9
    monkeypatch.setattr(doctor, "flock", lambda *_: None)
    right = time.time
    monkeypatch.setattr(doctor, "time", SimpleNamespace(time=lambda: right() - 90))
    texts = [each.text for each in found(values, State.NOTE, "output.base_dir")]
    assert len(texts) == 3
    assert "less than 1e+09 GB" in texts[0] and "no locks" in texts[1] and "differs by 90 s" in texts[2]


def test_slurm_without_its_plugin_is_worth_a_note(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sbatch").write_text("#!/bin/sh\n")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    known = doctor.importlib.metadata.version

    def version(name: str) -> str:
        if name == "snakemake-executor-plugin-slurm":
            raise doctor.importlib.metadata.PackageNotFoundError
        return known(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", version)
    (slurm,) = found(values, State.NOTE, "SLURM")
    assert slurm.remedy == "make slurm"


def test_a_configuration_that_cannot_be_used_is_bad(values: dict[str, Any]) -> None:
    (wrong,) = found({**values, "tim": {}}, State.BAD, "configuration")
    assert "did you mean 'time'" in wrong.text
    (future,) = found({**values, "time": {"years": [2100]}}, State.BAD, "configuration")
    assert "no whole past month" in future.text


def test_the_script_says_all_and_its_exit_code_tells(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump(values))
    assert script.main(["--configfile", str(path)]) == 0
    assert "well configuration: tiles: 1, months: 12, ASCENDING\n" in capsys.readouterr().out
    monkeypatch.setattr(doctor, "memory_mb", lambda: 500)
    assert script.main(["--configfile", str(path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [each["about"] for each in told if each["state"] == "BAD"] == ["memory"]


@pytest.fixture
def grd(values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A configuration of GRD products that fetches all it needs from buckets, and the buckets."""
    write_small(tmp_path / "products")
    with buckets(4, monkeypatch) as made:
        hosts = {name: bucket.host for name, bucket in zip(("glo_30", "glo_90", "geoid", "orbits"), made, strict=True)}
        section = {"dem": "copernicus", "orbits": "fetch", "cache_dir": str(tmp_path / "cache"), "hosts": hosts}
        source = {"kind": "grd", "path": str(tmp_path / "products")}
        roi = {"manual_mgrs_tiles": ["33TUG"], "flight_direction": "DESCENDING"}
        yield made, {**values, "roi": roi, "source": source, "grd": section}


def test_grd_products_need_what_is_fetched_or_there(grd: Any, tmp_path: Path) -> None:
    made, values = grd
    assert bad(values) == []
    assert [each.text for each in found(values, State.WELL, "GRD products")] == ["1 in the folder"]
    wanted = " ".join(each.text for each in found(values, State.WELL, "to be fetched"))
    assert all(what in wanted for what in ("DEM tiles of ", "geoid us_nga_egm08_25.tif", "orbit files"))
    assert found(values, State.WELL, "network")
    # all is there: no host is asked
    tiles = tmp_path / "cache" / "copernicus_dem"
    tiles.mkdir(parents=True)
    for cell in cells_under(tile_geobox(Tile("33TUG"))):
        (tiles / f"{tile_name(cell)}.tif").touch()
    (tmp_path / "cache" / "us_nga_egm08_25.tif").touch()
    orbits = tmp_path / "cache" / "orbits"
    orbits.mkdir()
    (orbits / "S1A_OPER_AUX_POEORB_OPOD_20240523T070516_V20240502T225942_20240504T005942.EOF").touch()
    for bucket in made:
        bucket.web.close()
    assert bad(values) == []
    assert [each.text for each in found(values, State.WELL, "network")] == ["not needed: all files are there"]
    (tiles / f"{tile_name((42, 13))}.tif").unlink()
    (first, *_) = found(values, State.BAD, "network")
    assert first.text.startswith(f"{made[0].host}: connection failed") and "grd.cache_dir" in first.remedy


def test_what_grd_products_lack_is_named(grd: Any, tmp_path: Path) -> None:
    _, values = grd
    own = tmp_path / "dem"
    own.mkdir()
    for cell in cells_under(tile_geobox(Tile("33TUG"))):
        (own / f"{tile_name(cell)}.tif").touch()
    (own / f"{tile_name((42, 13))}.tif").unlink()
    for folder in ("none", "orbits"):
        (tmp_path / folder).mkdir()
    geoid = tmp_path / "no_geoid.tif"
    geoid.touch()
    section = {"dem": str(own), "geoid": str(geoid), "orbits": str(tmp_path / "orbits")}
    values = {**values, "source": {"kind": "grd", "path": str(tmp_path / "none")}, "grd": section}
    text = "\n".join(bad(values))
    assert "no Sentinel-1 GRD product in it" in text and "no_geoid.tif" in text
    assert f"no tile {tile_name((42, 13))}" in text
    assert [each.text for each in found(values, State.WELL, "grd.orbits")] == ["0 files in the folder"]
    assert [each.text for each in found(values, State.WELL, "network")] == ["not needed: all files are there"]
