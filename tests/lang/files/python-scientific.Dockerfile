# Notebooks with a compiled numerics stack.
FROM condaforge/miniforge3:24.9.2-0 AS conda
COPY environment.yml /tmp/environment.yml
RUN conda env create --prefix /opt/env --file /tmp/environment.yml && \
    conda clean --all --yes && \
    find /opt/env -name '*.a' -delete && \
    find /opt/env -name '*.pyc' -delete && \
    find /opt/env/lib/python3.*/site-packages -name 'tests' -type d -prune -exec rm -rf '{}' +

FROM debian:12-slim
LABEL org.opencontainers.image.title="notebooks" \
      org.opencontainers.image.description="NumPy, SciPy, pandas, xarray and JupyterLab \
on a plain Debian, for the course in numerical methods" \
      org.opencontainers.image.licenses="BSD-3-Clause"
COPY --from=conda /opt/env /opt/env
ENV PATH=/opt/env/bin:${PATH} LANG=C.UTF-8 OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      fonts-dejavu-core \
      graphviz \
      tini \
    && rm -rf /var/lib/apt/lists/*
ARG NB_USER=student
ARG NB_UID=1000
RUN useradd --create-home --shell /bin/bash --uid "${NB_UID}" "${NB_USER}"
COPY --chown=${NB_UID}:${NB_UID} notebooks/*.ipynb /home/${NB_USER}/work/
USER $NB_UID
WORKDIR /home/${NB_USER}/work
RUN python - <<'PY'
import numpy, scipy
print(numpy.__version__, scipy.__version__)
PY
EXPOSE 8888
ENTRYPOINT ["tini", "-g", "--"]
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--ServerApp.token="]
