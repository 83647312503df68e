-- Stores the states of an effect's calls and moves its checkpoint, which never goes back.
-- binds: $1 effect text  $2 checkpoint bigint  $3 positions of calls bigint[]  $4 their attempts integer[]
--        $5 their states text[]  $6 positions of calls to delete, none of them in $3, bigint[]
select move_effect($1, $2), save_effect_calls($1, $3, $4, $5, $6)
