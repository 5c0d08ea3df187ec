# SPDX-License-Identifier: Apache-2.0
# podward-collector: sees system calls of containers through eBPF and streams them.
# The first stage is the same text in every Dockerfile here, so that it is built once.
ARG BASE=debian:bookworm-slim
FROM ${BASE} AS build
ARG SOURCE_DATE_EPOCH=0
COPY tools/install-packages.sh tools/packages.txt /src/tools/
RUN /src/tools/install-packages.sh build image && apt-get clean
COPY . /src
# Programs that are in the context already are taken as they are.
RUN cd /src && if [ ! -x build/release/bin/podward-collector ]; then \
	cmake --preset release && cmake --build --preset release \
		--target podward-collector podward-analyzer podward-policysync; fi

FROM build AS runtime
RUN /src/docker/runtime.sh /out /src/build/release/bin/podward-collector

FROM scratch
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="podward-collector" \
	org.opencontainers.image.description="sees system calls of containers through eBPF and streams them" \
	org.opencontainers.image.version="${VERSION}" \
	org.opencontainers.image.licenses="Apache-2.0"
COPY --from=runtime /out /
# Capabilities are given by the pod or by --cap-add; the program gives up all others at its start.
USER 0:0
EXPOSE 9401
ENTRYPOINT ["/usr/bin/podward-collector"]
