-- Which code has run on this store, in which sessions it runs now, and which partitions it could not go on with.
create table domain_codes (
    fingerprint text primary key,
    number bigint generated always as identity,
    domain text not null,
    commands text[] not null,
    events json not null,
    aggregates text[] not null,
    reactors json not null,
    effects json not null,
    first_seen_at timestamptz not null default now()
);

create table code_sessions (
    pid integer primary key,
    application text not null,
    fingerprint text not null references domain_codes,
    host text not null,
    process integer not null,
    started_at timestamptz not null default now()
);

create table refused_partitions (
    application text not null,
    partition integer not null,
    fingerprint text not null references domain_codes,
    command_id uuid,
    position bigint,
    stream_created timestamptz,
    needs text not null,
    refused_at timestamptz not null default now(),
    primary key (application, partition, fingerprint),
    check (num_nonnulls(command_id, position) = 1)
);
