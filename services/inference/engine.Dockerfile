# The stages `python` and `pip` are the same in every image of ours, so they are built and stored once.
FROM debian:bookworm-slim AS python
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends python3.11 ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
 && groupadd --gid 10001 assay \
 && useradd --uid 10001 --gid assay --no-create-home --home-dir /var/lib/assay assay \
 && install -d -o assay -g assay -m 0750 /var/lib/assay \
 && python3.11 -m venv --without-pip /opt/assay
ENV PATH=/opt/assay/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ASSAY_HOST=0.0.0.0 \
    ASSAY_DATA_DIR=/var/lib/assay \
    HOME=/var/lib/assay
WORKDIR /app

FROM debian:bookworm-slim AS pip
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends python3.11 python3-pip \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*

# PyTorch and what goes with it, once for trainer and engine: 5 GB. pip is mounted, not installed: the image
# has no package manager of Python's.
FROM python AS torch
# Empty: PyTorch from PyPI, which runs on CUDA and on the CPU alike. Else the address of a package index with
# CPU builds of the same versions (under 1 GB), of which the lock has no hashes.
ARG TORCH_INDEX=
RUN --mount=type=bind,from=pip,source=/usr/lib/python3/dist-packages,target=/pip \
    --mount=type=bind,source=deploy/install-lock,target=/tmp/install-lock \
    --mount=type=bind,source=shared/requirements-detector.lock,target=/tmp/requirements.lock \
    --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    HOME=/root PYTHONPATH=/pip sh /tmp/install-lock /tmp/requirements.lock "$TORCH_INDEX"
ENV OMP_WAIT_POLICY=PASSIVE \
    MPLCONFIGDIR=/tmp/matplotlib \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM torch
ARG TORCH_INDEX=
RUN --mount=type=bind,from=pip,source=/usr/lib/python3/dist-packages,target=/pip \
    --mount=type=bind,source=deploy/install-lock,target=/tmp/install-lock \
    --mount=type=bind,source=services/inference/requirements-engine.lock,target=/tmp/requirements.lock \
    --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    HOME=/root PYTHONPATH=/pip sh /tmp/install-lock /tmp/requirements.lock "$TORCH_INDEX"
COPY --chmod=755 deploy/http-check deploy/fresh-check services/inference/serve /usr/local/bin/
COPY shared/assay_shared assay_shared
COPY services/inference/assay_engine assay_engine
RUN python -m compileall -q .
USER assay
VOLUME /var/lib/assay
EXPOSE 8080 8082 8005
CMD ["python", "-m", "assay_engine.torchserve"]
ARG VERSION=local
ARG REVISION=unknown
LABEL org.opencontainers.image.title="assay-engine" \
      org.opencontainers.image.description="Assay's engine inside TorchServe: every brand's detector in one process" \
      org.opencontainers.image.licenses="AGPL-3.0-only" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      com.amazonaws.sagemaker.capabilities.multi-models="true" \
      com.amazonaws.sagemaker.capabilities.accept-bind-to-port="true"
