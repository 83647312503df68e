-- A stream whose versions are not 1, 2, 3 …, if there is one.
-- binds: none
-- result: stream text
select stream from events group by stream having max(version) <> count(*) limit 1
