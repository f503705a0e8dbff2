# ImageRetrieval.  `make run`: try it on real pictures.  `make test`: check everything.  `make help`: the rest.
PYTHON ?= python3
IMAGES ?= .samples/skimage/data
PIP = .venv/bin/python -m pip --disable-pip-version-check --quiet
QUICK = not slow and not model
SAMPLES = scikit-image==0.26.0

.PHONY: help setup run torch serve stop test quick bench evaluate clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 10

setup: .venv/.serve .samples/.done  ## set up .venv, the model and sample pictures in this folder
	@.venv/bin/python scripts/fetch_model.py

run: setup  ## index IMAGES=folder (samples by default), start the service, find an edited copy
	@.venv/bin/python scripts/demo.py "$(IMAGES)"

torch: setup .venv/.torch  ## add PyTorch, for extractor.name: resnet and for export to ONNX

serve: setup  ## serve in the foreground until Ctrl-C
	.venv/bin/python app.py

stop:  ## stop what `make run` started
	@.venv/bin/python scripts/demo.py --stop

test: setup .venv/.dev  ## lint, type-check, run every test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy app.py extractor index_store retrieval scripts test_script evaluation cleaning checking client integrations reports
	.venv/bin/python -m pytest -n 2 -m "$(QUICK)"
	.venv/bin/python -m pytest -n 2 --dist loadscope -m "not ($(QUICK))"
	.venv/bin/python -m pytest -n 2 -m "not model and not any_extractor and not slow" --extractor resnet tests/service

quick: .venv/.dev  ## the tests that take no model and no patience
	.venv/bin/python -m pytest -n 2 -m "$(QUICK)"

bench: setup .venv/.benchmark  ## measure this machine: service, bulk indexing and index, beside others; half an hour
	.venv/bin/python scripts/benchmark.py "$(IMAGES)" --json run/benchmark.json --plots run/benchmark

evaluate: setup .venv/.evaluate  ## measure how well edited copies of IMAGES=folder are found; report in run/evaluation
	.venv/bin/python scripts/evaluate.py "$(IMAGES)"

clean:  ## remove what setup made; data/ stays
	rm -rf .venv .models .samples .peers .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed; say which: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.serve: .venv/.made requirements-serve.txt
	@echo "installing what serving needs into .venv (about 600 MB on disk) ..."
	@$(PIP) install -r requirements-serve.txt
	@touch $@

.venv/.torch: .venv/.serve requirements.txt
	@echo "installing PyTorch into .venv (about 6 GB on disk, some minutes) ..."
	@$(PIP) install -r requirements.txt
	@touch $@

.venv/.evaluate: .venv/.serve requirements-evaluate.txt
	@echo "installing baselines and charts into .venv ..."
	@$(PIP) install -r requirements-evaluate.txt
	@touch $@

.venv/.benchmark: .venv/.evaluate requirements-benchmark.txt
	@echo "installing what is compared with into .venv ..."
	@$(PIP) install -r requirements-benchmark.txt
	@touch $@

.venv/.dev: .venv/.torch .venv/.benchmark requirements-scrapy.txt requirements-dev.txt
	@echo "installing linter, type checker and test runner into .venv ..."
	@$(PIP) install -r requirements-dev.txt
	@touch $@

# The wheel is taken for its free photographs alone, so any Python's build of it will do.
.samples/.done: .venv/.serve
	@echo "fetching free sample pictures into .samples ..."
	@$(PIP) install --target .samples --upgrade --no-deps --no-compile --ignore-requires-python --only-binary=:all: $(SAMPLES)
	@rm -f .samples/skimage/data/multipage*.tif  # made to test readers of TIFF; no photographs
	@touch $@
