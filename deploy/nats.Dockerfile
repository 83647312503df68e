# The NATS server as a user other than root. The official image runs as root and has no data directory, so a new volume
# would belong to root. A new volume takes the owner of the directory at its mount point; this makes that directory.
FROM nats:2.15-alpine

RUN mkdir /data && chown 10002:10002 /data

USER 10002:10002
