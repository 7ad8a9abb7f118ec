"""Paths, wildcards and input functions. Parsed again in every cluster job: standard library and floor 0 only."""

import gc
import json
import os
import shlex
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from functools import cache

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

from s1monthly.workflow import estimate
from s1monthly.workflow import failures
from s1monthly.workflow import jobs
from s1monthly import layout as naming
from s1monthly.config.root import load_config
from s1monthly.config.file import read_config_file
from s1monthly.workflow.environment import forget_foreign_settings
from s1monthly.errors import FileError, S1MonthlyError
from s1monthly.files import write_text
from s1monthly.workflow.finished import FinishedMonths
from s1monthly.workflow.plan import Plan, recipe_part
from s1monthly.model import Month, Tile

forget_foreign_settings()
# scripts find the library beside them
os.environ.pop("PYTHONSAFEPATH", None)
if not os.access(f"{workflow.basedir}/scripts/s1monthly", os.W_OK):
    # compiled kernels are kept beside their source, or here where that is read-only
    os.environ.setdefault("NUMBA_CACHE_DIR", os.path.abspath(".snakemake/numba"))


def tiles_of_polygon(wkt):
    from s1monthly.grid.regions import read_region  # only a polygon needs geometry
    from s1monthly.grid.tiles import tiles_of_roi

    return tiles_of_roi(read_region(wkt))


@cache
def pixels(tile):
    """Pixels of a tile's grid; only another CRS than the tile's own needs geometry."""
    processing = PLAN.config.processing
    if processing.epsg is None:
        return estimate.usual_pixels(PLAN.config)
    from s1monthly.grid.lattice import tile_geobox

    rows, columns = tile_geobox(
        tile, processing.target_resolution, processing.epsg
    ).shape
    return rows * columns


def check_grids(plan):
    """Refuse tiles and grids that do not exist, grids that no polygon can mask, and a mask beside all tiles.

    Only the process that decides pays.
    """
    from s1monthly.grid.lattice import tile_geobox
    from s1monthly.grid.polygon_mask import window
    from s1monthly.grid.tiles import tiles_beside

    processing = plan.config.processing
    tiles = list(dict.fromkeys(book.key.tile for book in plan.ledgers))
    for tile in tiles:
        geobox = tile_geobox(tile, processing.target_resolution, processing.epsg)
        if processing.use_roi_mask:
            window(geobox)
    for tile in (
        tiles_beside(plan.config.roi.wkt, tiles) if processing.use_roi_mask else []
    ):
        logger.warning(
            f"tile {tile} lies outside roi.wkt: with use_roi_mask all its pixels stay empty"
        )


TOOL_OPTIONS = str(config.pop("options", ""))  # of tools.smk, not of the model

EXPECTED = (S1MonthlyError, OSError)


def plain(error):
    """Return an expected error as one that Snakemake tells without a traceback."""
    return WorkflowError(
        str(FileError.of(error) if isinstance(error, OSError) else error)
    )


TOOLS = {
    "catalog_inspect",
    "catalog_rebuild",
    "catalog_validate",
    "mosaic_tiles",
    "tile_inspect",
}


def make_plan():
    """The plan, records out of step, and why nothing but a tool can run.

    Whatever is wrong with source or output tree stops no tool: tools look for the damage and mend it. Snakemake knows
    its targets later: where the command names a tool, all else is refused then.
    """
    deciding = workflow.is_main_process
    given = {
        "config": load_config(config),
        "today": datetime.now(timezone.utc).date(),
        "tiles_of_polygon": tiles_of_polygon,
        "deciding": deciding,
    }
    try:
        plan = Plan.make(**given)
        return plan, plan.records_out_of_step() if deciding else set(), None
    except EXPECTED as error:
        if not TOOLS.intersection(sys.argv):
            raise
        return Plan.make(**given, for_tools=True), set(), error


