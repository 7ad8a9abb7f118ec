"""Write a conda environment of the versions in the pip lock: ``write_conda.py requirements.in requirements.txt``."""

import sys
from pathlib import Path

CONDA_NAMES = {"isal": "python-isal", "snakemake": "snakemake-minimal"}


def main(wanted: str, lock: str) -> None:
    names = [line.strip() for line in Path(wanted).read_text().splitlines() if line and not line.startswith("#")]
    pins = dict(line.split("==") for line in Path(lock).read_text().splitlines() if "==" in line)
    print("# The versions of requirements.txt for conda users. Written by `make lock`.")
    print("name: s1monthly\nchannels: [conda-forge, bioconda]\ndependencies:\n  - python >=3.11")
    for name in names:
        key = next(pin for pin in pins if pin.lower().replace("_", "-") == name.lower().replace("_", "-"))
        print(f"  - {CONDA_NAMES.get(name, name)} ={pins[key]}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
