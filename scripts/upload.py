"""Publish an output tree to object storage or a folder: copy what is new, complete months alone, catalogs last.

Nothing is deleted, unless --prune says so. A call that was killed is continued by the next one.
"""

import json
import sys
from dataclasses import asdict

import light_imports  # noqa: F401
from s1monthly.config.file import read_config_file
from s1monthly.config.publish import Publish, check_publish
from s1monthly.config.root import load_config
from s1monthly.errors import S1MonthlyError
from s1monthly.upload.preview import Preview
from s1monthly.upload.publishing import Options, publish_tree
from s1monthly.upload.storage import open_storage
from s1monthly.workflow import commands


def main(argv=None):
    parser = commands.parser("upload", __doc__, "--output-dir output --url s3://bucket/sentinel1")
    commands.add_upload(parser)
    options = parser.parse_args(argv)
    try:
        config = load_config(read_config_file(options.configfile)) if options.configfile else None
        given = {name: value for name in Publish.model_fields if (value := getattr(options, name)) is not None}
        base_dir = options.output_dir or (config.output.base_dir if config else "output")
        section = check_publish({**(config.publish.model_dump() if config else {}), **given}, base_dir)
        storage = open_storage(section.url, section.endpoint, make=not options.dry_run)
        how = Options(
            section.base_url or "", section.max_workers, options.held, options.prune, options.verify, options.dry_run
        )
        tell = (lambda line: print(line, file=sys.stderr)) if options.json else (lambda line: print(line, flush=True))
        done = publish_tree(base_dir, Preview.of(storage) if options.dry_run else storage, how, tell)
    except S1MonthlyError as error:
        sys.exit(str(error))
    print(json.dumps(asdict(done), indent=1) if options.json else "\n".join(done.lines(preview=options.dry_run)))
    return 1 if [name for name in done.passed_over if name in (options.held or [name])] else 0


if __name__ == "__main__":
    sys.exit(commands.run(main))
