#!/usr/bin/env bash
# Called by make image: .ci/image.sh PROFILE [flags] build|list|prune
#
# Gives infra/image what it needs of the deployed stack: the installation's name,
# Hetzner's token, the agent's address and checksum, and AWS's credentials.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=$1
shift

aws sts get-caller-identity >/dev/null || { echo "make image: no AWS credentials (aws configure)" >&2; exit 1; }
stack=$(sed -n "/^\[$profile.global.parameters\]/,/^\[/s/^stack_name = \"\(.*\)\"/\1/p" samconfig.toml)
[ -n "$stack" ] || { echo "make image: samconfig.toml has no profile $profile" >&2; exit 1; }

describe() { aws cloudformation describe-stacks --stack-name "$stack" --output text --query "$1"; }
parameters=$(describe 'Stacks[0].Parameters[].[ParameterKey,ParameterValue]') ||
  { echo "make image: there is no stack $stack (make deploy)" >&2; exit 1; }
parameter() { awk -F '\t' -v key="$1" '$1 == key { print $2 }' <<<"$parameters"; }
bucket=$(describe "Stacks[0].Outputs[?OutputKey=='BucketName'].OutputValue")

# agent ARCHITECTURE SUFFIX: presigned for as long as an image takes to make.
agent() {
  export "AGENT_SHA256_$2=$(parameter "AgentSha256$1")"
  export "AGENT_URL_$2=$(aws s3 presign --expires-in 7200 "s3://$bucket/$(parameter AgentKeyPrefix)dcm-agent-linux-${1,,}")"
}
agent Amd64 AMD64
agent Arm64 ARM64

INSTALLATION=$(parameter Installation)
SERVER_IMAGE=$(parameter ServerImage)
BASE_IMAGE=$(parameter DefaultImage)
HCLOUD_SSH_KEY_ID=$(parameter HcloudSshKeyId)
HCLOUD_TOKEN=$(aws ssm get-parameter --with-decryption --name "$(parameter HcloudTokenParameter)" --query Parameter.Value --output text)
AWS_REGION=${AWS_REGION:-$(aws configure get region)}
credentials=$(aws configure export-credentials --format env)
eval "$credentials"
export INSTALLATION SERVER_IMAGE BASE_IMAGE HCLOUD_SSH_KEY_ID HCLOUD_TOKEN AWS_REGION
exec go run ./infra/image "$@"
