"""How a setting is written down: its default, unit, meaning and limits in one place.

Who uses it: runtime.config_model and its sections. Thread: any. Never: a setting.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


def setting(default: Any, unit: str, text: str, **limits: Any) -> Any:
    """A field: default (... = must be given), unit ('' = none), meaning, and pydantic limits (ge, gt, le, max_length)."""
    return Field(default, description=text, json_schema_extra={"unit": unit}, **limits)


def section(model: type[BaseModel], text: str) -> Any:
    return Field(default_factory=model, description=text)


def wrong(at: str, text: str) -> PydanticCustomError:
    """A fault between fields; `at` is the field the error line points to."""
    return PydanticCustomError("between_fields", "{text}", {"text": text, "at": at})


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
