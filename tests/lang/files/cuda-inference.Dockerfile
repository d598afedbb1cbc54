ARG CUDA=12.4.1
ARG CUDNN_FLAVOUR=cudnn
FROM nvidia/cuda:${CUDA}-${CUDNN_FLAVOUR}-devel-ubuntu22.04 AS compile

ARG TORCH_CUDA_ARCH_LIST="7.5;8.0;8.6;8.9;9.0+PTX"
ENV TORCH_CUDA_ARCH_LIST=$TORCH_CUDA_ARCH_LIST
ENV DEBIAN_FRONTEND=noninteractive
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]

RUN apt-get update && apt-get install -y --no-install-recommends \
    git \
    ninja-build \
    python3-dev \
    python3-pip \
    python3-venv \
 && rm -rf /var/lib/apt/lists/*

RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements/*.txt /tmp/requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --extra-index-url https://wheels.example.org/cu${CUDA//./} \
      -r /tmp/requirements/cuda.txt
COPY csrc /workspace/csrc
COPY setup.py pyproject.toml /workspace/
RUN --mount=type=cache,target=/root/.cache/ccache \
    cd /workspace && MAX_JOBS=8 python setup.py bdist_wheel --dist-dir=/dist

FROM nvidia/cuda:${CUDA}-${CUDNN_FLAVOUR}-runtime-ubuntu22.04 AS serve
RUN apt-get update && apt-get install -y --no-install-recommends python3 libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=compile /opt/venv /opt/venv
RUN --mount=type=bind,from=compile,source=/dist,target=/dist /opt/venv/bin/pip install /dist/*.whl
ENV PATH="/opt/venv/bin:${PATH}" \
    LD_LIBRARY_PATH="/usr/local/cuda/lib64:${LD_LIBRARY_PATH:-}" \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    HF_HOME=/models
VOLUME ["/models"]
EXPOSE 8000
ENTRYPOINT ["python3", "-m", "engine.server"]
CMD ["--model", "/models/default", "--dtype", "auto"]
