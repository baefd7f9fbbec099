"""Puts `boards/` into a wheel, as data of the package: `--board NAME` finds them in a checkout or there.

Not into an editable install, where a folder `logicnn` without the package would hide it.
"""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Boards(BuildHookInterface):
    """Adds the folder."""

    def initialize(self, version, build_data):
        if version == "standard":
            build_data["force_include"]["boards"] = "logicnn/_boards"
