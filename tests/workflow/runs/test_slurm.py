"""The workflow on a real SLURM, through profiles/slurm: with jobs side by side, with a job and a node that die."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from slurm.cluster import Cluster, missing_programs, running_cluster, wait_until
from support.runs import CONFIG as SMALL
from support.runs import add
from support.same_tree import content
from support.workflow import ROOT, Run, run_snakemake, snakemake_command

PROFILE = ROOT / "profiles" / "slurm"
PLUGIN = ROOT / ".venv" / "slurm"
"""What `make slurm` adds, put beside the environment by `make test`."""
QUICK = ROOT / "tests" / "slurm" / "often.py"
"""Snakemake for a cluster that nobody else asks."""

DEMO: dict[str, Any] = {
    "roi": {"manual_mgrs_tiles": ["10SGD"], "flight_direction": ["ASCENDING", "DESCENDING"]},
    "time": {"years": [2024], "months": [5, 7]},
    "source": {"kind": "simulated", "path": "../granules", "simulation": {"passes_per_track": 1, "tracks": 1}},
    "output": {"base_dir": "output", "disk_warn_gb": 0},
    "processing": {"target_resolution": 300},
}
"""The demo, on coarse pixels. Its granules lie beside the folders of the runs, and are made by the first of them."""

pytestmark = pytest.mark.xdist_group("slurm")  # one cluster, started once, in one process

LIVING = ("PENDING", "RUNNING", "COMPLETING")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    missing = missing_programs()
    if missing:
        told = f"no SLURM here (Debian packages slurm-wlm and munge): {', '.join(missing)} not found"
        assert not os.environ.get("S1MONTHLY_REQUIRE_SLURM"), told
        pytest.skip(told)
    with running_cluster() as started:
        yield started


@dataclass
class Watched:
    """A run of the workflow on a cluster, watched while it goes on.

    Attributes
    ----------
    run : Run
    jobs : list of dict
        Every job that SLURM was given, with its last state.
    side_by_side : Counter
        The most jobs of a rule or group that SLURM had at once, waiting ones included; "running": the most that ran.
    """

    run: Run
    jobs: list[dict[str, str]]
    side_by_side: Counter[str] = field(default_factory=Counter)


def finished(run: Run) -> Counter[str]:
    """How many jobs of every rule finished, those in groups included."""
    return Counter(re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", run.output))


def kind(job: dict[str, str]) -> str:
    """Rule or group of a job of SLURM."""
    return job["comment"].split("_")[1]


def run_on(
    cluster: Cluster,
    folder: Path,
    config: dict[str, Any],
    *args: str,
    meddle: Callable[[], None] | None = None,
    seconds: float = 600,
) -> Watched:
    """Run the workflow through the profile; `meddle` is called as soon as two jobs run, one on either node."""
    known = {job["id"] for job in cluster.jobs()}
    command = snakemake_command(folder, config, "--profile", str(PROFILE), *args)
    assert command[1:3] == ["-m", "snakemake"]
    command[1:3] = [str(QUICK)]
    told = folder / "told.txt"
    side_by_side: Counter[str] = Counter()
    with open(told, "wb") as stream:
        started = subprocess.Popen(
            command,
            cwd=folder,
            env=cluster.environment | {"PYTHONPATH": str(PLUGIN)},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        end = time.monotonic() + seconds
        while started.poll() is None:
            assert time.monotonic() < end, f"not done in {seconds} s:\n{told.read_text()}"
            living = [job for job in cluster.jobs(*LIVING) if job["id"] not in known]
            running = [job for job in living if job["state"] == "RUNNING"]
            side_by_side |= Counter({"running": len(running), **Counter(kind(job) for job in living)})
            if meddle and len({job["node"] for job in running}) == 2:
                meddle()
                meddle = None
            time.sleep(0.3)
    finally:
        started.kill()
        started.wait()
    run = Run(started.returncode, told.read_text())
    assert run.returncode == 0, run.output
    assert meddle is None, "two jobs never ran on two nodes"
    return Watched(run, [job for job in cluster.jobs() if job["id"] not in known], side_by_side)


@pytest.fixture(scope="module")
def struck(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Watched, dict[str, str]]:
    """The demo on the cluster, while a job is killed on one node and the other node dies; the two jobs, by their fate.

    The node comes back when the run is over.
    """
    folder = tmp_path_factory.mktemp("slurm") / "struck"
    victims: dict[str, str] = {}

    def strike() -> None:
        (first, second) = sorted(cluster.jobs("RUNNING"), key=lambda job: job["node"])[:2]
        victims.update({"job": second["id"], "node": first["id"]})
        cluster.kill_node(first["node"])
        cluster.ask("scancel", "--signal=KILL", "--full", second["id"])

    watched = run_on(cluster, folder, DEMO, meddle=strike)
    wait_until(lambda: cluster.node_states()[cluster.nodes[0]].startswith("down"), 30, "SLURM notices the dead node")
    cluster.start_node(cluster.nodes[0])
    return folder, watched, victims


def test_a_job_and_a_node_that_die_cost_no_byte(struck: tuple[Path, Watched, dict[str, str]]) -> None:
    folder, watched, victims = struck
    states = {job["id"]: job["state"] for job in watched.jobs}
    assert states[victims["node"]] == "NODE_FAIL"
    assert states[victims["job"]] in ("FAILED", "CANCELLED")
    assert watched.side_by_side["running"] >= 2
    local = folder.parent / "local"
    run_snakemake(local, DEMO)
    made = content(folder / "output")
    assert len([name for name in made if name.endswith(".tif")]) == 4
    assert made == content(local / "output")


def test_what_died_is_asked_for_again_with_more(struck: tuple[Path, Watched, dict[str, str]]) -> None:
    _, watched, victims = struck
    first = {job["id"]: job for job in watched.jobs if job["id"] in victims.values()}
    assert len(first) == 2
    for job in first.values():
        again = [x for x in watched.jobs if x["comment"] == job["comment"] and x["id"] != job["id"]]
        assert [x["state"] for x in again] == ["COMPLETED"]
        assert int(again[0]["memory"][:-1]) == 2 * int(job["memory"][:-1])
        assert (job["time"], again[0]["time"]) == ("1:00:00", "2:00:00")


def test_a_tile_month_is_two_submissions_and_the_rest_is_local(struck: tuple[Path, Watched, dict[str, str]]) -> None:
    _, watched, _ = struck
    done = Counter(kind(job) for job in watched.jobs if job["state"] == "COMPLETED")
    assert done == {"bursts": 4, "month": 4}
    assert finished(watched.run)["search"] == 2 and finished(watched.run)["tile_catalog"] == 2


def test_every_job_leaves_its_log_and_a_failed_one_that_of_slurm_too(
    struck: tuple[Path, Watched, dict[str, str]],
) -> None:
    folder, watched, victims = struck
    logs = folder / "output" / "work" / "logs"
    assert {path.parent.name for path in logs.rglob("*.log")} >= set(finished(watched.run)) - {"all"}
    kept = {path.stem for path in (folder / ".snakemake" / "slurm_logs").rglob("*.log")}
    assert kept >= set(victims.values())


def test_nothing_is_left_to_do_on_the_laptop(struck: tuple[Path, Watched, dict[str, str]]) -> None:
    folder, _, _ = struck
    preview = run_snakemake(folder, DEMO, "-n")
    assert preview.jobs == {} and "Nothing to be done" in preview.output


def test_no_more_jobs_fetch_at_once_than_allowed_and_no_home_is_shared(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for month in ("2021-11", "2021-12"):
        add(tmp_path, month)
    login = tmp_path / "home_of_the_login_node"
    monkeypatch.setenv("HOME", str(login))
    with cluster.changed_step(f"HOME={tmp_path / 'home_of_a_node'}"):
        watched = run_on(
            cluster, tmp_path, SMALL, "--set-resources", "bursts:downloads=1", "--resources", "downloads=1"
        )
    assert finished(watched.run)["bursts"] == 2
    assert watched.side_by_side["bursts"] == 1 and watched.side_by_side["month"] >= 1
    for job in watched.jobs:
        assert str(login) not in cluster.ask("scontrol", "write", "batch_script", job["id"], "-")


def test_a_job_on_a_node_leaves_trying_again_to_who_submitted_it(tmp_path: Path) -> None:
    for month in ("2021-11", "2021-12"):
        broken = add(tmp_path, month)
    run_snakemake(tmp_path, SMALL, "--until", "search")
    broken.write_bytes(broken.read_bytes()[:200])
    config = {**SMALL, "memory": {"batch_max_retries": 2}}
    job = "bursts:tile=11SLT,direction=ASCENDING,month=2021-12"
    as_on_a_node = ("--mode", "remote", "--nolock", "--force", "--target-jobs", job, "--allowed-rules", "bursts")
    failed = run_snakemake(tmp_path, config, *as_on_a_node, check=False)
    assert failed.failed == {"bursts": 1}, failed.output


def test_the_profile_names_rules_that_exist_and_leaves_none_to_chance() -> None:
    profile = yaml.safe_load((PROFILE / "config.yaml").read_text())
    text = "".join(path.read_text() for path in (ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")))
    blocks = dict(re.findall(r"^(?:rule|checkpoint) (\w+):\n((?: {4}.*\n|\n)+)", text, re.MULTILINE))
    rules, local = {*blocks}, {name for name, lines in blocks.items() if "    localrule: True\n" in lines}
    assert set(profile["groups"]) | local <= rules
    of_their_own = {"bursts", "heights", "reference", "static"}
    assert rules - local - set(profile["groups"]) == of_their_own, "each a submission of its own"
