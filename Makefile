# make help lists the targets. Everything fetched lands in $(CACHE), outside
# the checkout; everything built in dist/ and .aws-sam/.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

ROOT  := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/devcontainer-manager
DIST  ?= dist
FUNCTIONS := $(patsubst functions/%/main.go,%,$(wildcard functions/*/main.go))

# How a function and the agent are built, everywhere: by sam build, for the
# checks of the real binaries, and for the benchmarks. The same sources give
# the same bytes. lambda.norpc leaves net/rpc out, which is 5 MB.
REPRODUCIBLE   := -trimpath -buildvcs=false -ldflags '-s -w'
BUILD_FUNCTION := CGO_ENABLED=0 GOOS=linux go build $(REPRODUCIBLE) -tags lambda.norpc
BUILD_AGENT    := CGO_ENABLED=0 GOOS=linux go build $(REPRODUCIBLE)
HOST_ARCH      := $(shell go env GOHOSTARCH 2>/dev/null)

PEBBLE := github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# The Python tools live in a folder named after what they are pinned to.
PYTHON := $(CACHE)/python-$(shell cksum < $(ROOT)/.ci/python/requirements.txt | cut -d' ' -f1)

# need: fails with a clear word if a command is missing.
need = @command -v $(1) >/dev/null || { echo "make $@: needs $(1)$(if $(2), ($(2)))" >&2; exit 1; }

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

##@ Use

.PHONY: run
run: ## the whole system on this machine; PORT=7070, TLS=1 for VMs that speak TLS, DCM_MACHINE=process, guest or vm: what a server is (needs npm once)
	@echo "devcontainer-manager: preparing the local stack"
	@$(MAKE) --no-print-directory web
	@echo "building the local stack (the first time takes a minute)"
	@go build -o $(DIST)/local ./infra/local
	@case "$${DCM_MACHINE:-process}" in \
	guest) DCM_GUEST_DISK=$$(infra/guest/rootfs.sh $(CACHE)); export DCM_GUEST_DISK ;; \
	vm) DCM_GUEST_IMAGE=$$(infra/guest/rootfs.sh $(CACHE) vm); export DCM_GUEST_IMAGE ;; \
	esac; exec $(DIST)/local

.PHONY: web
web: ## fetch xterm.js for the terminal page (needs npm)
	@internal/agent/gateway/web/fetch.sh

##@ Check

# Most tests wait more than they work, for a clock, a child or a socket.
AT_ONCE := -parallel 8

.PHONY: test
test: web functions-host ## every test that needs nothing but Go (under 2 minutes)
	GOGC=200 DCM_FUNCTIONS=$(abspath $(DIST)/functions/$(HOST_ARCH)) go test $(AT_ONCE) ./...

# They make one call after another, thousands of them: there is nothing to find, and
# it takes minutes.
NO_RACES := TestSealedValuesOpenWhereTheyLie|TestNoPollPerVM|TestManyCrashesInARow|TestSweepCostFollowsTheWork

.PHONY: race
race: web functions-host ## the same under the race detector (needs a C compiler)
	DCM_FUNCTIONS=$(abspath $(DIST)/functions/$(HOST_ARCH)) go test -race -timeout 20m $(AT_ONCE) -skip '^($(NO_RACES))$$' ./...

.PHONY: property
property: web ## random operations of three tenants against a model; STEPS=10000 SEED=0 (any)
	DCM_PROPERTY_STEPS=$(or $(STEPS),10000) DCM_PROPERTY_SEED=$(or $(SEED),0) \
		go test -count=1 -timeout 30m -v -run TestTenantsBehaveAsTheModel ./internal/api

.PHONY: fmt
fmt: ## format the Go code
	gofmt -w $$(git ls-files -co --exclude-standard '*.go')

.PHONY: fmt-check
fmt-check: ## fail if some Go code is not formatted
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; fi

.PHONY: vet
vet: ## go vet
	go vet ./...

.PHONY: staticcheck
staticcheck: ## staticcheck, pinned
	go run $(STATICCHECK) ./...

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME each (5s)
	@.ci/fuzz.sh $(or $(FUZZTIME),5s)

.PHONY: lint-template
lint-template: $(PYTHON)/complete ## cfn-lint and sam validate (needs python3)
	$(PYTHON)/bin/cfn-lint --non-zero-exit-code informational template.yaml $(filter-out infra/openapi.yaml,$(wildcard infra/*.yaml))
	SAM_CLI_TELEMETRY=0 $(PYTHON)/bin/sam validate --lint --region eu-central-1
	SAM_CLI_TELEMETRY=0 $(PYTHON)/bin/sam validate --region eu-central-1 --config-env production
	SAM_CLI_TELEMETRY=0 $(PYTHON)/bin/sam validate --lint --region eu-central-1 --template infra/cognito.yaml

.PHONY: conformance
conformance: ## the adapters' suites against DynamoDB Local, moto and versitygw (needs java, mvn, python3)
	$(call need,java,17 or newer)
	$(call need,mvn)
	$(call need,python3)
	@.ci/conformance.sh

.PHONY: functions-check
functions-check: functions-host ## every function's real binary answers its events/
	DCM_FUNCTIONS=$(abspath $(DIST)/functions/$(HOST_ARCH)) go test -count=1 -v -run Events ./internal/local/replay

BROWSER = $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
need_browser = @[ -n "$(BROWSER)" ] || { echo "make $@: needs chromium" >&2; exit 1; }

.PHONY: e2e
e2e: web ## the main job in a browser (needs chromium)
	$(need_browser)
	DCM_TEST_BROWSER=$(BROWSER) go test -count=1 -v -run Browser ./infra/local/...

# A guest needs a network namespace of its own, and everything in it ends with
# the test.
ALONE := unshare --net --mount --pid --fork --kill-child --mount-proc

.PHONY: e2e-guest
e2e-guest: web ## the main job on real Linux guests in systemd-nspawn (needs root and a few Debian packages)
	@[ "$$(id -u)" = 0 ] || { echo "make $@: needs root, to boot guests" >&2; exit 1; }
	$(call need,mmdebstrap)
	$(call need,systemd-nspawn,Debian: systemd-container)
	$(call need,dnsmasq,Debian: dnsmasq-base)
	$(call need,unshare,Debian: util-linux)
	$(call need,nft,Debian: nftables)
	$(call need,zstd)
	@CGO_ENABLED=0 go build $(REPRODUCIBLE) -o $(DIST)/guest/dcm-agent ./cloudinit/agent
	@go test -c -o $(DIST)/guest/guest.test ./infra/guest
	@disk=$$(infra/guest/rootfs.sh $(CACHE)) && \
		export DCM_GUEST_DISK=$$disk DCM_AGENT_BINARY=$(abspath $(DIST)/guest/dcm-agent) && \
		infra/guest/each.sh $(DIST)/guest/guest.test $(or $(GUESTS_AT_ONCE),3) 'TestMachine|TestEngine' '$(ALONE)' && \
		go test -count=1 -v -timeout 4m -run TestGuests ./infra/local

.PHONY: e2e-vm
e2e-vm: web ## the same in a machine of QEMU, with a kernel and Hetzner's own datasource (needs qemu-system-x86_64)
	@[ "$$(id -u)" = 0 ] || { echo "make $@: needs root, to make the disk and its network" >&2; exit 1; }
	$(call need,mmdebstrap)
	$(call need,zstd)
	$(call need,qemu-system-x86_64,Debian: qemu-system-x86)
	$(call need,mke2fs,Debian: e2fsprogs)
	$(call need,dnsmasq,Debian: dnsmasq-base)
	@CGO_ENABLED=0 go build $(REPRODUCIBLE) -o $(DIST)/guest/dcm-agent ./cloudinit/agent
	@image=$$(infra/guest/rootfs.sh $(CACHE) vm) && \
		DCM_GUEST_IMAGE=$$image DCM_AGENT_BINARY=$(abspath $(DIST)/guest/dcm-agent) \
		go test -exec '$(ALONE)' -count=1 -v -timeout 30m -run TestMachine ./infra/guest

.PHONY: e2e-engine
e2e-engine: web $(CACHE)/$(PEBBLE) ## real dev containers on such guests, over HTTPS in a browser (needs what e2e-guest needs, npm, chromium, certutil)
	@[ "$$(id -u)" = 0 ] || { echo "make $@: needs root, to boot guests" >&2; exit 1; }
	$(call need,mmdebstrap)
	$(call need,systemd-nspawn,Debian: systemd-container)
	$(call need,dnsmasq,Debian: dnsmasq-base)
	$(call need,unshare,Debian: util-linux)
	$(call need,zstd)
	$(call need,npm)
	$(call need,certutil,Debian: libnss3-tools)
	$(need_browser)
	@# Guests, and the browser beside them, have no way out.
	@cd internal/agent/gateway/web/check && npm ci --silent --no-audit --no-fund
	@CGO_ENABLED=0 go build $(REPRODUCIBLE) -o $(DIST)/guest/dcm-agent ./cloudinit/agent
	@disk=$$(infra/guest/rootfs.sh $(CACHE) engine) && \
		DCM_GUEST_ENGINE_DISK=$$disk DCM_AGENT_BINARY=$(abspath $(DIST)/guest/dcm-agent) \
		DCM_PEBBLE=$(CACHE)/$(PEBBLE)/pebble DCM_TEST_BROWSER=$(BROWSER) \
		go test -exec '$(ALONE)' -count=1 -v -timeout 8m -parallel 4 -run TestEngine ./infra/guest

.PHONY: crash
crash: web ## rotation, move and deletion killed at every call; create and delete in every order
	DCM_CRASH_STRIDE=1 go test -count=1 -run 'TestAnyStepMayCrash|TestManyCrashes|TestCreateAndDeleteAtOnce' ./internal/api

.PHONY: matrix
matrix: web ## every outside call of every flow disturbed in every way; STRIDE=1, FLOW=regexp
	@table=$$(mktemp); trap 'rm -f "$$table"' EXIT; \
	DCM_MATRIX_STRIDE=$(or $(STRIDE),1) DCM_MATRIX_TABLE=$$table \
		go test -count=1 -timeout 30m -parallel 8 -run 'TestMatrix/$(FLOW)' ./internal/api || failed=1; \
	cat "$$table"; exit $${failed:-0}

LOAD ?= 50,1000,5000,3
.PHONY: load
load: web ## tenants, VMs at once, VMs, minutes under failing services; LOAD=50,1000,5000,3
	DCM_LOAD=$(LOAD) go test -count=1 -timeout 30m -v -run 'TestLoad$$|TestSweepCost' -parallel 1 ./internal/api

.PHONY: acme
acme: web $(CACHE)/$(PEBBLE) ## Pebble, Let's Encrypt's test server, signs a VM's certificate
	DCM_PEBBLE=$(CACHE)/$(PEBBLE)/pebble go test -count=1 -v -run TestPebble ./internal/api ./internal/local

# Outside the module: what it needs is none of ours.
$(CACHE)/$(PEBBLE):
	cd / && GOBIN=$@ GOFLAGS= go install $(PEBBLE)

.PHONY: mutations-look
mutations-look: ## whether every guard that make mutations takes out is still there
	@go run ./.ci/mutations -look

.PHONY: mutations
mutations: web ## takes guards out of a copy of the code, one by one: a named test must notice each
	@go run ./.ci/mutations

.PHONY: bench
bench: functions-host ## start times of the functions; the agent's speed and memory
	go run ./infra/bench -functions $(DIST)/functions/$(HOST_ARCH)
	go run ./internal/agent/backup/bench

.PHONY: check
check: fmt-check vet staticcheck test lint-template functions-check ## what to run before a commit

##@ Build and deploy

.PHONY: build
build: $(PYTHON)/complete agent ## every function for arm64 with sam build, and the agent (needs python3)
	@# Once for all: sam's parallel builds would each compile what they share.
	GOARCH=arm64 $(BUILD_FUNCTION) ./functions/...
	SAM_CLI_TELEMETRY=0 $(PYTHON)/bin/sam build

.PHONY: deploy
deploy: build ## deploy to AWS; PROFILE=default or production (needs aws and credentials)
	$(call need,aws,the AWS command line)
	@.ci/deploy.sh $(PYTHON)/bin/sam $(or $(PROFILE),default) $(SAM_ARGS)

IMAGE := @.ci/image.sh $(or $(PROFILE),default) -architectures $(or $(ARCHITECTURES),amd64) $(if $(FRESH),-fresh)

.PHONY: image image-list image-prune
image: ## a snapshot that servers boot fastest from; ARCHITECTURES=amd64,arm64 FRESH=1 PROFILE=default (needs aws and credentials)
	$(call need,aws,the AWS command line)
	$(IMAGE) build
image-list: ## the images there are (needs aws and credentials)
	$(call need,aws,the AWS command line)
	$(IMAGE) list
image-prune: ## delete what no launch and no server needs, and what a crash left (needs aws and credentials)
	$(call need,aws,the AWS command line)
	$(IMAGE) prune

.PHONY: build-cognito
build-cognito: $(PYTHON)/complete ## the optional user pool of infra/cognito.yaml (needs python3)
	SAM_CLI_TELEMETRY=0 $(PYTHON)/bin/sam build --template infra/cognito.yaml --build-dir .aws-sam/cognito

.PHONY: deploy-cognito
deploy-cognito: build-cognito ## deploy it; PARAMETERS="DomainPrefix=…" STACK=devcontainer-manager-users (needs aws)
	$(call need,aws,the AWS command line)
	SAM_CLI_TELEMETRY=0 $(PYTHON)/bin/sam deploy --template .aws-sam/cognito/template.yaml \
		--stack-name $(or $(STACK),devcontainer-manager-users) --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND \
		--resolve-s3 --no-fail-on-empty-changeset $(if $(PARAMETERS),--parameter-overrides $(PARAMETERS)) $(SAM_ARGS)

.PHONY: agent
agent: $(DIST)/agent/amd64 $(DIST)/agent/arm64 ## the agent for amd64 and arm64

.PHONY: $(DIST)/agent/amd64 $(DIST)/agent/arm64
$(DIST)/agent/amd64 $(DIST)/agent/arm64: web
	@mkdir -p $@
	@GOARCH=$(@F) $(BUILD_AGENT) -o $@/dcm-agent-linux-$(@F) ./cloudinit/agent

.PHONY: functions functions-host
functions: $(FUNCTIONS:%=$(DIST)/functions/arm64/%) ## every function for arm64, without SAM
functions-host: $(FUNCTIONS:%=$(DIST)/functions/$(HOST_ARCH)/%) ## every function for this machine

# Phony, since only go build knows what has changed.
ARM64 := $(FUNCTIONS:%=$(DIST)/functions/arm64/%)
AMD64 := $(FUNCTIONS:%=$(DIST)/functions/amd64/%)
.PHONY: $(ARM64) $(AMD64)
$(ARM64): $(DIST)/functions/arm64/%:
	@GOARCH=arm64 $(BUILD_FUNCTION) -o $@/bootstrap ./functions/$*
$(AMD64): $(DIST)/functions/amd64/%:
	@GOARCH=amd64 $(BUILD_FUNCTION) -o $@/bootstrap ./functions/$*

# sam build calls this per function, by logical id: VmsCreateFunction is
# functions/vms-create.
build-%Function:
	@cd $(ROOT) && GOARCH=arm64 $(BUILD_FUNCTION) -o "$(ARTIFACTS_DIR)/bootstrap" \
		"./functions/$$(awk '{ gsub(/[A-Z]/, "-&"); print substr(tolower($$0), 2) }' <<< '$*')"

# The one function outside functions/: template.yaml does not have it.
.PHONY: build-AuthPreTokenFunction
build-AuthPreTokenFunction:
	@cd $(ROOT) && GOARCH=arm64 $(BUILD_FUNCTION) -o "$(ARTIFACTS_DIR)/bootstrap" ./infra/cognito/auth-pre-token

##@ Clean up

.PHONY: clean
clean: ## remove what was built; what was fetched stays in the cache
	rm -rf $(DIST) .aws-sam internal/agent/gateway/web/assets/*

$(PYTHON)/complete: $(ROOT)/.ci/python/requirements.txt
	$(call need,python3)
	@echo "installing aws-sam-cli and cfn-lint into $(PYTHON) (a minute, once)"
	@rm -rf $(PYTHON)
	@python3 -m venv $(PYTHON) || { echo "make $@: python3 has no venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(PYTHON)/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@