def refuse_all_but_tools():
    """Stop what is no tool where the source or a cube cannot be used."""
    if REFUSED:
        raise plain(REFUSED)


try:
    if workflow.is_main_process:
        # Snakemake takes the second of two equal keys, without a word
        for path in filter(os.path.isfile, workflow.configfiles):
            read_config_file(path)
    PLAN, OUT_OF_STEP, REFUSED = make_plan()
    if workflow.is_main_process:
        check_grids(PLAN)
    JOB_SETTINGS = PLAN.job_settings.write(".snakemake/s1monthly_jobs")
except EXPECTED as error:
    raise plain(error) from None

SETTINGS, LAYOUT = PLAN.config, PLAN.layout

GIVEN = json.dumps(config)  # after --configfile and --config, for a tool that reads it
SCRIPTS = f"{workflow.basedir}/scripts"
DEPLOYED = workflow.deployment_settings.deployment_method
# a conda environment has its own Python; without one the scripts need that which runs Snakemake
PYTHON = "python" if DeploymentMethod.CONDA in DEPLOYED else sys.executable

REMAKE = ".snakemake/s1monthly_remake"
END_OF_TIME = 2**31 - 1  # the last moment that every file system knows
if workflow.is_main_process:
    try:
        # newer than any record, and of new content: neither clocks nor Snakemake's memory can hide a month out of step
        write_text(REMAKE, f"{uuid.uuid4()}\n")
        os.utime(REMAKE, (END_OF_TIME, END_OF_TIME))  # till the first job
        for line in [] if REFUSED else PLAN.report(pixels):
            logger.info(line)
    except EXPECTED as error:
        raise plain(error) from None


wildcard_constraints:
    tile=naming.TILE_PATTERN,
    direction=naming.DIRECTION_PATTERN,
    month=naming.MONTH_PATTERN,
    question=naming.DIGEST_PATTERN,
    slots=naming.SLOTS_PATTERN,


def start_of(rule):
    """What the command of a rule begins with.

    A function that asks for `output`: such a param Snakemake takes for derived, and no reason to run a job again.
    """
    start = [PYTHON, f"{SCRIPTS}/{rule}.py", f"--settings={JOB_SETTINGS}"]
    return lambda wildcards, output: shlex.join(start)


def ledger(wildcards):
    return PLAN.ledger(wildcards.tile, wildcards.direction)


def recipe_parts(*keys):
    """What changes a stage's values, as a param: a change runs the stage again."""
    return lambda wildcards: recipe_part(ledger(wildcards), *keys)


def recipe_of(wildcards):
    """The whole recipe, as the cube of the tile spells it."""
    return ledger(wildcards).recipe


def after_search(wildcards):
    """Nothing, once the source has answered this run's question: gives the order without the cascade."""
    stamp = PLAN.open_question(ledger(wildcards))
    if stamp:
        checkpoints.search.get(
            tile=wildcards.tile,
            direction=wildcards.direction,
            question=os.path.basename(stamp),
        )
    return []


def asked(wildcards):
    """Months that the source is asked about."""
    return ",".join(map(str, ledger(wildcards).to_ask()))


def listings(wildcards):
    """What the source's folder held of each of these months when this run began; JSON."""
    book = ledger(wildcards)
    held = book.listings or {}
    return json.dumps({str(m): held[m] for m in book.to_ask() if m in held})


def granules_digest(wildcards):
    """Changes when a month's granules change: a param, so that a late granule runs its month again, and no other."""
    answer = ledger(wildcards).answers.get(Month.parse(wildcards.month))
    return answer.digest if answer else None


def slots_stamp(wildcards):
    """The cube's slots, for a month that the cube lacks: it waits for them, and is made again where it was made before.

    A month that the cube holds does not mind a new axis. (`ancient` will not do: it still triggers while the file is
    missing, as the stamp of a new axis is.)
    """
    after_search(wildcards)
    book, month = ledger(wildcards), Month.parse(wildcards.month)
    return PLAN.slots_stamp(book) if book.slot_lost(month) else []


