"""Whole workflows over the archive: the real clients, against servers on localhost that misbehave as real ones do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import xarray as xr
from rio_cogeo import cog_validate

from s1monthly.audit.validation import validate
from s1monthly.catalog.document import read_document
from s1monthly.catalog.table import read_catalog
from s1monthly.cube import months as cube
from s1monthly.granules import Granule, StaticGranule
from s1monthly.model import Month
from s1monthly.records.month import read_record
from standin import Archive, Hold, Reply, World, standins, status
from standin.web import Exchange
from support.granules import ORIGIN, static_layers, write_granule, write_static
from support.workflow import Run, run_snakemake, snakemake_command

TILE = "11SLT"
FOLDER = f"{TILE}_ASCENDING"
NOVEMBER = Month(2021, 11)
MONTH_JOBS = dict.fromkeys(("bursts", "composite", "publish"), 1)
CATALOGS = {"tile_catalog": 1, "catalog": 1}


class Site:
    """Granules, the servers that serve them, and a folder to run in."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder = folder
        self.world = world

    def add(
        self, month: str, day: int = 10, power: float = 0.1, burst: str = "T137-292318-IW1", **name: str
    ) -> Granule:
        """Put a granule of 40 x 40 pixels into the archive; speckled, so that no two files are alike."""
        rng = np.random.default_rng([day, int(burst[5:11])])
        noise = rng.gamma(4, 0.25, (2, 40, 40)).astype(np.float32)
        shadow = np.zeros((40, 40), np.uint8)
        shadow[:5] = 1
        layers = {"VV": power * noise[0], "VH": power / 5 * noise[1], "mask": shadow}
        left = ORIGIN[0] + 600 * (int(burst[5:11]) - 292318)
        acquired = f"{month.replace('-', '')}{day:02d}T015854Z"
        granule = write_granule(self.folder / "granules", layers, burst=burst, acquired=acquired, left=left)
        self.world.archive.add(granule)
        return granule

    def values(self, access: str = "https", **sections: Mapping[str, Any]) -> dict[str, Any]:
        """Configuration that points to the servers."""
        hosts = self.world.hosts
        values: dict[str, Any] = {
            "roi": {"manual_mgrs_tiles": [TILE], "flight_direction": "ASCENDING"},
            "time": {"start": "2021-11", "end": "2022-01"},
            "source": {
                "kind": "asf",
                "hosts": {
                    "cmr": hosts.cmr,
                    "login": hosts.login,
                    "s3_credentials": hosts.s3_credentials,
                    "s3_endpoint": hosts.s3_endpoint,
                    "trusted": list(hosts.trusted),
                },
            },
            "download": {"access": access},
            "output": {"base_dir": "output", "disk_warn_gb": 0},
            "processing": {"target_resolution": 300},
            "memory": {"batch_max_retries": 0, "scene_retry_timeout_seconds": 20},
            "search": {"retry_timeout_seconds": 20},
        }
        for name, section in sections.items():
            values[name] = {**values.get(name, {}), **section}
        return values

    def run(self, values: Mapping[str, Any] | None = None, *args: str, name: str = "run", **more: Any) -> Run:
        """Run the workflow in a folder, logged in by a token unless told otherwise."""
        more.setdefault("environment", self.world.environment(EARTHDATA_TOKEN=self.world.token))
        return run_snakemake(self.folder / name, values or self.values(), *args, **more)

    @property
    def served(self) -> Counter[str]:
        """How often each file was sent, by HTTPS or S3."""
        return self.world.earthdata.served + self.world.s3.served

    @property
    def requests(self) -> int:
        """How many requests reached any of the servers."""
        servers = (self.world.cmr.web, *self.world.earthdata.servers, self.world.s3.web)
        return sum(len(server.log) for server in servers)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with standins(Archive()) as world:
        yield Site(tmp_path, world)


def products(folder: Path) -> dict[str, bytes]:
    """Every file of a tile's products, but for the stamp in the cube."""
    files = {}
    root = folder / "output" / FOLDER
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if not path.is_file() or name == "search.json" or "/status/slots_" in name or path.suffix == ".parquet":
            continue
        files[name] = path.read_bytes()
    return files


def files_of(*granules: Granule) -> Counter[str]:
    return Counter(Path(layer.url).name for granule in granules for layer in granule.layers)


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["month"]: row for row in read_catalog(folder / "output" / "catalog.parquet")}


