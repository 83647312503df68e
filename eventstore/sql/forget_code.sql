-- Deletes what is stored of a code that does not run: what it knows, and its refusals.
-- Open refusals before an event, of any code, are deleted too: the event may have been left to this code.
-- binds: $1 fingerprint text
-- result: true; no row if there is no such code
with refusals as (
    delete from refused_partitions where fingerprint = $1 or position is not null
), sessions as (
    delete from code_sessions where fingerprint = $1
)
delete from domain_codes where fingerprint = $1 returning true
