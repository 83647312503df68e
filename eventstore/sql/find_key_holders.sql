-- Says which streams hold unique keys.
-- binds: $1 name text[] of the index  $2 fingerprint text[] of the code that derives its keys  $3 key text[]
-- result: for each key in order, whether its index is active, and the stream that holds it; null if none does
select built.id is not null as active,
       (select held.stream from unique_keys as held where held.index_id = built.id and held.key = asked.key limit 1)
from unnest($1::text[], $2::text[], $3::text[]) with ordinality as asked (name, fingerprint, key, place)
left join log_indexes as built on built.name = asked.name and built.fingerprint = asked.fingerprint and built.active
order by place
