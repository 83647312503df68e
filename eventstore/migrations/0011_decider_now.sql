-- The time that a command's decider was given as `now`: decided again with it, it makes the same events.
-- Null where no decider ran, and for what was decided before this column was there.
alter table commands add column decider_now timestamptz;
