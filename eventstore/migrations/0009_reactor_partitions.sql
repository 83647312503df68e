-- A reactor's keys are spread over partitions, each with a progress of its own.
-- A partition without a row begins where its reactor stands.
create table reactor_partitions (
    reactor text not null references reactors (name),
    partition integer not null,
    position bigint not null,
    folded_position bigint not null,
    failed_position bigint,
    error text,
    updated_at timestamptz not null default now(),
    primary key (reactor, partition)
);

alter table reactors drop column failed_position, drop column error, drop column updated_at;
