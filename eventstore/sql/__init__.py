"""The SQL statements, one a file; each file's header says its purpose, binds and result."""

from importlib.resources import files


def statement(name: str) -> str:
    """The text of NAME.sql."""
    return files(__name__).joinpath(f"{name}.sql").read_text("utf-8")
