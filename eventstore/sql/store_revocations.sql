-- Stores revocations. A later one of a subject replaces an earlier one.
-- binds: $1 subject text[]  $2 revoked_at timestamptz[]
insert into revocations as r (subject, revoked_at)
select one.subject, one.revoked_at
from unnest($1::text[], $2::timestamptz[]) as one (subject, revoked_at)
order by one.subject
on conflict (subject) do update
set revoked_at = excluded.revoked_at, stored_at = clock_timestamp()
where excluded.revoked_at > r.revoked_at