# the same from everywhere


def test_https_and_s3_give_the_bytes_of_the_local_source(site: Site) -> None:
    granules = [
        site.add("2021-11", day=10, power=0.1),
        site.add("2021-11", day=10, power=0.2, burst="T137-292319-IW1"),
        site.add("2021-11", day=22, power=0.3),
        site.add("2022-01", power=0.2),
    ]
    local = site.values(source={"kind": "local", "path": str(site.folder / "granules")})
    site.run(local, name="local")
    assert site.requests == 0, "a folder needs no network"
    preview = site.run(site.values(), "-n", name="https")
    assert site.requests == 0 and "3 not searched yet" in preview.output
    expected = products(site.folder / "local")
    assert {name.split("/")[0] for name in expected} == {
        "cog", "months", "preview", "zarr", f"{FOLDER}_2021-11.json", f"{FOLDER}_2022-01.json",
    }  # fmt: skip
    for access in ("https", "s3"):
        before = site.served
        run = site.run(site.values(access), name=access)
        assert run.jobs["bursts"] == 2
        assert site.served - before == files_of(*granules), "every file once"
        assert products(site.folder / access) == expected
    assert site.world.s3.served == files_of(*granules)
    assert site.world.earthdata.leaks == []
    assert [len(query.values("polygon[]") + query.values("polygon")) for query in site.world.cmr.log] == [1, 1]

    requests = site.requests
    assert "Nothing to be done" in site.run(site.values(), "-n", name="https").output
    assert "Nothing to be done" in site.run(site.values(), name="https").output
    assert site.requests == requests, "neither a preview nor a run with nothing to do asks anybody"
    secrets = [site.world.token, *(keys.secret_key for keys in site.world.keys.issued)]
    for path in (site.folder / "https", site.folder / "s3"):
        for file in path.rglob("*"):
            if file.is_file() and file.parent.name != "s3_keys":
                assert not any(secret.encode() in file.read_bytes() for secret in secrets), file
    kept = site.folder / "s3" / "output" / "work" / "s3_keys"
    assert [oct(path.stat().st_mode & 0o777) for path in (kept, *kept.iterdir())][:2] == ["0o700", "0o600"]


@pytest.mark.parametrize("cache", [None, "cache"])
def test_neighbouring_tiles_fetch_a_granule_once(site: Site, cache: str | None) -> None:
    """Without a cache of the user's, the run keeps it as long as it is needed."""
    granule = site.add("2021-11")
    tiles = {"manual_mgrs_tiles": [TILE, "11SMT"]}
    site.run(site.values(roi=tiles, download={"access": "https", "cache_dir": cache}))
    assert site.served == files_of(granule)
    assert len(list((site.folder / "run").rglob("cache/T137/*.tif"))) == (len(granule.layers) if cache else 0)
    for tile in (TILE, "11SMT"):
        record = read_record(site.folder / "run" / "output" / f"{tile}_ASCENDING" / "months" / "2021-11.json")
        assert [held.id for held in record.granules] == [granule.id] and record.valid > 0


def test_the_blocks_of_the_tile_alone_give_the_same_values_and_the_record_says_so(site: Site) -> None:
    """Of a granule that lies across the northern edge of the tile."""
    rng = np.random.default_rng(3)
    layers = {name: rng.gamma(4, 0.02, (1500, 1100)).astype(np.float32) for name in ("VV", "VH")}
    layers["mask"] = np.zeros((1500, 1100), np.uint8)
    granule = write_granule(
        site.folder / "granules", layers, acquired="20211110T015854Z", left=ORIGIN[0], top=ORIGIN[1] + 1200 * 30
    )
    for layer in granule.layers:
        copied = Path(layer.url).with_suffix(".copy")
        rasterio.shutil.copy(layer.url, copied, driver="COG", blocksize=512, compress="deflate")
        copied.replace(layer.url)
    site.world.archive.add(granule)
    carried = []
    for window in (False, True):
        before = len(site.world.earthdata.signed.log)
        site.run(site.values(download={"access": "https", "window": window}), name=f"window {window}")
        carried.append(sum(request.sent for request in site.world.earthdata.signed.log[before:]))
    whole, part = (
        read_record(site.folder / f"window {window}/output/{FOLDER}/months/2021-11.json") for window in (False, True)
    )
    assert part.digest == whole.digest and part.valid > 0 and part.recipe_digest == whole.recipe_digest
    assert carried[1] < 0.7 * carried[0]
    assert whole.warnings == [] and ["fetched in part" in warning for warning in part.warnings] == [True]
    assert [layer.md5 == "" for layer in part.granules[0].layers if layer.name != "mask"] == [True, True]


