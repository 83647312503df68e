-- What reactors with a key remember: a fold of the log up to folded_position.
alter table reactors add column folded_position bigint not null default 0;

create table reactor_states (
    reactor text not null references reactors (name),
    key text not null,
    state json not null,
    deadlines json not null,
    position bigint not null,
    primary key (reactor, key)
);
