.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
ARGS   ?=

VENV   := .venv
BIN    := $(VENV)/bin
CLI    := tests/cli/node_modules/.ready
OLD    := tests/cli/old/node_modules/.ready
PEERS  := tests/cli/masking/node_modules/.ready
PYTEST := $(BIN)/python -m pytest
PORTABLE := tests/system tests/supervisor tests/masking/test_run.py
# What some tests need of the system: program:package of Debian.
TOOLS  := ip:iproute2 ssh-agent:openssh-client sshd:openssh-server git:git direnv:direnv zsh:zsh mksh:mksh \
	docker:docker.io kubectl:kubernetes-client dh_bash-completion:bash-completion fish:fish man:man-db groff:groff-base \
	mandoc:mandoc ruby:ruby nix-instantiate:nix-bin cron:cron systemd-analyze:systemd nsenter:util-linux \
	pass:pass age:age secret-tool:libsecret-tools gnome-keyring-daemon:gnome-keyring dbus-run-session:dbus-daemon \
	systemd-creds:systemd podman:podman crun:crun
UV     := uv==0.13.9

# What the caller set for another Python must not reach this one.
unexport PYTHONHOME PYTHONPATH
# The tests stand for a runner of GitHub Actions, which is not in a step itself.
unexport GITHUB_ACTIONS
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.ready $(CLI)  ## Show bwrun at work, against a server that runs here
	@$(BIN)/python -m tests.demo $(ARGS)

dev: $(VENV)/.ready $(CLI)  ## Install all that the other targets need

check: lint types smoke test-pythons test-portable test-long test  ## All that CI runs; the tests come last

lint: $(VENV)/.ready  ## Look for mistakes and untidy code, change nothing
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

format: $(VENV)/.ready  ## Tidy the code
	$(BIN)/python -m ruff check --fix-only .
	$(BIN)/python -m ruff format .

types: $(VENV)/.ready  ## Check the types, of the tests too
	$(BIN)/python -m mypy --platform linux
	$(BIN)/python -m mypy --platform darwin

docs: $(VENV)/.ready $(CLI) tools  ## Check the README and docs/, and run their command lines
	$(PYTEST) -q tests/test_docs.py tests/test_commands.py

test: $(VENV)/.ready $(CLI) tools  ## Run all tests but those of test-long and test-old-cli; ARGS="-k name" chooses
	$(PYTEST) -n 4 --dist worksteal -m "not (old_cli or slow)" $(ARGS)

test-pythons: $(VENV)/.ready tools  ## Run tests without the official CLI on other CPythons, from 3.11 on
	@$(BIN)/python -m tests.pythons $(ARGS)

test-portable: $(VENV)/.ready $(CLI) tools  ## Run tests of supervision, clearing and masking as on other systems than Linux
	$(PYTEST) -n 4 --dist worksteal --portable -m "not (old_cli or slow)" -o cache_dir=.pytest_cache/portable $(PORTABLE) \
		$(ARGS) || [ $$? -eq 5 ]

test-old-cli: $(VENV)/.ready $(CLI) $(OLD)  ## Run the tests with official CLIs of earlier years: 200 MB from npm
	$(PYTEST) -n 2 --dist loadgroup -m old_cli $(ARGS)

test-long: $(VENV)/.ready $(CLI) tools  ## Run the slow tests, and with larger counts the tests that have counts
	$(PYTEST) -n 6 --dist worksteal -m "(long or slow) and not old_cli" --thorough --fuzz 40 $(ARGS)

test-failed: $(VENV)/.ready tools  ## Run again, one at a time, the tests that failed last
	$(PYTEST) -m "not old_cli" --last-failed --last-failed-no-failures none $(ARGS) || [ $$? -eq 5 ]

test-fast: $(VENV)/.ready tools  ## Run the tests that do without the official CLI
	$(PYTEST) -n 4 --dist worksteal -m "not official_cli" $(ARGS)

bench: $(VENV)/.ready $(CLI) $(PEERS)  ## Measure what a run costs, beside what it could cost; ARGS=--quick
	@$(BIN)/python -m tests.bench $(ARGS)