# credentials


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "EARTHDATA_TOKEN"),
        ({"EARTHDATA_USERNAME": "somebody"}, "EARTHDATA_PASSWORD"),
        ({"EARTHDATA_USERNAME": "somebody", "EARTHDATA_PASSWORD": "wrong"}, "password"),
    ],
)
def test_without_a_valid_login_a_run_stops_before_any_job(site: Site, variables: dict[str, str], says: str) -> None:
    site.add("2021-11")
    environment = site.world.environment(**variables)
    run = site.run(environment=environment, check=False)
    assert run.returncode and not run.jobs and says in run.output and "Traceback" not in run.output
    assert site.world.cmr.log == [] and site.served == {}
    assert "wrong" not in run.output.replace("are wrong", "").replace("is wrong", "")
    if not variables:
        searched = site.run(site.values(), "--until", "search", environment=environment)
        assert searched.jobs == {"search": 1}, "to look what there is takes no account"


def test_an_expired_token_is_told_without_asking_anybody(site: Site) -> None:
    site.add("2021-11")
    environment = site.world.environment(EARTHDATA_TOKEN=site.world.expired_token)
    run = site.run(environment=environment, check=False)
    assert run.returncode and "EARTHDATA_TOKEN" in run.output and "expired" in run.output
    assert site.requests == 0 and site.world.expired_token not in run.output


def test_a_login_that_is_refused_in_mid_run_ends_each_job_at_once_and_is_not_tried_over_and_over(site: Site) -> None:
    for month, days in (("2021-11", (4, 10, 16, 22)), ("2021-12", (10,)), ("2022-01", (10,))):
        for day in days:
            site.add(month, day=day)
    site.world.earthdata.data.faults = status(401)
    run = site.run(site.values(memory={"batch_max_retries": 2, "scene_retry_timeout_seconds": 20}), check=False)
    assert run.failed == {"bursts": 9} and site.served == {}
    assert len(site.world.earthdata.data.log) <= 2 * 4, "as many as were asked before the first answer came"
    assert "FAILED bursts" in run.output and "refused" in run.output and site.world.token not in run.output


# incomplete answers


def test_an_archive_that_does_not_answer_is_not_taken_for_an_empty_one(site: Site) -> None:
    site.world.cmr.faults = status(503)
    values = site.values(search={"retry_timeout_seconds": 3})
    run = site.run(values, check=False)
    assert run.returncode and run.failed == {"search": 1}
    assert "503" in run.output and site.world.hosts.cmr in run.output
    assert not (site.folder / "run" / "output" / FOLDER / "search.json").exists()
    site.world.cmr.faults = []
    site.run(values)
    assert {month: row["status"] for month, row in rows(site.folder / "run").items()} == dict.fromkeys(
        ("2021-11", "2021-12", "2022-01"), "no data"
    )
    assert all(row["asked"] is not None for row in rows(site.folder / "run").values())


def test_a_late_granule_runs_its_month_alone_and_an_unchanged_answer_none(site: Site) -> None:
    site.add("2021-11")
    site.add("2022-01")
    values = site.values(search={"settle_days": 36500, "retry_timeout_seconds": 20})
    assert site.run(values).jobs["composite"] == 2
    asked = len(site.world.cmr.log)
    again = site.run(values)
    assert again.jobs["search"] == 1 and not set(again.jobs) & set(MONTH_JOBS)
    assert len(site.world.cmr.log) == asked + 1
    late = site.add("2021-11", day=22)
    served = site.served
    run = site.run(values)
    assert {rule: number for rule, number in run.jobs.items() if rule in MONTH_JOBS} == MONTH_JOBS
    assert run.months("composite") == ["2021-11"]
    assert (site.served - served)[Path(late.layers[0].url).name] == 1


# failed fetches


