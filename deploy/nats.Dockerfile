# The NATS server, not as root. The official image has no data directory and runs as root; a volume mounted where the
# image has nothing belongs to root, and another user could not write to it. A new volume takes the owner of the
# image's directory at its mount point, so the directory is made here.
FROM nats:2.15-alpine

RUN mkdir /data && chown 10002:10002 /data

USER 10002:10002
