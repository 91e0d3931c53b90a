# The images of horos: targets agent, operator (also runs the gateway), model and redis. tests/cluster/images.sh
# builds them for the test cluster; `docker build --target agent .` builds one. BuildKit is not needed.
ARG BASE_IMAGE=python:3.11-slim-bookworm

# What every image stands on. The root file system is read-only in a pod, so the standard library must be
# compiled here; Debian's own Python already is.
FROM ${BASE_IMAGE} AS python
ENV PATH=/opt/horos/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 PYTHONUNBUFFERED=1
RUN python3 -m compileall -q -x 'site-packages|dist-packages|/test/|lib2to3' \
      "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"

# Where things are made: uv, and the certificates of a machine that intercepts TLS (images.sh adds them; the
# pattern lets a build without them pass). Nothing of it reaches the images.
FROM python AS builder
WORKDIR /build
COPY .dockerignore host-ca.cr[t] ./
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PYTHON=python3 \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH
RUN if [ -f host-ca.crt ]; then cat host-ca.crt >> /etc/ssl/certs/ca-certificates.crt; fi \
    && if ! python3 -m pip --version > /dev/null 2>&1; then \
         apt-get update -q && apt-get install -q -y --no-install-recommends python3-pip; fi \
    && python3 -m pip install -q --target /opt/uv uv==0.13.9
ENV PATH=/opt/uv/bin:$PATH

# The lock as one list per target, so that a target is installed again only when its own list changes. The model
# server is llama.cpp and its weights: the packages that horos itself stands on are not imported there.
FROM builder AS lists
COPY pyproject.toml uv.lock ./
RUN list="uv export -q --frozen --no-dev --no-emit-project --no-header" \
    && $list --extra runtime -o agent.txt \
    && $list --extra operator --extra gateway --extra cli -o operator.txt \
    && $list --extra model --prune pydantic --prune redis --prune orjson -o model.txt

# An empty environment that also looks into /opt/horos/code.
FROM builder AS environment
ENV VIRTUAL_ENV=/opt/horos UV_PYTHON=/opt/horos/bin/python
RUN python3 -m venv --without-pip /opt/horos \
    && echo /opt/horos/code > "$(/opt/horos/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/horos.pth"

FROM environment AS agent-environment
COPY --from=lists /build/agent.txt ./
RUN uv pip install -q --no-deps --require-hashes --compile-bytecode -r agent.txt \
    && find /opt/horos -depth -type d -name tests -exec rm -rf {} +

FROM environment AS operator-environment
COPY --from=lists /build/operator.txt ./
RUN uv pip install -q --no-deps --require-hashes --compile-bytecode -r operator.txt \
    && find /opt/horos -depth -type d -name tests -exec rm -rf {} +

# llama.cpp comes with 80 MB of symbols and without the OpenMP library that it needs.
FROM environment AS model-environment
RUN apt-get update -q && apt-get install -q -y --no-install-recommends binutils libgomp1
COPY --from=lists /build/model.txt ./
RUN uv pip install -q --no-deps --require-hashes --compile-bytecode -r model.txt \
    && find /opt/horos -name '*.so' -exec strip --strip-unneeded {} + \
    && cp -L "$(find /usr/lib -name libgomp.so.1 -print -quit)" /opt/horos/lib/

# horos itself, compiled: the last and smallest layer.
FROM environment AS code
COPY pyproject.toml README.md ./
COPY operator operator
COPY agent_image agent_image
RUN uv build -q --wheel --out-dir /wheel \
    && uv pip install -q --no-deps --target /opt/horos/code --compile-bytecode /wheel/*.whl \
    && rm -rf /opt/horos/code/bin

FROM python AS agent
COPY --from=agent-environment /opt/horos /opt/horos
COPY --from=code /opt/horos/code /opt/horos/code
USER 65532:65532
CMD ["python", "-m", "horos_runtime"]

FROM python AS operator
COPY --from=operator-environment /opt/horos /opt/horos
COPY --from=code /opt/horos/code /opt/horos/code
USER 65532:65532
CMD ["python", "-m", "horos_operator"]

FROM python AS model
COPY --from=model-environment /opt/horos /opt/horos
COPY --from=code /opt/horos/code/horos_model /opt/horos/code/horos_model
ENV HOROS_MODEL_HOST=0.0.0.0 LD_LIBRARY_PATH=/opt/horos/lib
USER 65532:65532
EXPOSE 8080
CMD ["python", "-m", "horos_model"]

# Debian's Redis with the libraries it asks for; redis-server called redis-check-aof is that program.
FROM builder AS redis-files
RUN apt-get update -q && apt-get install -q -y --no-install-recommends redis-server redis-tools \
    && mkdir -p /opt/redis/bin /opt/redis/lib \
    && for program in redis-server redis-cli; do \
         cp -L "/usr/bin/$program" /opt/redis/bin/ \
         && cp -L $(ldd "/usr/bin/$program" | grep -o '/lib/[^ ]*') /opt/redis/lib/; done \
    && ln -s redis-server /opt/redis/bin/redis-check-aof
COPY redis_image/start-redis /opt/redis/bin/
RUN chmod 755 /opt/redis/bin/start-redis && mkdir /data

FROM python AS redis
COPY --from=redis-files /opt/redis /opt/redis
COPY --from=redis-files --chown=65532:65532 /data /data
ENV PATH=/opt/redis/bin:$PATH LD_LIBRARY_PATH=/opt/redis/lib
USER 65532:65532
WORKDIR /data
EXPOSE 6379
ENTRYPOINT ["start-redis"]
CMD ["--dir", "/data", "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"]
