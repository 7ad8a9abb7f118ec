"""What a run checks and holds before its first job, and lets go after its last; dry runs and cluster jobs do not."""

import time

from s1monthly.workflow.file_system import refuse_unfit
from s1monthly.workflow.file_times import bring_back, files_of
from s1monthly.workflow.run_lock import hold
from s1monthly.workflow.work_folder import claim_work, refuse_shared_work

if not workflow.is_main_process:
    # a cluster job tries once: who submitted it tries again, and asks for more memory and time
    for known in workflow.rules:
        known.restart_times = 0

HELD = []
"""What this run holds of the output tree, from its first job to its last."""


def begin_run():
    """Stop where the run could not end well, then keep others from what it works on."""
    if only_tools():
        return
    refuse_all_but_tools()
    refuse_batch_before_search()
    refuse_storage()
    check_login_once()
    hold_tiles()


def refuse_batch_before_search():
    """Snakemake forgets the rest of a batch when a search adds jobs to it, and ends as if all were done."""
    unasked = [str(book.key) for book in PLAN.ledgers if PLAN.open_question(book)]
    if workflow.dag_settings.batch and unasked:
        raise WorkflowError(
            f"--batch: the source must be asked first about {len(unasked)} tiles and directions, such as {unasked[0]}"
            " -> run once with --until search and without --batch; then, as months not settled are asked about in every"
            " run, with --config search='{settle_days: 0}' in the batches"
        )


def refuse_storage():
    """Snakemake would put its outputs there, but not the cube, which is no rule's output, and end as if all were."""
    provider = workflow.storage_settings.default_storage_provider
    if provider:
        raise WorkflowError(
            f"--default-storage-provider {provider}: a cube is changed in place, which needs a shared file system"
            " -> leave it out, and copy the finished tree to the storage"
        )


def hold_tiles():
    """Refuse what another run works on, and keep others from what this one works on; refuse an unfit file system."""
    try:
        held = hold(LAYOUT.base_dir, [book.key for book in PLAN.ledgers])
        if held:
            HELD.append(held)
        refuse_unfit(LAYOUT.base_dir)
        refuse_shared_work(LAYOUT)
        claim_work(LAYOUT)
        told = bring_back(files_of(LAYOUT, [book.key for book in PLAN.ledgers]))
        now = (
            time.time_ns()
        )  # without a time given, the kernel takes that of its last tick
        os.utime(REMAKE, ns=(now, now))
    except EXPECTED as error:
        release_tiles()  # Snakemake calls no handler for what fails here
        raise plain(error) from None
    if told:
        logger.warning(told)
    if held is None:
        logger.warning(
            f"{LAYOUT.base_dir}: its file system has no locks: two runs of one tile at once would not be noticed"
        )


def release_tiles():
    """Let others have them."""
    while HELD:
        HELD.pop().release()
