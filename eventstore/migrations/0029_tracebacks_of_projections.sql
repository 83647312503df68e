-- Why a projection has stopped is shown with the traceback, as for a parked key of a reactor.
alter table tables_of_projections add column traceback text;

-- Each table of a projection with its checkpoint. All columns but `position` can be written.
create or replace view projections as
select name, fingerprint, table_name, failed_position, error, build, shape, state, serves_when_built, serving, inline,
       created_at, built_at, served_at, skipped, projection_position(table_name) as position, traceback
from tables_of_projections;

-- Moves the checkpoint of a table and clears a stored failure. Returns false if there is no such table.
create or replace function move_projection(of_table text, reached bigint) returns boolean
language plpgsql set enable_seqscan to off set plan_cache_mode to force_generic_plan set enable_bitmapscan to off as $$
begin
    update positions_of_projections
    set position = reached
    where ctid = (select ctid from positions_of_projections where table_name = of_table order by position desc limit 1);
    if not found then
        return false;
    end if;
    update tables_of_projections
    set failed_position = null, error = null, traceback = null
    where table_name = of_table and failed_position is not null;
    return true;
end $$;
