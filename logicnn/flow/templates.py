"""Pages from templates of the package: every value in them is text, whatever it holds."""

from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

__all__ = ["rendered"]


@cache
def _environment(room: str) -> Environment:
    return Environment(
        loader=ChoiceLoader([PackageLoader("logicnn", room), PackageLoader("logicnn", "flow")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def rendered(template: str, room: str = "flow", **values: Any) -> str:
    """A template, by its file's name in the folder of a room or in this one, with these values."""
    return _environment(room).get_template(template).render(values)
