#!/bin/sh
# make sagemaker-push: builds the images of trainer and engine and pushes them to ECR, with the commit as tag.
# Says the two lines for .env. Tags there are immutable: what was pushed before is not pushed again.
. "$(dirname "$0")/../lib.sh"
cd ..
need_env

region=$(get_env ASSAY_SAGEMAKER_REGION)
role=$(get_env ASSAY_SAGEMAKER_ROLE_ARN)
[ -n "$region" ] && [ -n "$role" ] || fail "set ASSAY_SAGEMAKER_REGION and ASSAY_SAGEMAKER_ROLE_ARN in .env, docs/sagemaker.md"
account=$(printf '%s' "$role" | cut -d : -f 5)
registry=${ASSAY_ECR_ADDRESS:-$account.dkr.ecr.$region.amazonaws.com}
tag=$(git rev-parse --short=12 HEAD 2>/dev/null || date -u +%Y%m%d%H%M%S)

compose build trainer torchserve
password=$(sh deploy/sagemaker/run.sh inference ecr_login.py) || fail "ECR gave no password, see above"
printf '%s' "$password" | docker login --username AWS --password-stdin "$registry" >/dev/null ||
  fail "docker cannot log in at $registry"
for name in trainer engine; do
  local_image=$(get_env ASSAY_IMAGES assay-)$name:$(get_env ASSAY_VERSION local)
  docker build -q --build-arg IMAGE="$local_image" -t "$registry/assay-$name:$tag" - <deploy/sagemaker/Dockerfile
  docker push "$registry/assay-$name:$tag" || fail "$registry/assay-$name:$tag was not pushed, see above"
done
docker logout "$registry" >/dev/null
set_env ASSAY_SAGEMAKER_TRAINING_IMAGE "$registry/assay-trainer:$tag"
set_env ASSAY_SAGEMAKER_ENDPOINT_IMAGE "$registry/assay-engine:$tag"
say "pushed; .env names both images. Next: make sagemaker-check"
