# The image of `scaletwin sweep --on-cluster`: docker build -t scaletwin:0.1.0 .
FROM rust:1-slim-bookworm AS build
WORKDIR /src
COPY . .
# Needs the C compiler that the image has, and nothing else of the system.
RUN cargo build --locked --profile dist --package scaletwin --features cluster,parquet

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/dist/scaletwin /usr/local/bin/scaletwin
COPY --from=build /src/scenarios /scenarios
USER 65532:65532
ENTRYPOINT ["scaletwin"]
