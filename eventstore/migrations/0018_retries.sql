-- A retry of a dead letter is recorded before its command is submitted, and again after it.
-- Older code records it in a transaction that ends after the submission: its rows are right with the default.
alter table dead_letter_actions add column submitted boolean not null default true;