def test_what_a_failed_month_had_fetched_is_not_fetched_again(site: Site) -> None:
    good = [site.add("2021-11", day=day) for day in (4, 10, 16)]
    bad = site.add("2021-11", day=22)
    other = site.add("2022-01")
    site.world.earthdata.data.faults_at = {bad.id: status(503)}
    run = site.run(site.values(memory={"batch_max_retries": 0, "scene_retry_timeout_seconds": 2}), check=False)
    assert run.failed == {"bursts": 1} and run.months("composite") == ["2022-01"]
    assert bad.id in run.output and "503" in run.output
    assert {month: row["status"] for month, row in rows(site.folder / "run").items()}["2022-01"] == "complete"
    site.world.earthdata.data.faults_at = {}
    assert site.run().months("composite") == ["2021-11"]
    assert site.served == files_of(*good, bad, other), "each once over both runs"
    assert not list((site.folder / "run" / "output" / "work").rglob("*.tif")), "nothing is kept longer than needed"


def test_granules_that_are_gone_or_without_mask_are_recorded_and_tried_again_without_fetching_the_others(
    site: Site,
) -> None:
    """The one is not used unmasked. The month is not made without them in silence, unless some may be missing."""
    good = [site.add("2021-11", day=day) for day in (4, 10)]
    gone, bare = site.add("2021-11", day=22), site.add("2021-11", day=28)
    site.world.archive.remove(bare.id)
    site.world.archive.add(replace(bare, layers=tuple(layer for layer in bare.layers if layer.name != "mask")))
    site.world.earthdata.data.faults_at = {gone.id: status(404)}
    refused = site.run(check=False)
    assert refused.failed == {"bursts": 1} and f"{bare.id}: no layer mask" in refused.output
    assert gone.id in refused.output and "404" in refused.output
    values = site.values(memory={"max_failed_ratio": 0.5, "scene_retry_timeout_seconds": 20})
    site.run(values)
    record = site.folder / "run" / "output" / FOLDER / "months" / "2021-11.json"
    assert [held.id for held in read_record(record).granules] == [granule.id for granule in good]
    assert rows(site.folder / "run")["2021-11"]["missing_granules"] == [gone.id, bare.id]
    site.world.earthdata.data.faults_at = {}
    site.world.archive.remove(bare.id)
    site.world.archive.add(bare)
    assert site.run(values).months("composite") == ["2021-11"], "a month that lost some is asked about again"
    assert rows(site.folder / "run")["2021-11"]["missing_granules"] == []
    assert site.served == files_of(*good, gone, bare)


def test_an_archive_that_asks_for_fewer_requests_is_left_alone_by_all_jobs(site: Site) -> None:
    """Nothing is asked of it until the time is over, nor given up."""
    granules = [site.add(month, day=day) for month in ("2021-11", "2022-01") for day in (4, 10, 16, 22)]
    data = site.world.earthdata.data
    refusals: list[float] = []
    asked: list[float] = []

    def throttled(exchange: Exchange) -> Reply:
        asked.append(time.monotonic())
        if len(asked) < 5:
            return exchange.answer()
        if not refusals or asked[-1] - refusals[0] < 0.2:  # what was under way
            refusals.append(asked[-1])
            return status(429, retry_after=2)(exchange)
        return exchange.answer()

    data.faults = throttled
    assert site.run().jobs["composite"] == 2
    assert site.served == files_of(*granules) and refusals
    assert not [when for when in asked if 0.2 <= when - refusals[0] < 1.9]


