-- From an event to the commands that were sent because of it, and of which trace it is part.
-- Few commands have a cause, so the index is small; few events a trace (a W3C traceparent).
create index commands_causation on commands (causation_position) where causation_position is not null;
alter table events add column traceparent text;
