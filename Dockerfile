# One image with every Polder binary; the command says which one runs.
#
#   docker build --target runtime -t polder .                               compiles here
#   docker build --target runtime-prebuilt -f Dockerfile -t polder FOLDER   takes the binaries in FOLDER as they are
#
# The base images are arguments, so that a mirror, a distroless image or an own base can stand in. The runtime stages run no
# command: all they ask of their base is a C library at least as new as the one the binaries were linked with.
ARG RUST_IMAGE=rust:1.95-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${RUST_IMAGE} AS builder
WORKDIR /src
COPY . .
# The caches outlive a build but are no part of the image: hence the copy at the end of the same command.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --locked --profile dist --bins \
        -p polder-cli -p polder-ipam -p polder-lb -p polder-dns -p polder-gateway \
    && mkdir /out \
    && cp target/dist/polder target/dist/polder-ipam target/dist/polder-lb target/dist/polder-dns target/dist/polder-gateway /out/

FROM ${RUNTIME_IMAGE} AS runtime-prebuilt
COPY --chmod=0755 polder polder-ipam polder-lb polder-dns polder-gateway /usr/local/bin/
USER 65532:65532
CMD ["/usr/local/bin/polder", "--help"]

FROM ${RUNTIME_IMAGE} AS runtime
COPY --from=builder /out/ /usr/local/bin/
USER 65532:65532
CMD ["/usr/local/bin/polder", "--help"]
