#!/usr/bin/env bash
# Called by make deploy: .ci/deploy.sh SAM PROFILE [sam deploy's arguments]
#
# The agent's binaries go into the stack's bucket under a prefix made of their
# own checksums, so a version once deployed stays as it is. The first
# deployment makes the bucket; later ones upload before the functions change,
# so that no server is ever told of an agent that isn't there.
set -euo pipefail
cd "$(dirname "$0")/.."
sam=$1 profile=$2
shift 2
export SAM_CLI_TELEMETRY=0

aws sts get-caller-identity >/dev/null || { echo "make deploy: no AWS credentials (aws configure)" >&2; exit 1; }

amd64=$(sha256sum dist/agent/amd64/dcm-agent-linux-amd64 | cut -d' ' -f1)
arm64=$(sha256sum dist/agent/arm64/dcm-agent-linux-arm64 | cut -d' ' -f1)
prefix=agent/${amd64:0:12}-${arm64:0:12}/
stack=$(sed -n "/^\[$profile.global.parameters\]/,/^\[/s/^stack_name = \"\(.*\)\"/\1/p" samconfig.toml)
[ -n "$stack" ] || { echo "make deploy: samconfig.toml has no profile $profile" >&2; exit 1; }

bucket() {
  aws cloudformation describe-stacks --stack-name "$stack" \
    --query "Stacks[0].Outputs[?OutputKey=='BucketName'].OutputValue" --output text 2>/dev/null
}
upload() {
  for arch in amd64 arm64; do
    aws s3 cp --only-show-errors "dist/agent/$arch/dcm-agent-linux-$arch" "s3://$1/${prefix}dcm-agent-linux-$arch"
  done
}
# The profile's own overrides, as sam reads them, with the agent's on top: a
# command line's --parameter-overrides replaces the file's list.
overrides=()
while IFS= read -r line; do overrides+=("$line"); done < <("$(dirname "$sam")/python" - "$profile" <<'PYTHON'
import sys, tomlkit
with open("samconfig.toml") as f:
    config = tomlkit.load(f)
print(*config[sys.argv[1]]["deploy"]["parameters"]["parameter_overrides"], sep="\n")
PYTHON
)
overrides+=("AgentKeyPrefix=$prefix" "AgentSha256Amd64=$amd64" "AgentSha256Arm64=$arm64")
# Given on the command line as PARAMETERS="BaseDomain=example.com JwtIssuer=…".
read -ra given <<<"${PARAMETERS:-}"

before=$(bucket || true)
[ -z "$before" ] || upload "$before"
"$sam" deploy --config-env "$profile" --stack-name "$stack" --parameter-overrides "${overrides[@]}" "${given[@]}" "$@"
after=$(bucket)
[ "$before" = "$after" ] || upload "$after"
aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].Outputs[].[OutputKey,OutputValue]' --output table