def remake(wildcards):
    """A file newer than the record, where the month is out of step with its granules, recipe, record or cube."""
    book, month = ledger(wildcards), Month.parse(wildcards.month)
    if book.path(LAYOUT.record, month) in OUT_OF_STEP:
        return REMAKE
    return book.late_list(month) or []


def record_made(wildcards):
    """The record of a month, if there are granules to make it of.

    One of a month that stays as it is comes from no job: whatever decides on such a job has changed with its granules.
    """
    book, month = ledger(wildcards), Month.parse(wildcards.month)
    return [] if book.kept(month) else book.path(LAYOUT.record, month)


def record_path(wildcards, output):
    """Where the record of a month lies. (It asks for `output`, see `start_of`.)"""
    return ledger(wildcards).path(LAYOUT.record, Month.parse(wildcards.month))


def altered(wildcards):
    """The same for a COG or preview that something changed after it was made, or that is older than a kept month."""
    book, month = ledger(wildcards), Month.parse(wildcards.month)
    outdated = book.kept(month) and book.is_older(PLAN.published.values(), month)
    return REMAKE if outdated or finished_months().altered(book, month) else []


def stale_work(wildcards):
    """The same for temporary files that a run left behind, of other granules or under another recipe."""
    after_search(wildcards)
    stale = ledger(wildcards).work_is_stale(Month.parse(wildcards.month))
    return REMAKE if stale else []


def months_in(wildcards, pattern):
    """A product of every month of a tile and direction that has granules, finished ones left out."""
    after_search(wildcards)
    book = ledger(wildcards)
    return [book.path(pattern, month) for month in months_planned(book)]


