"""Plan, wildcards and input functions. Every cluster job parses this again: import nothing heavy here."""

import json
import os
import shlex
import sys
import uuid
from datetime import datetime, timezone
from functools import cache

from snakemake.exceptions import WorkflowError

from s1monthly import layout as naming
from s1monthly.workflow import estimate, failures, jobs
from s1monthly.config.root import load_config
from s1monthly.config.file import read_config_file
from s1monthly.workflow.environment import forget_foreign_settings
from s1monthly.errors import FileError, S1MonthlyError
from s1monthly.files import write_text
from s1monthly.workflow.finished import FinishedMonths
from s1monthly.workflow.plan import Plan, recipe_part
from s1monthly.workflow.snakemake_run import SnakemakeRun, collect_garbage_seldom
from s1monthly.model import Month, Tile

RUN = SnakemakeRun(workflow)

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
    deciding = RUN.decides
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
    if RUN.decides:
        # Snakemake takes the second of two equal keys, without a word
        for path in filter(os.path.isfile, workflow.configfiles):
            read_config_file(path)
    PLAN, OUT_OF_STEP, REFUSED = make_plan()
    if RUN.decides:
        check_grids(PLAN)
    JOB_SETTINGS = PLAN.job_settings.write(".snakemake/s1monthly_jobs")
except EXPECTED as error:
    raise plain(error) from None

SETTINGS, LAYOUT = PLAN.config, PLAN.layout

SCRIPTS = f"{workflow.basedir}/scripts"
# a conda environment has its own Python; without one the scripts need that which runs Snakemake
PYTHON = "python" if "conda" in RUN.deployment else sys.executable

REMAKE = ".snakemake/s1monthly_remake"
END_OF_TIME = 2**31 - 1  # the last moment that every file system knows
if RUN.decides:
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
    """Wait until the source has answered this run's question: gives the order without the cascade.

    Where the graph is only drawn, the search is an input like any other.
    """
    book = ledger(wildcards)
    if RUN.draws:
        return LAYOUT.asked.format_map({**wildcards, "question": "0" * 16})
    stamp = PLAN.open_question(book)
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
    return PLAN.slots_stamp(book) if RUN.draws or book.slot_lost(month) else []


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
    searched = after_search(wildcards)
    stale = ledger(wildcards).work_is_stale(Month.parse(wildcards.month))
    return REMAKE if stale else searched


def months_in(wildcards, pattern):
    """A product of every month of a tile and direction that has granules, finished ones left out."""
    after_search(wildcards)
    book = ledger(wildcards)
    months = book.asked_months if RUN.draws else months_planned(book)
    return [book.path(pattern, month) for month in months]


@cache
def cores_a_month():
    """Cores that a month can use: the fewer the more months can go side by side, which keeps them all busy."""
    return max(1, RUN.cores // max(1, PLAN.months_to_make())) if RUN.cores else 2


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
    collect_garbage_seldom()
    if RUN.draws:
        return [LAYOUT.catalog, LAYOUT.collection]
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
    if RUN.may_leave_out_finished:
        finished = finished_months().months(book)
        months = [month for month in months if month not in finished]
    if jobs_left_out():
        to_make = {*book.missing(), *book.out_of_step}
        months = [month for month in months if month not in to_make]
    return months


@cache
def jobs_left_out():
    """Whether this is a preview of very many months that shows no job: the plan has named them all."""
    number = PLAN.months_to_make()
    if left_out := RUN.shows_no_job(number):
        logger.info(
            f"Jobs of the {number} months to make are left out of this preview; --quiet host plans and shows them all."
        )
    return left_out


@cache
def finished_months():
    """Months that an earlier run left finished, by its notes."""
    passed = [PLAN.settings_of_products, RUN.month_params()]
    if RUN.deployment:
        with open(f"{workflow.basedir}/envs/s1monthly.yaml") as stream:
            passed += [RUN.deployment, stream.read()]
    return FinishedMonths(PLAN, ".snakemake/s1monthly_finished.json", passed)


GIVEN = json.dumps(config)  # after --configfile and --config, for a tool that reads it


def only_tools():
    """Whether this run was asked for tools alone: they fetch nothing, and leave nothing to be catalogued."""
    return bool(RUN.targets) and RUN.targets <= TOOLS


def tool_command(name):
    """Command of a tool: its script, with the options that were given."""
    return shlex.join([PYTHON, f"{SCRIPTS}/{name}.py", *shlex.split(TOOL_OPTIONS)])


def own_work_dir():
    """Option of a tool that names the work folder, where that does not lie in the output tree."""
    usual = os.path.join(LAYOUT.base_dir, "work")
    return (
        "" if LAYOUT.work_dir == usual else shlex.quote(f"--work-dir={LAYOUT.work_dir}")
    )
