-- Stores what a domain's code knows. Its number tells which code was here first.
-- binds: $1 fingerprint text  $2 domain text  $3 commands text[]  $4 events json  $5 aggregates text[]
--        $6 reactors json  $7 effects json
-- result: none
insert into domain_codes (fingerprint, domain, commands, events, aggregates, reactors, effects)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (fingerprint) do nothing
