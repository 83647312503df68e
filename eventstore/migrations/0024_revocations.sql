-- Until when the tokens of a subject were revoked. stored_at: other processes read what was stored lately.
create table revocations (
    subject text primary key,
    revoked_at timestamptz not null,
    stored_at timestamptz not null default clock_timestamp()
);
create index revocations_stored on revocations (stored_at);

-- How far the events of the log have been looked at for revocations.
create table revocations_followed (
    only_row boolean primary key default true check (only_row),
    position bigint not null
);
