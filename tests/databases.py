"""Databases for the tests: migrated, with nothing in them, and used again."""

from __future__ import annotations

from uuid import uuid4

import asyncpg

from commander.dev.embedded import EmbeddedPostgres
from commander.eventstore.database import Database
from commander.eventstore.migrate import migrate

# As a replica applies what it is sent: no trigger stands in the way, not even that of the log.
EMPTY = """
do $$
declare name text;
begin
    set local session_replication_role = replica;
    for name in select tablename from pg_tables where schemaname = 'public' loop
        if name like 'projection\\_%' then
            execute format('drop table %I', name);
        elsif name not in ('schema_migrations', 'log_lock', 'system_identity', 'epochs') then
            execute format('delete from %I', name);
        end if;
    end loop;
    update log_lock set imported_position = 0;
    update system_identity set id = gen_random_uuid(), name = null;
    delete from epochs where epoch > 1;
end $$
"""

EMPTYING = "emptying"
"""The application_name of the connections that empty databases."""
_END_OTHERS = """
select pg_terminate_backend(pid, 10000) from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
"""

# Each row of the catalog and the transaction that wrote it; those of projections' tables come and go.
_CATALOG = """
with tables as (
    select oid, xmin from pg_class where relnamespace = 'public'::regnamespace and relname !~ '^projection_'
), found as (
    select oid, xmin from tables
    union all select c.oid, c.xmin from pg_constraint c join tables on tables.oid = conrelid
    union all select t.oid, t.xmin from pg_trigger t join tables on tables.oid = tgrelid
    union all select attrelid, a.xmin from pg_attribute a join tables on tables.oid = attrelid
    union all select oid, xmin from pg_proc where pronamespace = 'public'::regnamespace
    union all select oid, xmin from pg_namespace where nspname !~ '^pg_'
)
select md5(string_agg(format('%s %s', oid, xmin), ',' order by oid, xmin::text)) from found
"""
_BYTES = "select sum(pg_table_size(oid)) from pg_class where relnamespace = 'public'::regnamespace"
_LARGE_BYTES = 8 * 2**20


class Databases:
    """Emptying a database is quicker than making one. One that a test filled, or whose tables it changed, is
    dropped instead.

    The connection that empties a database stays open, because a new one has to read the catalog first.
    """

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._admin = Database(self.url("postgres"))
        self._catalogs: dict[str, str] = {}
        self._connections: dict[str, asyncpg.Connection[asyncpg.Record]] = {}
        self._free: list[str] = []

    def url(self, name: str) -> str:
        return self._server.url.replace(f"/{self._server.database}?", f"/{name}?")

    async def prepare(self) -> None:
        """Migrates the server's own database: the template of the others."""
        # Tests end processes, never the machine: what the system has is kept without waiting for the disk.
        await self._admin.fetch("alter system set fsync = off")
        await self._admin.fetch("select pg_reload_conf()")
        template = Database(self._server.url)
        await migrate(template)
        await template.close()

    async def take(self) -> str:
        """The name of a database with nothing in it, that nobody else is connected to."""
        while self._free:
            name = self._free.pop()
            if await self._emptied(name):
                return name
            self._connections.pop(name).terminate()
            await self._admin.fetch(f'drop database "{name}" with (force)')
        name = f"test_{uuid4().hex}"
        await self._admin.fetch(f'create database "{name}" template "{self._server.database}"')
        connection = await self._connection(name)
        self._catalogs[name] = await connection.fetchval(_CATALOG)
        return name

    def give_back(self, name: str) -> None:
        self._free.append(name)

    async def close(self) -> None:
        for connection in self._connections.values():
            await connection.close()
        await self._admin.close()

    async def _connection(self, name: str) -> asyncpg.Connection[asyncpg.Record]:
        connection = self._connections.get(name)
        if connection is None or connection.is_closed():  # a test may have ended all of them
            named = {"application_name": EMPTYING}
            connection = await asyncpg.connect(self.url(name), server_settings=named)
            self._connections[name] = connection
        return connection

    async def _emptied(self, name: str) -> bool:
        connection = await self._connection(name)
        await connection.execute(_END_OTHERS)
        if await connection.fetchval(_CATALOG) != self._catalogs[name]:
            return False
        if await connection.fetchval(_BYTES) > _LARGE_BYTES:
            return False
        await connection.execute(EMPTY)
        return True
