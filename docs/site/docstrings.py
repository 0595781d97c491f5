"""Extension of griffe: roles of reStructuredText in docstrings, such as ``:func:`nextbar.evaluate```, become links."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":(?:class|data|func|meth|mod):`~?(?P<name>[\w.]+)`")
LINK = r'<autoref identifier="\g<name>" optional><code>\g<name></code></autoref>'
"""a link where the reference has such a name, else the name"""


class Roles(Extension):
    """Rewrites the docstring of every object as it is loaded."""

    def on_instance(self, *, obj: Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = ROLE.sub(LINK, obj.docstring.value)
