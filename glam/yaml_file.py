"""YAML as people expect it, in a file of fields: recipes and papers."""

import re
from pathlib import Path
from typing import Any

import yaml

from glam.errors import GlamError


class Loader(yaml.SafeLoader):
    """YAML as people expect it: 1e-4 is a number, only true and false are booleans, no field stands twice.

    The name of a field is its text, whatever it looks like.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The fields of a mapping, by their names. Raises ConstructorError where one is no word, or stands twice."""
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            mark = key_node.start_mark
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "the name of a field is not a word", mark)
            if key_node.value in mapping:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the field {key_node.value!r} is there twice", mark
                )
            mapping[key_node.value] = self.construct_object(value_node, deep=True)
        return mapping


_RESOLVED = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "timestamp"))
Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _RESOLVED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^(?:0|[-+]?[1-9][0-9]*)$"), list("-+0123456789"))
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def read_mapping(path: Path, kind: str) -> dict[str, Any]:
    """The fields of a YAML file that is a `kind`; none where it is empty. Raises GlamError where it is no such file."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)
    except FileNotFoundError:
        raise GlamError(f"{path}: there is no such {kind} file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise GlamError(f"{path}: cannot be read ({error})") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        detail = " ".join(str(error).split())
        raise GlamError(f"{path}: not a {kind} in YAML: {detail[:300]}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise GlamError(f"{path}: expected sections with fields, found {type(content).__name__}")
    return content
