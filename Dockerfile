# The server, the `cooper` client and the demo checkpoint.
#
#   docker build -t cooper-server:0.1.0 .
#
# Build arguments:
#   VARIANT         cpu, or cuda: the same sources against the CUDA build of
#                   torch 2.13.0 (PyPI's wheel), or of what TORCH_SPEC names
#   BASE_IMAGE      Debian 12, whole or slim
#   BUILD_IMAGE     the same for the build stage; for VARIANT=cuda one with the
#                   CUDA toolkit, nvcc included, in /usr/local/cuda
#                   (docs/deploy.md)
#   TORCH_SPEC      what pip installs (default: the version that CMake names)
#   PIP_INDEX_URL   pip's own settings, for mirrors and local wheels. PyPI's
#   PIP_FIND_LINKS  torch is the CUDA one: for a small CPU image, name an index
#   PIP_CERT        or a folder that has the CPU wheel
ARG BASE_IMAGE=debian:bookworm-slim
ARG BUILD_IMAGE=${BASE_IMAGE}

FROM ${BUILD_IMAGE} AS build
ARG VARIANT=cpu
ARG TORCH_SPEC=
ARG PIP_INDEX_URL=
ARG PIP_FIND_LINKS=
ARG PIP_CERT=
WORKDIR /src
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Packages and libtorch first: they change less often than the sources.
COPY scripts/setup scripts/lib.sh scripts/
COPY scripts/packages scripts/packages
COPY cmake cmake
RUN for name in PIP_INDEX_URL PIP_FIND_LINKS PIP_CERT; do \
      if [[ -z ${!name} ]]; then unset "$name"; fi; \
    done \
    && COOPER_TORCH_SPEC="${TORCH_SPEC}" scripts/setup --build
COPY . .
RUN deploy/image/build "${VARIANT}" /image

FROM ${BASE_IMAGE} AS runtime
ARG VARIANT=cpu
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="cooper-server" \
      org.opencontainers.image.description="Spatial questions about images, answered over gRPC" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      dev.cooper.variant="${VARIANT}"
# Debian's security updates are wanted at each build, so no version is pinned.
# Authorities' certificates are for a collector of traces over HTTPS.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
      ca-certificates \
      libcivetweb1 \
      libcurl4 \
      libgrpc++1.51 \
      libjpeg62-turbo \
      libopencv-core406 \
      libopencv-imgproc406 \
      libpcre2-8-0 \
      libpng16-16 \
      libprometheus-cpp-core1.0 \
      libprometheus-cpp-pull1.0 \
      libprotobuf32 \
      libssl3 \
      libutf8proc2 \
      libwebp7 \
      libwebpdemux2 \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log
COPY --from=build /image/ /usr/local/
# Read by the NVIDIA container runtime, where there is one.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 65532:65532
EXPOSE 8001 8002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
  CMD ["/usr/local/bin/cooper", "health", "--server", "127.0.0.1:8001"]
ENTRYPOINT ["/usr/local/bin/cooper_server"]
CMD ["--listen=0.0.0.0:8001", "--metrics_listen=0.0.0.0:8002", "--log_format=json"]
