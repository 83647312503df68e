-- The epochs of the log. A new one begins when a store was set back to an older state and `commander restore` was run.
-- first_position: positions from here on belong to this epoch, until the next one begins.
create table epochs (
    epoch integer primary key check (epoch > 0),
    first_position bigint not null check (first_position > 0),
    begun_at timestamptz not null default now()
);
insert into epochs (epoch, first_position) values (1, 1);
