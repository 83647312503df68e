"""Programs that stand before the API, or between it and Postgres, with their real configuration."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from commander.dev.embedded import free_ports

HAPROXY_CONFIG = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"
_PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"  # not all users have these


def program(name: str) -> str:
    """Where it is; skips the test where it is absent."""
    found = shutil.which(name, path=_PLACES)
    if found is None:
        pytest.skip(f"NOT RUN: {name} is absent (apt-get install {name}), so nothing was tried behind it")
    return found


@asynccontextmanager
async def listening(command: Sequence[str | Path], port: int, log: Path) -> AsyncIterator[None]:
    """A program that listens on this port when entered; killed on leaving."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
    try:
        async with asyncio.timeout(10):
            while True:
                assert process.returncode is None, log.read_text()  # noqa: ASYNC240
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    break
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def haproxy(directory: Path, api_ports: Sequence[int]) -> AsyncIterator[int]:
    """deploy/haproxy.cfg before these APIs; the port of the gateway.

    Only addresses and the pause between its questions differ.
    """
    command = program("haproxy")
    port, health_port = free_ports(2)
    changed = HAPROXY_CONFIG.read_text()
    template = "    server-template api 10 api:8000 check inter 2s fall 2 rise 1 resolvers containers "
    template += "resolve-prefer ipv4 init-addr none\n"
    servers = "".join(
        f"    server api{number} 127.0.0.1:{api_port} check inter 100ms fall 2 rise 1\n"
        for number, api_port in enumerate(api_ports)
    )
    for written, here, times in (
        (template, servers, 2),
        ("bind :8000", f"bind 127.0.0.1:{port}", 1),
        ("bind 127.0.0.1:8404", f"bind 127.0.0.1:{health_port}", 1),
    ):
        assert changed.count(written) == times, written
        changed = changed.replace(written, here)
    (config := directory / "haproxy.cfg").write_text(changed)
    async with listening([command, "-db", "-f", config], port, directory / "haproxy.log"):
        yield port


@asynccontextmanager
async def nginx(directory: Path, api_port: int) -> AsyncIterator[int]:
    """nginx as it comes, with gzip for every type of content, before an API; the port of the gateway."""
    command, [port] = program("nginx"), free_ports(1)
    (config := directory / "nginx.conf").write_text(
        f"""daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr;
        events {{ worker_connections 100; }}
        http {{
          access_log off; gzip on; gzip_types *; gzip_proxied any;
          client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
          fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
          server {{
            listen 127.0.0.1:{port};
            location / {{ proxy_pass http://127.0.0.1:{api_port}; proxy_http_version 1.1; }}
          }}
        }}"""
    )
    async with listening([command, "-c", config], port, directory / "nginx.log"):
        yield port


@asynccontextmanager
async def pgbouncer(
    directory: Path, database_url: str, pool_mode: str, **options: object
) -> AsyncIterator[str]:
    """PgBouncer before a database, which is at a socket in a directory; the URL through it."""
    command, [port] = program("pgbouncer"), free_ports(1)
    parts = urlsplit(database_url)
    [host] = parse_qs(parts.query)["host"]
    directory.chmod(0o755)  # noqa: ASYNC240
    (config := directory / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={host} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = {pool_mode}\n" + "".join(f"{name} = {value}\n" for name, value in options.items())
    )
    as_user = ["-u", Path(host).owner()] if os.geteuid() == 0 else []  # noqa: ASYNC240  # not as root
    async with listening([command, *as_user, config], port, directory / "pgbouncer.log"):
        yield f"postgresql://postgres@127.0.0.1:{port}{parts.path}"
