"""How a setting is written down: its default, unit, meaning and limits in one place.

Who uses it: runtime.config_model and its sections. Thread: any. Never: a setting.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

# What a running bot does where the file says something else: take it, wait for a restart, or take nothing of that file at all.
Change = Literal["live", "restart", "never"]
OTHERWISE: Change = "restart"


def setting(default: Any, unit: str, text: str, change: Change | None = None, **limits: Any) -> Any:
    """A field: default (... = must be given), unit ('' = none), meaning, and pydantic limits (ge, gt, le, max_length).

    `change` is the class of the field; without one it has that of its section.
    """
    return Field(default, description=text, json_schema_extra={"unit": unit, **_class_of(change)}, **limits)


def section(model: type[BaseModel], text: str, change: Change | None = None) -> Any:
    return Field(default_factory=model, description=text, json_schema_extra=_class_of(change))


def _class_of(change: Change | None) -> dict[str, Any]:
    return {} if change is None else {"change": change}


def wrong(at: str, text: str) -> PydanticCustomError:
    """A fault between fields; `at` is the field the error line points to."""
    return PydanticCustomError("between_fields", "{text}", {"text": text, "at": at})


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
