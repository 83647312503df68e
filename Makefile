# `make dev` runs the bank. `make test` runs all tests.
PYTHON ?= python3
BIN = .venv/bin
STAMP = .venv/.installed
GRAPHIQL = schema/graphiql
CONSOLE = schema/console
CLIENT = clients/typescript
BANK_WEB = examples/bank-web
PARALLEL = --numprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: dev bank-web load test test-fast test-minute fuzz mutants faults lint docs settings format graphiql console clean

dev: $(STAMP) graphiql console
	$(BIN)/commander dev

# The page of a customer of the bank, on localhost:5173. It needs npm, and `make dev` in another terminal.
bank-web: $(STAMP)
	cd $(CLIENT) && npm ci --silent --no-audit --no-fund && npm run --silent build
	$(BIN)/commander client typescript --domain commander.examples.bank:bank --out $(BANK_WEB)/src/commander
	cd $(BANK_WEB) && npm ci --silent --no-audit --no-fund && npm run dev

# The whole system under load, with a processor that is killed, for some five minutes: it writes load/report.html.
# ARGS are other options: make load ARGS=--help
load: .venv/.load
	$(BIN)/python -m bench.whole $(or $(ARGS),--kill processor@20s)

.venv/.load: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[load]'
	touch $@

# There are more test processes than cores, because most tests wait for servers. Bytecode is always written, because
# the tests start some hundred processes and each would compile it again. ARGS selects tests: make test ARGS=tests/schema
test: export PYTHONDONTWRITEBYTECODE =
test: $(STAMP) graphiql console
ifdef ARGS
	$(BIN)/pytest $(ARGS)
else
	$(BIN)/pytest $(PARALLEL)
endif

# test-fast takes about ten seconds and needs no server. test-minute takes about a minute.
FAST = tests/domain tests/test_architecture.py tests/test_docs.py
test-fast: $(STAMP)
	$(BIN)/pytest $(FAST) tests/resolvers/test_cursors.py

test-minute: $(STAMP) graphiql
	$(BIN)/pytest $(FAST) tests/resolvers tests/schema

# Each part, stopped or cut off from a server, for half an hour; and a client through fifty kills, for two minutes. Needs
# root and network namespaces.
faults: $(STAMP) graphiql
	$(BIN)/pytest -s tests/faults/matrix.py tests/faults/fifty_kills.py $(ARGS)

# A million random rules, viewers and rows; the suite has a tenth of them. And a million commands under rules across
# streams, while their processors are killed and stopped; the suite has some thousand.
fuzz: $(STAMP)
	COMMANDER_FUZZ_RIGHTS=1000000 $(BIN)/pytest tests/domain/test_rights_property.py
	COMMANDER_FUZZ_ACROSS=1000000 $(BIN)/pytest tests/faults/test_across.py

# Each check of the rights is removed once, and a test must fail. It takes some ten minutes. NAMES selects some.
mutants: $(STAMP) graphiql
	$(BIN)/python -m tests.rights_mutants $(NAMES)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(MAKE) --no-print-directory docs

# Builds the site into site/. The variable silences a notice about the future of MkDocs, not about these pages.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

settings: $(STAMP)
	$(BIN)/python docs/make_settings.py

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(STAMP): pyproject.toml constraints.txt
	@test -d commander/schema || { echo "commander/schema must be a symbolic link: clone the repository again with git clone -c core.symlinks=true"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs,embedded,test]'
	touch $@

# npm builds GraphiQL's files. Without npm the page loads them from a CDN.
graphiql: $(GRAPHIQL)/dist/.built

$(GRAPHIQL)/dist/.built: $(wildcard $(GRAPHIQL)/package*.json $(GRAPHIQL)/src/*)
	@if command -v npm >/dev/null; then \
		cd $(GRAPHIQL) && npm ci --silent --no-audit --no-fund && npm run --silent build && touch dist/.built; \
	else echo "npm is not installed: GraphiQL loads its files from a CDN"; fi

# npm builds the console, with the source of the TypeScript client. Without npm its page says how to build it.
console: $(CONSOLE)/dist/.built

CONSOLE_FILES = $(wildcard $(CONSOLE)/*.js* $(CONSOLE)/src/* $(CONSOLE)/src/*/* $(CONSOLE)/src/*/*/* $(CLIENT)/src/*)
$(CONSOLE)/dist/.built: $(CONSOLE_FILES)
	@if command -v npm >/dev/null; then \
		cd $(CONSOLE) && npm ci --silent --no-audit --no-fund && npm run --silent build && touch dist/.built; \
	else echo "npm is not installed: the console is not built"; fi

clean:
	rm -rf .venv .commander site $(GRAPHIQL)/dist $(GRAPHIQL)/node_modules $(CONSOLE)/dist $(CONSOLE)/node_modules $(CLIENT)/dist $(CLIENT)/node_modules $(BANK_WEB)/dist $(BANK_WEB)/node_modules