@cache
def cores_a_month():
    """Cores that a month can use: the fewer the more months can go side by side, which keeps them all busy."""
    if workflow.local_exec and workflow.is_main_process:
        return max(1, workflow.cores // max(1, PLAN.months_to_make()))
    return 2


def burst_threads(wildcards):
    """Cores for reading granules: partly waiting, so one core serves two from a disk, or four from the archive."""
    served = 4 if SETTINGS.source.kind == "asf" else 2
    return -(-SETTINGS.read_workers // served)


def compute_threads(wildcards):
    """Cores for the kernels: more than four gain little."""
    return min(4, cores_a_month())


def temporary_mb(wildcards):
    """MB of a month's burst files on disk, while a job has to do with them: bounded by `--resources temp_mb=...`."""
    answer = ledger(wildcards).answers.get(Month.parse(wildcards.month))
    number = answer.granules if answer else 0
    return estimate.temporary_mb(SETTINGS, number, pixels(Tile(wildcards.tile)))


def memory_mb(stage):
    """Memory of a stage's jobs on the grid of their tile; each attempt asks for more."""
    return lambda wildcards, attempt: attempt * estimate.memory_mb(
        stage, pixels(Tile(wildcards.tile))
    )


def reading_mb(wildcards, attempt):
    """Memory of a job that reads granules onto the grid of its tile; each attempt asks for more."""
    of_tile = pixels(Tile(wildcards.tile))
    return attempt * estimate.reading_mb(SETTINGS.read_workers, of_tile)


def audit_mb(wildcards):
    """Memory of a tool that reads months of any tile."""
    largest = max(pixels(book.key.tile) for book in PLAN.ledgers)
    return max(1000, estimate.memory_mb("audit", largest))


def depth_first(wildcards):
    """Finish a month before the next is opened: bounds the temporary files on disk."""
    place = PLAN.place(ledger(wildcards))
    return 10_000_000 - 10_000 * place - Month.parse(wildcards.month).ordinal % 6000


def final_output(wildcards):
    """Everything that the configuration asks for; open questions to the source come first, all at once."""
    if TOOL_OPTIONS:
        raise WorkflowError("options: for a tool; name it: snakemake mosaic_tiles ...")
    refuse_all_but_tools()
    # of a hundred thousand jobs none is garbage: to look for it takes a fifth of the time
    gc.set_threshold(50_000, 20, 100)
    files = [LAYOUT.catalog, LAYOUT.collection]
    for book in PLAN.ledgers:
        files.append(book.path(LAYOUT.tile_catalog))
        question = PLAN.open_question(book)
        if question:
            files.append(question)
            continue
        if book.with_granules:
            files.append(PLAN.slots_stamp(book))
        for month in months_planned(book):
            kept = book.kept(month)  # no job makes its record
            products = PLAN.published.values() if kept else PLAN.month_products
            files += [book.path(pattern, month) for pattern in products]
        # the job fails and says why: a month that should be made and cannot is no success
        files += [book.path(LAYOUT.account, month) for month in book.unusable]
    return files


def months_planned(book):
    """Months of a tile and direction whose jobs Snakemake must look at."""
    months = book.to_publish
    if finished_may_be_left_out():
        finished = finished_months().months(book)
        months = [month for month in months if month not in finished]
    if told_in_words():
        to_make = {*book.missing(), *book.out_of_step}
        months = [month for month in months if month not in to_make]
    return months


@cache
def finished_months():
    """Months that an earlier run left finished, by its notes."""
    static = [
        [rule.name, noted_params(rule)]
        for rule in workflow.rules
        if "month" in rule.wildcard_names
    ]
    passed = [PLAN.settings_of_products, static]
    if DEPLOYED:
        with open(f"{workflow.basedir}/envs/s1monthly.yaml") as stream:
            passed += [sorted(map(str, DEPLOYED)), stream.read()]
    return FinishedMonths(PLAN, ".snakemake/s1monthly_finished.json", passed)


def noted_params(rule):
    """Params as notes have them, without `start` and `record`: how a job is told changes nothing that it makes."""
    params = [p for name, p in rule.params.items() if name not in ("start", "record")]
    return [p.__qualname__ if callable(p) else repr(p) for p in params]


CHECKED = {"MTIME", "PARAMS", "SOFTWARE_ENV"}
"""What a note vouches for: the triggers of the profile."""


@cache
def finished_may_be_left_out():
    """Not where jobs are forced, counted in batches, or listed instead of run; nor with more triggers than noted."""
    asked = workflow.dag_settings
    special = asked.forceall or asked.forcerun or asked.forcetargets or asked.batch
    runs = workflow.is_main_process and workflow.executor_plugin is not None
    return runs and not special and triggers() <= CHECKED


def triggers():
    """What lets a job run again, in this run."""
    return {trigger.name for trigger in workflow.dag_settings.rerun_triggers}


@cache
def told_in_words():
    """Whether this is a preview that shows no job, of very many months: the plan has told of them all."""
    quiet = {kind.name for kind in workflow.output_settings.quiet or ()}
    number = PLAN.months_to_make()
    brief = workflow.dryrun and quiet & {"RULES", "ALL"} and number > MOST_PREVIEWED
    if brief:
        logger.info(
            f"Jobs of the {number} months to make are left out of this preview; --quiet host plans and shows them all."
        )
    return brief


MOST_PREVIEWED = 1000
"""Months whose jobs are planned for a preview that shows none: in about ten seconds."""


def note_finished_months():
    """Note the months of which this run has made, or found up to date, every product."""
    if not triggers() >= CHECKED:
        return
    seen, open_still = set(), set()
    for job in workflow.dag.jobs:
        if job.rule.name == "publish":
            seen.add((job.wildcards.tile, job.wildcards.direction, job.wildcards.month))
    for job in workflow.dag.needrun_jobs():
        if "month" in job.rule.wildcard_names:
            open_still.add(
                (job.wildcards.tile, job.wildcards.direction, job.wildcards.month)
            )
    try:
        finished_months().note(sorted(seen - open_still))
    except OSError as error:
        logger.warning(
            f"{FileError.of(error)}; until then each run looks at every month"
        )


def check_login_once():
    """Stop a run that will fetch granules without a valid login: before any job, not in the middle of the night."""
    only_search = workflow.dag_settings.until and workflow.dag_settings.until <= {
        "search"
    }
    fetching = PLAN.may_fetch() and not (only_search or only_tools())
    if workflow.is_main_process and fetching:
        from s1monthly.sources.asf.earthdata import check_login
        from s1monthly.sources.asf.held_refusal import HeldRefusal

        hosts = SETTINGS.source.hosts
        try:
            check_login(hosts.login, hosts.s3_credentials, hosts.trusted)
            HeldRefusal(SETTINGS.source_options["keys_dir"]).forget()
        except EXPECTED as error:
            raise plain(error) from None


def lift_the_default_job_rate():
    """Do without Snakemake's 100 jobs a second, unless another rate was asked for.

    While jobs wait, its limiter adds a timer of a second for every job that ends and never lets one go: the scheduler
    wakes ever more often, and the run ends a second late.
    """
    rate = workflow.scheduling_settings.max_jobs_per_timespan
    if rate and (rate.max_jobs, rate.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def tell_the_outcome():
    """Which jobs failed, and why, once for all attempts; which months are empty, and why; what there is now."""
    if not only_tools():
        note_finished_months()
        for job in sorted(workflow.scheduler.failed, key=str):
            members = list(job.jobs) if job.is_group() else [job]
            spoken = [one for one in members if failures.last_error(one.log)]
            for one in spoken or members[:1]:
                place = dict(one.wildcards.items())
                logger.error(failures.told(one.rule.name, place, list(one.log)))
        for job in sorted(workflow.dag.finished_jobs, key=str):
            if job.rule.name == "composite":
                for line in failures.why_empty(job.log):
                    logger.warning(f"WARNING {line}")
        for line in PLAN.outcome():
            logger.info(line)


def let_look_old(files):
    """Snakemake puts back what a failed job should have updated as if it had just been made: the next run would trust it."""
    for path in filter(os.path.exists, files):
        os.utime(path, (86400, 86400))  # Snakemake takes 0 for no time at all


def catalog_what_is_finished():
    """After a failure: catalogue the tiles in which this run finished a search or a month, and nothing else."""
    if only_tools():
        return
    for job in workflow.scheduler.failed:
        for one in job.jobs if job.is_group() else [job]:
            if one.rule.name in ("tile_catalog", "catalog"):
                let_look_old(one.output)
    tiles = [
        b for b in PLAN.ledgers if b.key in PLAN.stamps and not PLAN.open_question(b)
    ]
    for job in workflow.dag.finished_jobs:
        if job.rule.name in ("composite", "publish"):
            tiles.append(ledger(job.wildcards))
    if not tiles:
        return
    folders = sorted({book.path(LAYOUT.folder) for book in tiles})
    script = f"{SCRIPTS}/catalog_finished.py"
    done = subprocess.run(
        [sys.executable, script, "--", *folders],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (logger.error if done.returncode else logger.info)(done.stdout.strip())


def only_tools():
    """Whether this run was asked for tools alone: they fetch nothing, and leave nothing to be catalogued."""
    targets = workflow.dag_settings.targets
    return bool(targets) and set(targets) <= TOOLS


def tool_command(name):
    """Command of a tool: its script, with the options that were given."""
    return shlex.join([PYTHON, f"{SCRIPTS}/{name}.py", *shlex.split(TOOL_OPTIONS)])


def own_work_dir():
    """Option of a tool that names the work folder, where that does not lie in the output tree."""
    usual = os.path.join(LAYOUT.base_dir, "work")
    return (
        "" if LAYOUT.work_dir == usual else shlex.quote(f"--work-dir={LAYOUT.work_dir}")
    )