bench-masking: $(VENV)/.ready $(PEERS)  ## Measure masking, beside cat and beside other programs that mask
	@$(BIN)/python -m tests.bench.masking $(ARGS)
	@$(BIN)/python -m tests.bench.finders

bench-libraries: $(VENV)/.ready  ## Measure the libraries that bwrun could have instead
	@$(BIN)/python -m tests.bench.libraries $(ARGS)

fleet: $(VENV)/.ready  ## Simulate a thousand hosts that start at once, and write docs/fleet.md anew; ARGS=--quick
	@$(BIN)/python -m tests.fleet $(ARGS)

completions: $(VENV)/.ready  ## Write the completion scripts and the man page anew
	@$(BIN)/python -m tests.completion

build: $(VENV)/.ready  ## Write the sdist and the wheel to dist/: the same commit gives the same bytes
	@$(BIN)/python -m tests.distribution.building

sbom: $(VENV)/.ready  ## Write the bill of materials to dist/: CycloneDX, from the lock file
	@$(BIN)/python -m tests.distribution.sbom

smoke: $(VENV)/.ready  ## Build the package, install it with pip, pipx and uv, start it
	@$(BIN)/python -m tests.distribution.smoke $(PYTHON) $(UV)

lock:  ## Write the lock files anew; ARGS=--upgrade takes the newest versions
	@set -e; new=$$(mktemp -d); trap 'rm -rf "$$new"' EXIT; \
	$(PYTHON) -m venv "$$new"; \
	"$$new/bin/python" -m pip install --quiet $(UV); \
	export UV_CUSTOM_COMPILE_COMMAND="make lock"; \
	compile() { "$$new/bin/uv" --quiet --no-config pip compile --universal --python-version 3.11 --generate-hashes $(ARGS) "$$@"; }; \
	compile --group dev pyproject.toml --output-file tests/requirements.lock; \
	compile pyproject.toml --constraint tests/requirements.lock --output-file tests/runtime.lock
	set -e; for folder in tests/cli tests/cli/old; do \
		(cd $$folder && npm install --package-lock-only --ignore-scripts --no-audit --no-fund --loglevel=error); done

clean:  ## Remove all that make made
	rm -rf $(VENV) .venv-3.* tests/cli/node_modules tests/cli/old/node_modules tests/cli/masking/node_modules dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find bwrun tests -type d -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.ready: pyproject.toml tests/requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement tests/requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check || { echo "the lock files are older than pyproject.toml: make lock" >&2; exit 1; }
	@touch $@

# Not `npm ci`: it asks for helpers of varlock for other systems, which the registry may not have.
$(PEERS): tests/cli/masking/package-lock.json
	@if command -v npm >/dev/null; then \
		cd tests/cli/masking && npm install --no-save --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error \
		&& touch node_modules/.ready; \
	else \
		echo "npm is missing: masking is measured without its peers"; \
	fi

%/node_modules/.ready: %/package-lock.json
	@if command -v npm >/dev/null; then \
		cd $* && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch node_modules/.ready; \
	elif [ "$$CI" = true ]; then \
		echo "npm is missing: the tests with the official CLI need Node 20 or newer" >&2; exit 1; \
	else \
		echo "npm is missing: the tests with the official CLI will be skipped"; \
	fi

tools:
	@PATH="$$PATH:/usr/sbin:/sbin"; missing=; \
	for tool in $(TOOLS); do command -v "$${tool%:*}" >/dev/null || missing="$$missing $${tool#*:}"; done; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$CI" = true ] && [ "$$(id -u)" = 0 ]; then \
		apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends $$missing; \
	else \
		echo "not installed, so some tests will be skipped (packages of Debian):$$missing"; \
	fi

.PHONY: help demo dev check lint format types docs test test-pythons test-portable test-old-cli test-long test-failed test-fast
.PHONY: tools bench bench-masking bench-libraries fleet completions build sbom smoke lock clean
