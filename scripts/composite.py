"""Rule composite: merge the bursts, despeckle, compute the bands, write them into the month's slot; then its record."""

import light_imports  # noqa: F401
from s1monthly.model import CompositeKey
from s1monthly.stages.month import make_month
from s1monthly.workflow import jobs


def main(argv=None):
    names = ("tile", "direction", "month", "bursts", "account", "granules_digest", "cube", "record")
    job, _ = jobs.read_arguments(__doc__, argv, *names)
    settings, key = job.settings.of(job.tile, job.direction), CompositeKey.parse(job.tile, job.direction, job.month)
    make_month(settings, key, job.granules_digest, job.bursts, job.account, job.cube, job.record, job.threads)


if __name__ == "__main__":
    jobs.run(main)
