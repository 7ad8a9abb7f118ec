# Two commands on a bare machine: `make demo` and `make test`. Both keep their environment in .venv/.
ifeq ($(OS),Windows_NT)
$(error s1monthly does not run on Windows: install WSL (wsl --install), and run it in there)
endif
PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)

.PHONY: demo demo_grd explore doctor test lint bench slurm config lock clean help

help:
	@echo "make demo    set up, make two months of a simulated tile in both directions, say where to look"
	@echo "make demo_grd  the same from GRD products of a made-up place"
	@echo "make explore  look at what was made in a browser; OUTPUT=output/demo names the tree, CONFIG=my.yaml a configuration"
	@echo "make doctor  check machine, network and login; CONFIG=my.yaml checks them for that run"
	@echo "make test    set up, run the whole test suite"
	@echo "make lint    ruff, mypy, snakefmt, snakemake --lint"
	@echo "make bench   measure one full tile-month, beside plain libraries"
	@echo "make slurm   add what --profile profiles/slurm needs"
	@echo "make config  write config.yaml, schema.json and the table of options from the model"
	@echo "make clean   remove the environment and the demo's output; your own stays"
	@echo "make lock    find newest versions that fit, write the locks and the conda environment"

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run: requirements.txt | .venv/bin/python
	$(PIP) -r requirements.txt
	@touch $@

.venv/dev: requirements-dev.txt .venv/run
	$(PIP) -r requirements-dev.txt
	@touch $@

# beside the environment: there it would cost every start of Snakemake 0.3 s
.venv/slurm: requirements-slurm.txt | .venv/run
	$(PIP) --no-deps --upgrade --target $@ -r requirements-slurm.txt
	@touch $@

demo: .venv/run
	$(SNAKEMAKE) --configfile config/demo.yaml
	@$(BIN)/python scripts/demo_tour.py --configfile config/demo.yaml

demo_grd: .venv/run
	@$(BIN)/python scripts/demo_grd.py --configfile config/demo_grd.yaml
	$(SNAKEMAKE) --configfile config/demo_grd.yaml

explore: .venv/run
	@$(BIN)/python scripts/explore.py $(if $(OUTPUT),--output-dir "$(OUTPUT)") $(if $(CONFIG),--configfile "$(CONFIG)")

doctor: .venv/run
	@$(BIN)/python scripts/doctor.py $(if $(CONFIG),--configfile $(CONFIG))

test: .venv/dev .venv/slurm
	$(BIN)/python -m pytest -n $(CORES) --dist loadgroup

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint --configfile config/demo.yaml

bench: .venv/dev
	$(BIN)/python tests/bench.py

slurm: .venv/run
	$(PIP) -r requirements-slurm.txt

config: .venv/run
	PYTHONPATH=scripts $(BIN)/python -m s1monthly.config.docs config

lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.in
	.venv-lock/bin/python -m pip freeze > requirements.txt
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.in -c requirements.txt
	.venv-lock/bin/python -m pip freeze > requirements-dev.txt
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-slurm.in -c requirements-dev.txt
	.venv-lock/bin/python -m pip freeze | grep -vxFf requirements-dev.txt > requirements-slurm.txt
	.venv-lock/bin/python envs/write_conda.py requirements.in requirements.txt > envs/s1monthly.yaml
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-lock .mypy_cache .pytest_cache .ruff_cache output/demo output/demo_grd
