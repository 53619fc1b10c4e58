# docker build -f docker/cuda.Dockerfile -t mem-alpha:cuda .
# docker run --gpus all -v mem-alpha:/data mem-alpha:cuda \
#   --config=configs/gpu_h100.py --workdir=/data/run
# CUDA 13 comes with JAX's packages; the host brings the driver and
# nvidia-container-toolkit.
FROM python:3.12-slim

ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
ARG EXTRAS=cuda,serve
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
