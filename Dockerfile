FROM python:3.11-slim AS build
WORKDIR /source
RUN python -m venv /opt/ocpi
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist .
# As a constraint the lock still pins and checks, but brings no development tools into the image.
# Who runs it may write nothing there, and would compile all of it again at each start and command.
RUN uv pip install --no-cache --python /opt/ocpi --constraint requirements.lock --compile-bytecode dist/*.whl

FROM python:3.11-slim
RUN useradd --system --create-home --home-dir /data ocpi
COPY --from=build /opt/ocpi /opt/ocpi
ENV PATH=/opt/ocpi/bin:$PATH PYTHONUNBUFFERED=1
USER ocpi
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python", "-c", \
    "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
ENTRYPOINT ["ocpi"]
CMD ["serve", "--host", "0.0.0.0"]
