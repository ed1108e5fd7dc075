# The two commands: `make run` starts a session in the simulator, `make test` runs every check.
# Heavy parts: `make install EXTRAS="voice robot"` (voice, robot, gpu, train, study, dev).

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
EXTRAS ?=
comma  := ,
space  := $(subst ,, )

.PHONY: run test install clean

run: $(VENV)/.base
	@$(BIN)/python -m agent.run --sim $(ARGS)

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto

install: $(VENV)/.base
	$(if $(strip $(EXTRAS)),$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[$(subst $(space),$(comma),$(strip $(EXTRAS)))]",@echo 'name what to add: make install EXTRAS="voice robot"')

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Fabula needs Python 3.11 or newer; name one with: make run PYTHON=python3.11" >&2; exit 3; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv is missing; on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 3; }

$(VENV)/.base: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing Fabula into $(VENV) (once, about 250 MB) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
