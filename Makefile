# The main targets are `make local-run` and `make test`; `make contract` needs more tools. The others are parts of these.

SHELL := /bin/bash
CARGO ?= cargo
# The folder of the data of `make local-run`, unless DATABASE_URL or one of DB_HOST, DB_PORT, DB_NAME, DB_USER and
# DB_PASSWORD is set.
DATA ?= data
TARGET := $(or $(CARGO_TARGET_DIR),target)
BIN := $(TARGET)/release/context-service

.PHONY: help local-run build test tools check-format lint docs unit soak test-pg14 test-pg18 bench contract

help:  ## this list
	@grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 24

build:  ## the binary, optimised
	$(CARGO) build --release --locked --package context-cli

local-run: build  ## build, check the store, create what is missing (the tenant `default`), serve on 127.0.0.1:8000
	@echo
	@echo "Try next, in another terminal:"
	@echo "  curl -s http://127.0.0.1:8000/v1/tenants/default/tree"
	@echo "  curl -s -X PUT http://127.0.0.1:8000/v1/tenants/default/tree/web/main/42 \\"
	@echo "       -H 'Content-Type: application/json' -d '{\"context_data\": {\"priority\": \"high\"}}'"
	@echo "  curl -s 'http://127.0.0.1:8000/v1/tenants/default/tree/web/main/42?view=resolved&explain=true'"
	@echo "The README has a tour of five minutes; http://127.0.0.1:8000/docs has the whole API."
	@echo
	@[ -n "$$DATABASE_URL$$DB_HOST$$DB_PORT$$DB_NAME$$DB_USER$$DB_PASSWORD" ] || export DATABASE_URL="sqlite:$(DATA)"; \
		$(BIN) bootstrap --health-check || $(BIN) bootstrap || exit; \
		exec $(BIN) serve --listen "$${LISTEN_ADDR:-127.0.0.1:8000}"

test: tools check-format lint docs unit  ## everything that must pass

# Installs what is missing, with the system's package manager: curl, a PostgreSQL server, PgBouncer.
tools:
	@crates/testing/tools

check-format:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked --document-private-items

unit:
	$(CARGO) test --workspace --locked

# Each size can be set: `make soak POOLER_REQUESTS=1000000`.
soak: export POOLER_REQUESTS ?= 100000
soak: export KILL_ROUNDS ?= 50
soak: export MEMORY_TENANTS ?= 1000
soak: export STORE_SECONDS ?= 60
soak: export STORE_KILLS ?= 200
soak: export STORE_SEARCHES ?= 200
soak: export MODEL_SEEDS ?= 100
soak: export MODEL_STEPS ?= 1000
soak: export CREDENTIAL_REQUESTS ?= 20000
soak: tools  ## the long forms of the tests: poolers, kills, memory, many processes, random operations
	$(CARGO) test --no-fail-fast --locked -p context-store -p context-server -- --nocapture

test-pg14 test-pg18: test-pg%: tools  ## the tests of stores and command line on PostgreSQL 14, 18; needs npm, Python for 18
	crates/testing/with-postgresql $* $(TARGET)/postgresql-$* $(CARGO) test --no-fail-fast --locked \
		-p context-testing -p context-store -p context-fleet -p context-cli

# Sizes: BENCH_ROUNDS, BENCH_SECONDS, BENCH_TENANTS; one part alone: `make bench BENCH_ONLY="--only resolve"`.
bench: tools  ## measure the service and its peers; needs wrk, Python and its registry, and an idle machine
	@command -v wrk > /dev/null || { echo "make bench needs wrk: install it (apt-get install wrk, brew install wrk)" >&2; exit 1; }
	$(CARGO) build --release --locked --package context-cli --package bench-constant --package bench-floor
	@[ -x $(TARGET)/bench-python/bin/python ] || python3 -m venv $(TARGET)/bench-python
	@$(TARGET)/bench-python/bin/pip install --quiet "sqlalchemy==2.1.9" "psycopg[binary]==3.3.9"
	$(TARGET)/bench-python/bin/python -B bench/run --binaries $(TARGET)/release $(BENCH_ONLY)

contract:  ## lint the OpenAPI document and test a server against it; needs Node, Python and their registries
	$(CARGO) build --locked --package context-cli
	contract/run $(TARGET)/debug/context-service $(TARGET)/contract
