-- Reads what code knows that was on this store for the first time after this code.
-- binds: $1 fingerprint of this code text
-- result: see DomainCode
select domain, fingerprint, commands, events, aggregates, reactors, effects
from domain_codes
where number > (select number from domain_codes where fingerprint = $1)
order by number
