-- How far projections and reactors have come; a row of error columns where one has stopped.
create table projections (
    name text not null,
    fingerprint text not null,
    table_name text not null unique,
    position bigint not null default 0,
    failed_position bigint,
    error text,
    updated_at timestamptz not null default now(),
    primary key (name, fingerprint)
);

create table reactors (
    name text primary key,
    position bigint not null default 0,
    failed_position bigint,
    error text,
    updated_at timestamptz not null default now()
);
