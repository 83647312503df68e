# The Commander image. Each part of the system (api, processor, relay, projections, reactors, effects) runs this image
# with its own command. For a domain of your own: FROM this image, COPY the domain to /app, set COMMANDER_DOMAIN.

# --- The GraphiQL page ------------------------------------------------------------------------------------------------
# Debian, not Alpine: the lock file is written on glibc and can lack the musl builds of native packages.
FROM node:24-slim AS graphiql

WORKDIR /src/schema/graphiql
COPY schema/graphiql/package.json schema/graphiql/package-lock.json ./
RUN --mount=type=cache,target=/var/cache/npm npm ci --cache /var/cache/npm
COPY schema/graphiql/ ./
RUN npm run build

# --- The console ------------------------------------------------------------------------------------------------------
FROM node:24-slim AS console

WORKDIR /src/schema/console
COPY schema/console/package.json schema/console/package-lock.json ./
RUN --mount=type=cache,target=/var/cache/npm npm ci --cache /var/cache/npm
COPY clients/typescript/src/ /src/clients/typescript/src/
COPY schema/console/ ./
RUN npm run build

# --- The virtual environment ------------------------------------------------------------------------------------------
FROM python:3.11-slim AS build

WORKDIR /src
RUN python -m venv --without-pip /opt/commander
COPY . .
COPY --from=graphiql /src/schema/graphiql/dist/ schema/graphiql/dist/
COPY --from=console /src/schema/console/dist/ schema/console/dist/
# The last lines fail the build if the wheel does not contain a page.
RUN --mount=type=cache,target=/var/cache/pip \
    pip --python /opt/commander/bin/python --cache-dir /var/cache/pip install --disable-pip-version-check -c constraints.txt . \
    && test -s /opt/commander/lib/python3.11/site-packages/commander/schema/graphiql/dist/manifest.json \
    && test -s /opt/commander/lib/python3.11/site-packages/commander/schema/console/dist/manifest.json

# --- The image --------------------------------------------------------------------------------------------------------
FROM python:3.11-slim

RUN groupadd --gid 10001 commander \
    && useradd --uid 10001 --gid commander --home-dir /app --no-create-home --shell /usr/sbin/nologin commander

COPY --from=build /opt/commander /opt/commander

# Both servers listen on every address, because they are reached from outside the container.
ENV PATH=/opt/commander/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONFAULTHANDLER=1 \
    COMMANDER_HOST=0.0.0.0 \
    COMMANDER_PORT=8000 \
    COMMANDER_HEALTH_HOST=0.0.0.0 \
    COMMANDER_HEALTH_PORT=8001

WORKDIR /app
# A number, so that an orchestrator can check that it is not root.
USER 10001:10001
EXPOSE 8000 8001

ENTRYPOINT ["commander"]
CMD ["api"]
