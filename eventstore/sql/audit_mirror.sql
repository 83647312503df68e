-- The digest of a range of the log in the form of the mirror's messages (see streaming/log/event_codec.py).
-- The text of a message: its subject after the prefix, with the stream as it is; its headers; its payload.
-- binds: $1 after position bigint  $2 up to position bigint
-- result: seen bigint, digest text (MD5, hexadecimal)
select count(*) as seen, md5(convert_to(coalesce(string_agg(
    split_part(stream, '-', 1) || '.' || type || '.' || stream
    || e'\r\nCommander-Version: ' || version || e'\r\nCommander-Schema-Version: ' || schema_version
    || e'\r\nCommander-Command-Id: ' || command_id || e'\r\nCommander-Correlation-Id: ' || correlation_id
    || to_char(recorded_at at time zone 'UTC', case extract(microseconds from recorded_at)::int % 1000000
        when 0 then e'"\r\nCommander-Recorded-At: "YYYY-MM-DD"T"HH24:MI:SS"+00:00"'
        else e'"\r\nCommander-Recorded-At: "YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"' end)
    || coalesce(e'\r\nCommander-Causation-Position: ' || causation_position, '')
    || coalesce(e'\r\ntraceparent: ' || traceparent, '') || e'\r\n' || data::text
, ''), ''), 'UTF8')) as digest
from (select * from events where position > $1 and position <= $2 order by position) as ordered
