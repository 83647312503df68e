-- From an event to the commands that were sent because of it: few commands have a cause, so the index is small.
create index commands_causation on commands (causation_position) where causation_position is not null;
