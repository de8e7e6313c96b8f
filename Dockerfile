# One image for API, worker, beat and migrations; docker-compose.yml says which part a container is.
FROM python:3.12-slim

WORKDIR /app
COPY bootstrap.py constraints.txt pyproject.toml README.md LICENSE ./
COPY memory_service memory_service
COPY retrieval retrieval
COPY consolidation consolidation
COPY migrations migrations
COPY benchmarks benchmarks
COPY examples examples
# The same installer as `make run`: it chooses the CPU build of torch, which only exports the model once.
RUN python3 bootstrap.py && rm -rf ~/.cache

RUN useradd --system --uid 10001 --home-dir /data memory \
    && mkdir --mode=0700 /data && chown memory /data
USER memory
VOLUME /data

# Two threads spin against each other on small machines; the worker's copies of freed memory add up.
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MEMORY_SERVICE_DATA_DIR=/data \
    OMP_NUM_THREADS=1 \
    OMP_WAIT_POLICY=passive \
    TOKENIZERS_PARALLELISM=false \
    MALLOC_ARENA_MAX=2

EXPOSE 8000
CMD ["python", "-m", "uvicorn", "memory_service.api.app:create_app", "--factory", "--host=0.0.0.0", "--port=8000", "--no-access-log", "--no-server-header", "--http=memory_service.api.connections:BoundedHttp"]
