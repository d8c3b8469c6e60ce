# Build: everything that needs a compiler or an index stays in this stage.
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements-runtime.lock ./
RUN python -m venv /opt/optimizer \
 && /opt/optimizer/bin/pip install --no-cache-dir --require-hashes --requirement requirements-runtime.lock
COPY pyproject.toml README.md ./
COPY src src
RUN /opt/optimizer/bin/pip install --no-cache-dir --no-deps .

# Run: no compiler, no package index, no root. The root file system may be read-only; state lives in /workspace, or,
# with OPTIMIZER_DATABASE_URL and OPTIMIZER_SECRET set, nowhere in the container at all.
FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin optimizer \
 && install -d -o 10001 -g 10001 /workspace
COPY --from=build /opt/optimizer /opt/optimizer
ENV PATH=/opt/optimizer/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /workspace
VOLUME /workspace
EXPOSE 8080
# Whether the process answers, not whether its database does: that is /readyz, and starting again would not mend it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/livez', timeout=2)"]
ENTRYPOINT ["optimizer"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
