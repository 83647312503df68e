-- The fingerprint of the code that made the states of a reactor; null until code that notes it has run.
alter table reactors add column fingerprint text;
