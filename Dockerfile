# One image for every process. Two stages: the first has what building needs, the second only what running needs.

FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/duestream
WORKDIR /src

# What we depend on changes seldom, and has a layer of its own.
COPY pyproject.toml .
RUN python3 -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
      > /tmp/dependencies.txt \
 && /opt/duestream/bin/pip install -q -r /tmp/dependencies.txt

COPY README.md LICENSE ./
COPY duestream duestream
COPY api api
COPY projector projector
COPY scheduler scheduler
COPY runner runner
RUN /opt/duestream/bin/pip wheel -q --no-deps --wheel-dir /tmp . \
 && /opt/duestream/bin/pip install -q --no-deps /tmp/duestream-*.whl \
 && /opt/duestream/bin/pip uninstall -q -y pip


FROM python:3.11-slim
RUN useradd --system --uid 888 --user-group --no-create-home --home-dir /var/lib/duestream duestream \
 && install -d -o duestream -g duestream /var/lib/duestream
COPY --from=build /opt/duestream /opt/duestream
ENV PATH=/opt/duestream/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DUESTREAM_DATA_DIR=/var/lib/duestream \
    DUESTREAM_RELEASE=true
USER duestream
WORKDIR /var/lib/duestream
EXPOSE 8888

# Any process of ours shows signs of life, whichever it is.
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s CMD ["duestream", "health"]
ENTRYPOINT ["duestream"]
CMD ["--help"]
