# docker build -f docker/cpu.Dockerfile -t mem-alpha .
# docker run -v mem-alpha:/data -p 8700:8700 mem-alpha serve \
#   --store=/data/memory.db --host=0.0.0.0
# For TPUs: --build-arg EXTRAS=tpu
FROM python:3.12-slim

ARG EXTRAS=serve,models,lora
WORKDIR /app
COPY setup.py pyproject.toml LICENSE ./
COPY mem_alpha_jax mem_alpha_jax
COPY configs configs
RUN pip install --no-cache-dir ".[$EXTRAS]" \
    && useradd --create-home user \
    && install -d -o user /data

USER user
WORKDIR /data
VOLUME /data
EXPOSE 8700
ENTRYPOINT ["mem-alpha"]
CMD ["--help"]
