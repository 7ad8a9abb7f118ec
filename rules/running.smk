"""What a run does before its first job and after its last. Dry runs and cluster jobs do none of it."""

import shutil
import subprocess

from s1monthly.workflow import failures
from s1monthly.workflow.file_system import refuse_unfit
from s1monthly.workflow.file_times import correct_future_times, files_of
from s1monthly.workflow.reading_progress import ReadingProgress, Ticker
from s1monthly.workflow.run_lock import hold
from s1monthly.workflow.snakemake_run import date_remake
from s1monthly.workflow.work_folder import claim_work, refuse_shared_work

if not RUN.decides:
    RUN.try_jobs_once()

LOCKS = []
"""This run's lock on its tiles, from its first job to its last."""


def begin_run():
    """Stop a run that could not end well, then lock its tiles."""
    if only_tools() or not RUN.takes_part:
        return
    refuse_all_but_tools()
    refuse_input_trigger()
    refuse_batch_before_search()
    refuse_storage()
    check_login_once()
    hold_tiles()
    forget_shared_granules()
    TICKER.start()


def tell_progress(line):
    """Tell how far the reading is, on the console and in Snakemake's log."""
    logger.info(line)


TICKER = Ticker(
    ReadingProgress(
        os.path.dirname(LAYOUT.reading_count),
        {f"{tile.key.tile}_{tile.key.direction}" for tile in PLAN.tiles},
        lambda: PLAN.granules_to_read,
        "fetched" if SETTINGS.source.kind == "asf" else "read",
    ),
    tell_progress,
)


def forget_shared_granules():
    """Remove the granules that were kept for several tiles; jobs of another run then fetch them again."""
    shutil.rmtree(LAYOUT.run_cache, ignore_errors=True)


def refuse_input_trigger():
    """Refuse Snakemake's trigger `input`: our profile leaves it out, but it does not apply to a module."""
    if RUN.module is not None and "INPUT" in RUN.triggers:
        raise WorkflowError(
            f"module {RUN.module}: with the rerun trigger `input`, every run would make finished months again"
            f" -> copy {workflow_folder()}/profiles/default to profiles/default beside your Snakefile; or run with"
            " --rerun-triggers mtime params software-env"
        )


def refuse_batch_before_search():
    """Refuse a batch with an open search: Snakemake would forget the rest of the batch, and end as if all were done."""
    unasked = [str(tile.key) for tile in PLAN.tiles if PLAN.open_question(tile)]
    if RUN.is_batch and unasked:
        raise WorkflowError(
            f"--batch: the source must be asked first about {len(unasked)} tiles and directions, such as {unasked[0]}"
            " -> run once with --until search and without --batch; then, as months not settled are asked about in every"
            " run, with --config search='{settle_days: 0}' in the batches"
        )


def refuse_storage():
    """Refuse remote storage: Snakemake would put its outputs there, but not the cube, which is no rule's output."""
    if RUN.storage_provider:
        raise WorkflowError(
            f"--default-storage-provider {RUN.storage_provider}: a cube is changed in place, which needs a shared file system"
            " -> leave it out, and copy the finished tree to the storage"
        )


def hold_tiles():
    """Lock the tiles of this run; refuse tiles that another run works on, and an unfit file system."""
    try:
        lock = hold(LAYOUT.base_dir, [tile.key for tile in PLAN.tiles])
        if lock:
            LOCKS.append(lock)
        refuse_unfit(LAYOUT.base_dir)
        refuse_shared_work(LAYOUT)
        claim_work(LAYOUT)
        corrected = correct_future_times(
            files_of(LAYOUT, [tile.key for tile in PLAN.tiles])
        )
        date_remake()
    except USER_ERRORS as error:
        release_tiles()  # Snakemake calls no handler for what fails here
        raise as_workflow_error(error) from None
    if corrected:
        logger.warning(corrected)
    if lock is None:
        logger.warning(
            f"{LAYOUT.base_dir}: its file system has no locks: two runs of one tile at once would not be noticed"
        )


