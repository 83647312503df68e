-- Several tables per projection: which is being built, which serve, which are written in the deciding transaction.
alter table projections drop constraint projections_pkey;
alter table projections drop constraint projections_table_name_key;
alter table projections add primary key (table_name);
alter table projections
    add column build integer not null default 1,
    add column shape json,
    add column state text not null default 'BUILDING' check (state in ('BUILDING', 'BUILT')),
    add column serves_when_built boolean not null default true,
    add column serving boolean not null default false,
    add column inline boolean not null default false,
    add column created_at timestamptz not null default now(),
    add column built_at timestamptz,
    add column served_at timestamptz;
alter table projections add unique (name, fingerprint, build);
create unique index projections_serving on projections (name) where serving;

update projections set state = 'BUILT', built_at = updated_at;
update projections set serving = true, served_at = now()
where table_name in (select distinct on (name) table_name from projections order by name, updated_at desc);
