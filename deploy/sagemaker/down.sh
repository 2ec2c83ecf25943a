#!/bin/sh
# make sagemaker-down: endpoint and training jobs; what one half says does not keep the other running.
cd "$(dirname "$0")/../.." || exit 1
status=0
sh deploy/sagemaker/run.sh inference -m assay_inference.sagemaker_endpoint down || status=1
sh deploy/sagemaker/run.sh inference down.py || status=1
[ $status = 0 ] || echo "assay: something may be left that costs, see above; run make sagemaker-down again" >&2
exit $status
