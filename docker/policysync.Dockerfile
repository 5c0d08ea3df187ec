# SPDX-License-Identifier: Apache-2.0
# podward-policysync: policies in, alerts out.
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
RUN /src/docker/runtime.sh /out /src/build/release/bin/podward-policysync \
	&& mkdir -p /out/var/lib/podward && chown 65532:65532 /out/var/lib/podward \
	&& touch --date=@0 /out/var/lib /out/var/lib/podward

FROM scratch
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="podward-policysync" \
	org.opencontainers.image.description="policies in, alerts out" \
	org.opencontainers.image.version="${VERSION}" \
	org.opencontainers.image.licenses="Apache-2.0"
COPY --from=runtime /out /
USER 65532:65532
VOLUME /var/lib/podward
EXPOSE 7444 9403
ENTRYPOINT ["/usr/bin/podward-policysync"]
