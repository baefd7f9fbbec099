"""Pages from the templates of this folder: every value in them is text, whatever it holds."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["rendered"]

ENVIRONMENT = Environment(
    loader=PackageLoader("logicnn", "flow"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def rendered(template: str, **values: Any) -> str:
    """A template, by its file's name, with these values."""
    return ENVIRONMENT.get_template(template).render(values)
