#!/bin/sh
# make sagemaker-check: looks at both halves, whatever the first says.
cd "$(dirname "$0")/../.." || exit 1
status=0
sh deploy/sagemaker/run.sh trainer check.py training || status=1
sh deploy/sagemaker/run.sh inference check.py endpoint || status=1
exit $status
