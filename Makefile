# The commands of the project; `make help` lists them.
VENV ?= .venv
PYTHON ?= python3
PHOTO ?= data/dandelions.jpg
RECIPE ?= natural-dreams
PHOTOS ?= $(DEEPDREAM_PHOTOS)/natural_images
DREAMS ?= $(or $(DEEPDREAM_DREAMS),$(HOME)/.cache/deepdream_nb)
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help dream natural-dreams test coverage sync course lab panels notebooks readme docs slides bench clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

# Each set-up step leaves a stamp, so that it runs once and again when the requirements change.
$(VENV)/ready: settings.ini setup.py
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 10) <= sys.version_info < (3, 14) else "deepdream_nb needs Python 3.10 to 3.13, and $(PYTHON) is %d.%d; name another one: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@test -x $(BIN)/python || { echo "Making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing the package (TensorFlow is large; some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# Extras: `dev` is what tests and notebooks need.
$(VENV)/ready-%: $(VENV)/ready
	@echo "Installing the extra '$*'"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

dream: $(VENV)/ready ## Dream on a picture, into a new file each time: make dream PHOTO=my.jpg RECIPE=heads
	@$(BIN)/deepdream dream '$(PHOTO)' $(if $(filter-out file,$(origin RECIPE)),--recipe '$(RECIPE)')
	@echo "Your own photo:  make dream PHOTO=my.jpg   or another recipe:  make dream RECIPE=jungle   ($(BIN)/deepdream recipe --list)"

natural-dreams: $(VENV)/ready ## Make Data set 3, or go on with it: PHOTOS=folder LIMIT=300; RECIPE=terriers dreams with SqueezeNet
	@test -d '$(PHOTOS)' || { echo "There is no folder $(PHOTOS); name the one with the photos: make natural-dreams PHOTOS=natural_images"; exit 1; }
	@TF_ENABLE_ONEDNN_OPTS=1 $(BIN)/deepdream dataset '$(PHOTOS)' '$(DREAMS)/$(RECIPE)' --recipe '$(RECIPE)' --as-stored --dtype auto $(if $(LIMIT),--limit $(LIMIT))

# Workers with a thread each are faster than such as share all processors; a third one fills their gaps.
test: export TF_NUM_INTRAOP_THREADS = 1
test: export OMP_NUM_THREADS = 1
test: $(VENV)/ready-dev sync ## Check that notebooks and package agree, and run all tests
	$(BIN)/python tools/notebooks.py 3
	$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder tests
	@$(BIN)/python tools/skipped.py

FOLDERS = nbs nbs/workshop nbs/apps nbs/solutions
STATE = cat $(FOLDERS:=/*.ipynb) deepdream_nb/*.py deepdream_nb/*/*.py README.md | cksum

sync: $(VENV)/ready-dev ## Export the package from the notebooks, and README.md
	@before=$$($(STATE)); $(BIN)/nbdev_export; $(BIN)/nbdev_clean; $(MAKE) --no-print-directory readme; \
	if [ "$$before" != "$$($(STATE))" ]; then \
		echo "Notebooks, package and README did not agree; they do now. Look at git diff, and commit."; exit 1; fi
	@echo "Notebooks, package and README agree."

FOLDER ?= my-course

course: $(VENV)/ready-dev ## Copy the lessons to a folder of your own, or bring it up to date: FOLDER=my-course
	@$(BIN)/python tools/course.py '$(FOLDER)'

lab: $(VENV)/ready-dev ## Open the course in JupyterLab: the copy that make course made, or else the notebooks themselves
	@if test -f '$(FOLDER)/nbs/index.ipynb'; then cd '$(FOLDER)'; \
	else echo "These are the course's own notebooks. To work in a copy of yours, which an update leaves alone: make course"; fi; \
	exec '$(abspath $(BIN))/jupyter' lab --notebook-dir . --LabApp.default_url=/lab/tree/nbs/index.ipynb

EXECUTE = TQDM_DISABLE=1 DEEPDREAM_RUN_ALL=1 $(BIN)/jupyter nbconvert --log-level WARN --to notebook --execute --inplace \
	--ExecutePreprocessor.store_widget_state=False --ExecutePreprocessor.timeout=-1
NOTEBOOKS ?= $(foreach folder,$(FOLDERS),$(sort $(wildcard $(folder)/*.ipynb)))

notebooks: $(VENV)/ready-dev ## Execute every notebook and keep its pictures (NOTEBOOKS=nbs/04_ascent.ipynb for one)
	@for notebook in $(NOTEBOOKS); do echo "$$notebook"; $(EXECUTE) $$notebook || exit 1; done
	@$(BIN)/nbdev_clean
	@$(MAKE) --no-print-directory readme

readme: # README.md from index.ipynb as it was executed
	@rm -f data/readme/*
	@$(BIN)/jupyter nbconvert --log-level ERROR nbs/index.ipynb --to markdown --output-dir . --output README \
		--NbConvertApp.output_files_dir=data/readme --RegexRemovePreprocessor.patterns='^#\|\s*hide'
	@awk '/^```/ { if (!inside && $$0 == "```") $$0 = "```python"; inside = !inside } { print }' README.md \
		| sed -E 's#\]\((([a-z]+/)?[0-9a-z_]+\.ipynb[^)]*)\)#](nbs/\1)#g; s#\]\(\.\./#](#g; s/ +$$//' | cat -s > README.part && mv README.part README.md

docs: $(VENV)/ready-dev $(VENV)/ready-docs ## Build the site of lessons and reference in _docs; a broken link or a missing picture fails it
	@$(BIN)/python docs/pages.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "The site is in _docs. To read it: $(BIN)/python -m http.server --directory _docs 8000   and http://localhost:8000"

NOTEBOOK ?= nbs/$(or $(LESSON),00_first_dream).ipynb

slides: $(VENV)/ready-dev $(VENV)/ready-docs ## A lesson as slides, in one file for the browser: LESSON=04_ascent
	@$(BIN)/python tools/slides.py '$(NOTEBOOK)' '_proc/slides/$(notdir $(basename $(NOTEBOOK))).html'

# Named in full, since the notebooks run in a folder of their own.
COVERAGE = COVERAGE_FILE='$(CURDIR)/_coverage/data' COVERAGE_RCFILE='$(CURDIR)/.coveragerc' $(BIN)/coverage

coverage: $(VENV)/ready-dev ## Which lines of the package no notebook and no test runs
	@rm -rf _coverage && mkdir _coverage
	find nbs -name '*.ipynb' -not -path '*/.*' | sort | xargs -P 3 -n 1 env $(COVERAGE) run $(BIN)/nbdev_test --n_workers 0 --path
	$(COVERAGE) run -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder tests
	@$(COVERAGE) combine --quiet && $(COVERAGE) report

panels: $(VENV)/ready $(VENV)/ready-panels ## Dream with the mouse: the panels as a page in the browser
	@$(BIN)/deepdream panels

bench: $(VENV)/ready-dev ## Measure speed on this machine (21_benchmarks)
	@$(MAKE) --no-print-directory notebooks NOTEBOOKS=nbs/21_benchmarks.ipynb

clean: ## Remove what can be made again, the environment too
	rm -rf $(VENV) build dist *.egg-info _proc _docs _coverage .pytest_cache .hypothesis
