# What one types: `make local-run` and `make test`; `make contract` asks for more tools. The rest is a part of these.

SHELL := /bin/bash
CARGO ?= cargo
# Where `make local-run` keeps its data, unless DATABASE_URL says otherwise.
DATA ?= data
TARGET := $(or $(CARGO_TARGET_DIR),target)
BIN := $(TARGET)/release/context-service

.PHONY: help local-run build test tools check-format lint docs unit contract

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

build:  ## the binary, optimised
	$(CARGO) build --release --locked --package context-cli

local-run: build  ## build, prepare a data folder with the tenant `default`, serve on 127.0.0.1:8000
	@echo
	@echo "Try next, in another terminal:"
	@echo "  curl -s http://127.0.0.1:8000/v1/tenants/default/tree"
	@echo "  curl -s -X PUT http://127.0.0.1:8000/v1/tenants/default/tree/web/main/42 \\"
	@echo "       -H 'Content-Type: application/json' -d '{\"context_data\": {\"priority\": \"high\"}}'"
	@echo "  curl -s 'http://127.0.0.1:8000/v1/tenants/default/tree/web/main/42?view=resolved&explain=true'"
	@echo "The README has a tour of five minutes; http://127.0.0.1:8000/docs has the whole API."
	@echo
	DATABASE_URL="$${DATABASE_URL:-sqlite:$(DATA)}" $(BIN) serve --listen "$${LISTEN_ADDR:-127.0.0.1:8000}"

test: tools check-format lint docs unit  ## everything that must hold

# The README's tour is run by a test, and its commands use curl.
tools:
	@command -v curl > /dev/null || { command -v apt-get > /dev/null && apt-get update -qq && apt-get install -y -qq curl; } \
		|| { echo "the tests need curl: install it" >&2; exit 1; }

check-format:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked --document-private-items

unit:
	$(CARGO) test --workspace --locked

contract:  ## lint the OpenAPI document and try a server out against it; needs Node, Python and their registries
	$(CARGO) build --locked --package context-cli
	contract/run $(TARGET)/debug/context-service $(TARGET)/contract
