# One image for all processes: `docker build -t liqheat:0.1.0 .`, then `docker run liqheat:0.1.0 estimator`.
# Every package comes from requirements.lock by its hash; nothing of the tests is in it. Only the estimator's inner loops
# are compiled, for any processor of the architecture (docs/adr/0006-compiled-kernels.md).

FROM node:24-bookworm-slim AS page
WORKDIR /src/services/api/web
COPY services/api/web/package.json services/api/web/package-lock.json services/api/web/.npmrc ./
RUN npm ci --loglevel=error
COPY services/api/web/ ./
RUN npm run -s build

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY deploy/image_requirements.py deploy/
RUN python deploy/image_requirements.py --extra services > /tmp/services.txt \
    && python deploy/image_requirements.py --package hatchling > /tmp/build.txt \
    && python -m venv /tmp/builder \
    && /tmp/builder/bin/pip install -q --require-hashes --only-binary :all: -r /tmp/build.txt \
    && python -m venv /opt/liqheat \
    && /opt/liqheat/bin/pip install -q --require-hashes --only-binary :all: -r /tmp/services.txt
COPY shared/ shared/
COPY services/ services/
COPY --from=page /src/services/api/liqheat_api/static/ services/api/liqheat_api/static/
RUN /tmp/builder/bin/pip wheel -q --no-deps --no-build-isolation --wheel-dir /tmp/wheels . \
    && /opt/liqheat/bin/pip install -q --no-deps --no-index /tmp/wheels/liqheat-*.whl \
    && /opt/liqheat/bin/pip check \
    && /opt/liqheat/bin/python -m compileall -q /opt/liqheat/lib \
    && NUMBA_CPU_NAME=generic NUMBA_CACHE_LOCATOR_CLASSES=liqheat_estimator.image_cache.ImageCacheLocator \
       /opt/liqheat/bin/python -c 'import liqheat_estimator.core.estimator_fold' \
    && /opt/liqheat/bin/pip uninstall -q -y pip setuptools

FROM python:3.11-slim-bookworm
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="liqheat" \
      org.opencontainers.image.description="An open, streaming liquidation heatmap for crypto perpetuals" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# No bytecode is written and nothing is cached: the root file system may be read-only.
ENV PATH=/opt/liqheat/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# What the build compiled is found and fits: the same processor name, a cache that need not be writable.
ENV NUMBA_CPU_NAME=generic NUMBA_CACHE_LOCATOR_CLASSES=liqheat_estimator.image_cache.ImageCacheLocator
COPY --from=build /opt/liqheat /opt/liqheat
USER 10001:10001
WORKDIR /tmp
# Which address a process answers probes on depends on the process: compose and Kubernetes know it.
HEALTHCHECK NONE
ENTRYPOINT ["liqheat"]
CMD ["--help"]
