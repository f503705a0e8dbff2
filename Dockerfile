# The service in an image: no PyTorch, no compiler, no pip; files of root, run by nobody in particular. See docs/deployment.md.
#     docker build --tag imageretrieval .
# Do not publish what comes out: the model package, which is fetched below, may be used but not passed on (docs/model.md).

# The Python and the Debian that the tests run on; requirements-serve.txt pins the rest.
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS build
WORKDIR /app
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements-serve.txt ./
RUN python -m venv .venv && .venv/bin/pip install --only-binary=:all: --requirement requirements-serve.txt
COPY config.yaml ./
COPY extractor ./extractor
COPY scripts/fetch_model.py ./scripts/
RUN .venv/bin/python scripts/fetch_model.py && .venv/bin/python -m pip uninstall --quiet --yes pip setuptools

FROM ${BASE}
RUN groupadd --gid 10001 imageretrieval \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin imageretrieval \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data /backups
WORKDIR /app
COPY --from=build /app/.venv ./.venv
COPY --from=build /app/.models ./.models
COPY LICENSE app.py config.yaml ./
COPY checking ./checking
COPY cleaning ./cleaning
COPY client ./client
COPY evaluation ./evaluation
COPY extractor ./extractor
COPY index_store ./index_store
COPY reports ./reports
COPY retrieval ./retrieval
COPY scripts ./scripts
ENV PATH=/app/.venv/bin:$PATH
# Nothing can be written beside the code at run time, so it is compiled here.
RUN python -m compileall -q app.py cleaning evaluation extractor index_store reports retrieval scripts
ENV PYTHONDONTWRITEBYTECODE=1 \
    IMAGERETRIEVAL__DATA_DIR=/data \
    IMAGERETRIEVAL__SERVER__HOST=0.0.0.0 \
    IMAGERETRIEVAL__SERVER__PORT=8080 \
    IMAGERETRIEVAL__SERVER__LOG_FORMAT=json
USER 10001:10001
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8080/readyz', timeout=4)"]
# So that the scripts run as well: docker run ... imageretrieval scripts/keys.py list
ENTRYPOINT ["python"]
CMD ["app.py"]