def test_killed_in_mid_download_and_run_again(site: Site) -> None:
    granules = [site.add("2021-11", day=day) for day in (4, 10, 16, 22)]
    undisturbed = site.run(name="undisturbed")
    assert undisturbed.jobs["composite"] == 1
    before = site.served
    held = Hold()
    site.world.earthdata.data.faults_at = {granules[-1].id: held}
    folder = site.folder / "run"
    environment = site.world.environment(EARTHDATA_TOKEN=site.world.token)
    with (site.folder / "killed.txt").open("w") as output:
        process = subprocess.Popen(
            snakemake_command(folder, site.values()),
            cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        kept = folder / "output" / "work" / FOLDER / "kept"
        while len(list(kept.rglob("OPERA*.json"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    held.release()
    assert (site.served - before).total() >= 9, (site.folder / "killed.txt").read_text()
    site.world.earthdata.data.faults_at = {}
    site.run(site.values(), "--unlock")
    assert site.run().jobs["composite"] == 1
    assert products(folder) == products(site.folder / "undisturbed")
    assert site.served - before == files_of(*granules), "what was fetched before the kill is not fetched again"


def test_a_raster_elsewhere_than_its_record_says_is_not_taken_for_an_empty_one(site: Site) -> None:
    """A wrong zone would put it a thousand kilometres away: no pixel on the tile, and nobody the wiser."""
    granule = site.add("2021-11")
    footprint = site.world.archive.entries[granule.id].footprint
    for layer in granule.layers:
        with rasterio.open(layer.url, "r+") as dataset:
            dataset.crs = "EPSG:32615"
    del site.world.archive.entries[granule.id]
    site.world.archive.add(replace(granule), footprint.wkt)
    run = site.run(check=False)
    assert run.failed == {"bursts": 1}
    assert granule.id in run.output and "footprint" in run.output


def test_temporary_files_of_another_recipe_or_list_are_not_used(site: Site) -> None:
    """Even where Snakemake has forgotten of what they were made."""
    site.add("2021-11", power=0.2)
    strict = site.values(processing={"target_resolution": 300, "min_valid_lin": 0.5})
    site.run(strict, "--notemp")
    output = site.folder / "run" / "output"
    left = [output / "work" / FOLDER / "2021-11" / name for name in ("account.json", "bursts")]
    assert all(path.exists() for path in left)
    site.add("2021-11", day=22, power=0.2)
    for gone in (output / FOLDER, site.folder / "run" / ".snakemake"):
        shutil.rmtree(gone)
    assert site.run().jobs["bursts"] == 1
    record = read_record(site.folder / "run" / "output" / FOLDER / "months" / "2021-11.json")
    assert len(record.granules) == 2 and record.valid > 0
    store = site.folder / "run" / "output" / FOLDER / "zarr" / "S1_monthly.zarr"
    assert cube.read_count(store, NOVEMBER).max() == 2


def test_values_come_through_the_network_unharmed(site: Site) -> None:
    granule = site.add("2021-11", power=0.2)
    site.run(site.values(processing={"target_resolution": 30, "post_processing": False}))
    with rasterio.open(granule.layers[0].url) as dataset:
        power = dataset.read(1)
    store = site.folder / "run" / "output" / FOLDER / "zarr" / "S1_monthly.zarr"
    values = cube.read_month(store, NOVEMBER, f"{granule.layers[0].name}_dB")
    assert np.isfinite(values).sum() == 35 * 40, "what lies in shadow is no data"
    np.testing.assert_allclose(values[np.isfinite(values)], 10 * np.log10(power[5:].ravel()), atol=1e-4)


# static layers


def add_static(site: Site, burst: str, version: str = "1.0", **changes: Any) -> StaticGranule:
    """Put a static granule of 40 x 40 pixels into the archive, with an outline half round the globe."""
    left = ORIGIN[0] + 600 * (int(burst[5:11]) - 292318)
    layers = {**static_layers((40, 40), int(burst[5:11])), **changes}
    granule = write_static(site.folder / "static", layers, burst=burst, left=left, version=version)
    site.world.archive.add(granule, "POLYGON((-179.9 33, -2 33, -2 34, -179.9 34, -179.9 33))")
    return granule


def test_static_layers_are_made_once_and_never_invented(site: Site) -> None:
    """Missing statics are listed; months are not made again; a newer version makes the track again, and no month."""
    bursts = [f"T137-{number}-IW1" for number in (292318, 292319)]
    for burst in bursts:
        site.add("2021-11", burst=burst)
    site.run()
    statics, before = site.values(static={"enabled": True}), products(site.folder / "run")
    first = add_static(site, bursts[0])
    run = site.run(statics)
    assert run.jobs == {"search": 1, "static": 1, **CATALOGS} and "; static layers not searched yet" in run.output
    assert site.served[f"{first.id}_mask.tif"] == 1
    folder = site.folder / "run" / "output" / FOLDER
    document = read_document(folder / "static" / f"{TILE}_S1_Static_ASCENDING_T137.json")
    assert document["properties"]["s1monthly:bursts_without_static"] == [bursts[1]]
    month = read_document(folder / f"{FOLDER}_2021-11.json")
    assert [each["href"] for each in month["links"] if each["rel"] == "static-layers"] == [
        f"static/{TILE}_S1_Static_ASCENDING_T137.json"
    ]
    after = products(site.folder / "run")
    assert {name for name in before if before[name] != after[name]} == {f"{FOLDER}_2021-11.json"}
    cube, layers = (
        xr.open_zarr(folder / "zarr" / name, group=group)
        for name, group in (("S1_monthly.zarr", None), ("S1_static.zarr", "T137"))
    )
    both = xr.merge([cube, layers], join="exact", compat="no_conflicts")
    assert 9 <= int(both.incidence_angle.notnull().sum()) <= 16, "4 x 4 pixels of 300 m, but for half ones"
    assert cog_validate(folder / "static" / f"{TILE}_S1_Static_ASCENDING_T137_mask.tif")[0]
    assert site.run(statics).jobs == {}
    assert validate(site.folder / "run" / "output").to_text().startswith("valid")
    newer, second = add_static(site, bursts[0], "1.1"), add_static(site, bursts[1])
    run = site.run(site.values(static={"enabled": True}, search={"refresh": True}))
    assert run.jobs == {"search": 1, "static": 1, **CATALOGS}
    document = read_document(folder / "static" / f"{TILE}_S1_Static_ASCENDING_T137.json")
    assert document["properties"]["s1monthly:static_granules"] == [newer.id, second.id]


def test_a_bad_static_granule_stops_its_track_alone(site: Site) -> None:
    site.add("2021-11")
    add_static(site, "T137-292318-IW1", incidence_angle=np.zeros((40, 40), np.uint8))
    run = site.run(site.values(static={"enabled": True}), check=False)
    assert (
        "incidence_angle.tif: pixels are uint8, not float32" in run.output
        and "static 11SLT ASCENDING T137" in run.output
    )
    folder = site.folder / "run" / "output" / FOLDER
    assert read_record(folder / "months" / "2021-11.json").granules and rows(site.folder / "run")["2021-11"]
    assert not (folder / "static").exists() or not any((folder / "static").iterdir())


def test_bursts_are_converted_and_those_without_a_static_granule_are_missing(site: Site) -> None:
    """Static granules are fetched by themselves; a month is complete once its bursts have all of them."""
    granules = [site.add("2021-11", burst=f"T137-{number}-IW1") for number in (292318, 292319)]
    add_static(site, "T137-292318-IW1")
    plain = {"processing": {"post_processing": False, "target_resolution": 60, "mask": "none", "radiometry": "beta0"}}
    run = site.run(site.values(**plain), check=False)
    assert run.failed == {"bursts": 1} and run.jobs["static"] == 1
    assert f"granule {granules[1].id}: the source has no static granule of its burst" in run.output
    some = site.values(**plain, memory={"max_failed_ratio": 0.5})
    assert site.run(some).jobs == {**MONTH_JOBS, **CATALOGS}
    folder = site.folder / "run" / "output" / FOLDER
    record = read_record(folder / "months" / "2021-11.json")
    assert record.missing_granules == [granules[1].id] and record.recipe["radiometry"] == "beta0"
    (static,) = record.statics["bursts"]
    assert "T137-292318-IW1" in static and record.source is None, "its tags are gone, and the burst's static is no tag"
    with rasterio.open(granules[0].layers[0].url) as dataset:
        beta0 = dataset.read(1) * static_layers((40, 40), 292318)["rtc_anf_gamma0_to_beta0"]
    found = xr.open_zarr(folder / "zarr" / "S1_monthly.zarr").VV_dB[0]
    assert found.long_name == "beta0 backscatter, VV"
    values = 10 ** (found.sel(x=slice(ORIGIN[0], ORIGIN[0] + 1200), y=slice(ORIGIN[1], ORIGIN[1] - 1200)).values / 10)
    expected = beta0.reshape(20, 2, 20, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(values[:, 2:], expected[:, 2:], rtol=1e-4)
    assert np.isnan(values[:, 0]).all() and int(found.notnull().sum()) == 20 * 19
    document = read_document(folder / f"{FOLDER}_2021-11.json")
    assert document["properties"]["s1monthly:radiometry"] == "beta0" and "converted to beta0" in str(document)
    assert document["properties"]["title"].endswith(", beta0")
    assert document["assets"]["preview"]["title"] == "Preview, beta0"
    with rasterio.open(next((folder / "cog").glob("*.tif"))) as cog:
        assert cog.tags(1)["long_name"] == "beta0 backscatter, VV" and cog.tags()["TITLE"].endswith("beta0")
    assert validate(site.folder / "run" / "output").to_text().startswith("valid")
    add_static(site, "T137-292319-IW1")
    again = site.values(**plain, search={"refresh": True})
    assert site.run(again).jobs == {"search": 1, "static": 1, **MONTH_JOBS, **CATALOGS}
    assert read_record(folder / "months" / "2021-11.json").missing_granules == []
