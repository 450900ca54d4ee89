# `make` or `make help` lists what can be made. Only Python 3.11 to 3.13, git and make are needed:
# everything else is installed into .venv/ from requirements.lock, which pins versions and hashes.

PYTHON ?= python3
PORT ?= 5000
NAME ?=

VENV := .venv
READY := $(VENV)/ready
QUIETLY := --quiet --disable-pip-version-check --no-deps
REPORT := results/report/index.html

# DVC runs `python` from PATH.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
# Without compiled modules every stage would compile TensorFlow and MLflow anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help repro test ui dashboard report bench compare preset clean

help: ## List these targets
	@echo "Usage: make TARGET"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) \
		| while IFS='|' read -r target text; do printf '%-12s %s\n' "$$target" "$$text"; done
	@echo "Another Python: make repro PYTHON=python3.12"

repro: $(READY) ## Set up, train what is not up to date, print the table of results
	python -m dvc repro
	@python -m pipeline.stages.summary

test: $(READY) ## Set up, then everything CI runs: ruff, mypy, pytest with a small real pipeline
	python -m ruff check .
	python -m ruff format --check .
	python -m mypy
	python -m pytest

ui: $(READY) ## Open the tracked runs: MLflow at http://127.0.0.1:5000 (other port: PORT=...)
	@echo "MLflow: http://127.0.0.1:$(PORT) (Ctrl-C ends it)"
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false python -m mlflow ui --workers 1 \
		--backend-store-uri "sqlite:///$(CURDIR)/mlruns/mlflow.db" --host 127.0.0.1 --port $(PORT)

dashboard: $(READY) ## Open the studies: Optuna at http://127.0.0.1:8080
	@test -f mlruns/optuna.db || { echo "No study yet: make repro"; exit 1; }
	@python -c 'from optuna_dashboard._cli import main; main()' \
		"sqlite:///$(CURDIR)/mlruns/optuna.db" --host 127.0.0.1 --port 8080

report: ## Open the report, or print where it lies
	@test -f $(REPORT) || { echo "No report yet: make repro"; exit 1; }
	@echo "$(CURDIR)/$(REPORT)"
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then \
		$(PYTHON) -m webbrowser -t "file://$(CURDIR)/$(REPORT)" > /dev/null; fi

bench: $(READY) ## Measure speed and memory against the plain Keras notebook
	python -m benchmarks

compare: $(READY) ## Run one comparison of experiments/compare: make compare NAME=...
	@test -f "experiments/compare/$(NAME).yaml" || { echo "NAME is one of:"; \
		ls experiments/compare | sed -n 's/\.yaml$$//p'; exit 1; }
	python -m pipeline.stages.comparisons
	python -m dvc repro "experiments/dvc.yaml:compare@$(NAME)"

preset: $(READY) ## Run the pipeline with one preset of experiments/presets, as a DVC experiment: NAME=...
	@test -f "experiments/presets/$(NAME).yaml" || { echo "NAME is one of:"; \
		ls experiments/presets | sed -n 's/\.yaml$$//p'; exit 1; }
	python -m pipeline.preset $(NAME) --run

clean: ## Remove what stages wrote and caches of tools; keep .venv, mlruns and DVC's cache
	rm -rf data/raw data/prepared models results .checkpoints
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find pipeline tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "error: $(PYTHON) is missing or not Python 3.11 to 3.13:" \
			"install one, or name it: make PYTHON=python3.12"; exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "error: $(PYTHON) -m venv failed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) (about 3 GB, one to three minutes the first time) ..."
	@python -m pip install $(QUIETLY) --no-compile --require-hashes -r requirements.lock
	@python -m pip install $(QUIETLY) --no-build-isolation -e .
	@python -m compileall -q -j 0 $(VENV)/lib > /dev/null || true # some packages carry templates
	@touch $@
