# Three images, chosen by --target: gpu (the default), cpu, and light (no torch, no vLLM: endpoints, judging, reports).
#   docker build -t mtbench-ko .
#   docker build -t mtbench-ko:light --target light .
# Behind a TLS proxy, add --secret id=ca,src=ca-bundle.pem: trusted while building, and in no layer.
ARG BASE_IMAGE=vllm/vllm-openai:v0.32.0
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS tools
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements/build.txt /build/requirements.txt
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt,required=false \
    python3 -m venv /build/venv && /build/venv/bin/pip install --no-deps -r /build/requirements.txt \
    && python3 -m venv --without-pip /opt/mtbench-ko

FROM tools AS wheel
COPY . /build/src
RUN /build/venv/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /build/dist /build/src

# Tests of the packages and Ray's Java, RLlib and web pages are left out: 150 MB that a container never reads.
FROM tools AS light-packages
COPY requirements/light.txt /build/requirements.txt
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt,required=false \
    /build/venv/bin/pip --python /opt/mtbench-ko/bin/python install --no-deps -r /build/requirements.txt \
    && site=$(echo /opt/mtbench-ko/lib/python3*/site-packages) && rm -r "$site/ray/jars" "$site/ray/rllib" "$site/ray/dashboard/client" \
    && find "$site/pandas" "$site/scipy" "$site/matplotlib" -type d -name tests -prune -exec rm -r {} +
COPY --from=wheel /build/dist /build/dist
RUN /build/venv/bin/pip --python /opt/mtbench-ko/bin/python install --no-deps --no-index /build/dist/*.whl

# PyTorch's builds without CUDA are not on PyPI: its own index is asked only when no other one has them.
FROM tools AS cpu-packages
ARG TORCH=torch==2.13.0+cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements/cpu.txt /build/requirements.txt
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt,required=false \
    pip="/build/venv/bin/pip --python /opt/mtbench-ko/bin/python install --no-deps"; \
    { $pip "${TORCH}" || $pip --index-url "${TORCH_INDEX}" "${TORCH}"; } && $pip -r /build/requirements.txt
COPY --from=wheel /build/dist /build/dist
RUN /build/venv/bin/pip --python /opt/mtbench-ko/bin/python install --no-deps --no-index /build/dist/*.whl

# vLLM, torch and CUDA stay those of the base image; what is ours lies over them in an environment of its own.
FROM ${BASE_IMAGE} AS gpu-packages
# hadolint ignore=DL3002
USER 0
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements/gpu.txt /tmp/requirements.txt
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt,required=false \
    python3 -m venv --without-pip --system-site-packages /opt/mtbench-ko \
    && python3 -m pip --python /opt/mtbench-ko/bin/python install --no-deps -r /tmp/requirements.txt
COPY --from=wheel /build/dist /tmp/dist
RUN python3 -m pip --python /opt/mtbench-ko/bin/python install --no-deps --no-index /tmp/dist/*.whl

# The root file system may be read-only: what must be writable is /tmp, $HOME (caches) and the output.
FROM ${PYTHON_IMAGE} AS slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="mtbench-ko" \
      org.opencontainers.image.description="MT-Bench for Korean language models as a resumable batch job" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/mtbench-ko/bin:${PATH} HOME=/cache USER=mtbench HF_HOME=/cache/huggingface PYTHONUNBUFFERED=1
RUN mkdir -m 0775 /cache /work && chown 10001:0 /cache /work
WORKDIR /work
USER 10001:10001
ENTRYPOINT ["mtbench-ko"]

FROM slim AS light
COPY --from=light-packages /opt/mtbench-ko /opt/mtbench-ko

FROM slim AS cpu
USER 0
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends libnuma1 && rm -rf /var/lib/apt/lists/*
COPY --from=cpu-packages /opt/mtbench-ko /opt/mtbench-ko
USER 10001:10001

FROM ${BASE_IMAGE} AS gpu
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="mtbench-ko" \
      org.opencontainers.image.description="MT-Bench for Korean language models as a resumable batch job" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/mtbench-ko/bin:${PATH} HOME=/cache USER=mtbench HF_HOME=/cache/huggingface PYTHONUNBUFFERED=1
USER 0
RUN mkdir -m 0775 /cache /work && chown 10001:0 /cache /work
COPY --from=gpu-packages /opt/mtbench-ko /opt/mtbench-ko
WORKDIR /work
USER 10001:10001
ENTRYPOINT ["mtbench-ko"]
