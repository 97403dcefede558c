# epigept-batch for NVIDIA GPUs; it also runs on CPUs.
#
#     docker build --tag epigept-batch .
#     docker run --rm --gpus all --user "$(id -u):$(id -g)" --volume "$PWD:/work" epigept-batch doctor
FROM nvidia/cuda:13.0.1-base-ubuntu24.04

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/epigept-batch \
    && useradd --uid 10001 --create-home epigept \
    && install --directory --mode 1777 /var/lib/epigept-batch
ENV PATH=/opt/epigept-batch/bin:$PATH EPIGEPT_BATCH_HOME=/var/lib/epigept-batch

COPY requirements.lock /src/
RUN pip install --no-cache-dir --require-hashes --only-binary :all: --requirement /src/requirements.lock
COPY . /src
RUN pip install --no-cache-dir --no-deps --no-build-isolation /src && epigept-batch --version

USER 10001
WORKDIR /work
ENTRYPOINT ["epigept-batch"]
