-- Finds a stream whose versions have a gap; no row if there is none.
-- binds: none
-- result: stream text
select stream from events group by stream having max(version) <> count(*) limit 1