def end_run():
    """Remove what only this run needed, then release its tiles."""
    if only_tools() or not RUN.takes_part:
        return
    TICKER.stop()
    forget_shared_granules()
    release_tiles()


def release_tiles():
    """Let other runs work on the tiles of this one."""
    while LOCKS:
        LOCKS.pop().release()


def check_login_once():
    """Stop a run that will fetch granules without a valid login: before any job, not in the middle of the night."""
    if PLAN.may_fetch() and not RUN.stops_after("search"):
        from s1monthly.sources.asf.earthdata import check_login
        from s1monthly.sources.asf.refused_login import RefusedLogin

        hosts = SETTINGS.source.hosts
        try:
            check_login(hosts.login, hosts.s3_credentials, hosts.trusted)
            RefusedLogin(SETTINGS.source_options["keys_dir"]).forget()
        except USER_ERRORS as error:
            raise as_workflow_error(error) from None


def note_finished_months():
    """Note the months whose products are all up to date after this run."""
    months = RUN.finished_months()
    try:
        if months is not None:
            PLAN.note_finished(months)
    except OSError as error:
        logger.warning(
            f"{FileError.of(error)}; until then each run looks at every month"
        )


def tell_the_outcome():
    """Report failed jobs, empty months, months made again, and the state of each tile."""
    if only_tools() or not RUN.takes_part:
        return
    again = report.made_again(PLAN)
    PLAN.look_again()
    note_finished_months()
    for members in RUN.failed_jobs():
        explained = [job for job in members if failures.last_error(job.log)]
        for job in explained or members[:1]:
            place = dict(job.wildcards.items())
            logger.error(failures.describe(job.rule.name, place, list(job.log)))
    for job in RUN.finished_jobs():
        if job.rule.name == RUN.name_of("composite"):
            for line in failures.why_empty(job.log):
                logger.warning(f"WARNING {line}")
    for line in [*again, *report.after_run(PLAN)]:
        logger.info(line)


def let_look_old(files):
    """Give files that a failed job should have updated an old time: Snakemake restores them as if they were new."""
    for path in filter(os.path.exists, files):
        os.utime(path, (86400, 86400))  # Snakemake takes 0 for no time at all


def catalog_what_is_finished():
    """After a failure: catalogue the tiles in which this run finished a search or a month, and nothing else."""
    if only_tools() or not RUN.takes_part:
        return
    for job in (job for members in RUN.failed_jobs() for job in members):
        if job.rule.name in map(RUN.name_of, ("tile_catalog", "catalog")):
            let_look_old(job.output)
    searched = [
        tile
        for tile in PLAN.tiles
        if tile.key in PLAN.stamps and not PLAN.open_question(tile)
    ]
    made = [
        tile_of(job.wildcards)
        for job in RUN.finished_jobs()
        if job.rule.name in map(RUN.name_of, ("composite", "publish"))
    ]
    folders = sorted({tile.paths().folder for tile in [*searched, *made]})
    if not folders:
        return
    script = f"{SCRIPTS}/catalog_finished.py"
    done = subprocess.run(
        [RUN.python_of(RUN.finished_jobs()), script, "--", *folders],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (logger.error if done.returncode else logger.info)(done.stdout.strip())


def report_what_failed():
    """After a failure: bring the report up to date, if it is wanted, so that it says why months are missing."""
    if only_tools() or not RUN.takes_part or not SETTINGS.output.formats.report:
        return
    python = RUN.python_of(RUN.finished_jobs())
    folders = [f"--output-dir={LAYOUT.base_dir}", f"--work-dir={LAYOUT.work_dir}"]
    done = subprocess.run(
        [python, f"{SCRIPTS}/report.py", *folders],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        logger.error(f"the report is not up to date: {done.stderr.strip()}")
