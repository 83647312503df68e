-- Moves the checkpoints of a reactor's partitions. While states are rebuilt, only folded_position moves.
-- binds: $1 reactor text  $2 partition int[]  $3 position bigint[]
update reactor_partitions as p
set position = greatest(p.position, s.position), folded_position = s.position,
    failed_position = null, error = null, updated_at = now()
from unnest($2::int[], $3::bigint[]) as s (partition, position)
where p.reactor = $1 and p.partition = s.partition
