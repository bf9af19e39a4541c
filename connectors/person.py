"""The connector ``person``: somebody does the work, or decides, and gives the answer.

The engine starts nothing here. The work item waits in the work list with its form until it is
completed with an answer that the form accepts.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import attrs

from weft.connectors.options import (
    Kind,
    OptionFault,
    Unfit,
    as_mapping,
    describe,
    did_you_mean,
    option,
    options_schema,
    raise_option_faults,
    read_options,
    text,
)
from weft.engine.ports import Performer
from weft.schema.datatypes import DataType, InvalidDeclaration
from weft.schema.errors import UsageError
from weft.schema.jsonvalue import JsonValue

__all__ = ["PersonConnector", "PersonOptions", "Proposal", "decision", "form_schema"]

CHOICE = "choice"
"""The field of the answer that holds the choice."""

_FIELD_SCHEMA = "#/$defs/variable/$defs/field"
"""Where the JSON Schema of a field's declaration stands in that of a specification."""


_LINE = text()
_TEXT = text(empty=True)


def _read_form(value: JsonValue) -> DataType:
    if not isinstance(value, dict) or not value:
        raise Unfit(((), f"must be a mapping of fields to their types, not {describe(value)}"))
    try:
        return DataType.from_declaration({"type": "object", "fields": value})
    except InvalidDeclaration as error:
        raise Unfit(*((fault.path[1:], fault.message) for fault in error.faults)) from error


@attrs.frozen
class Proposal:
    """Something to choose: the word that is the answer, and what people read of it."""

    id: str
    label: str = ""
    description: str = ""

    def json_schema(self) -> dict[str, JsonValue]:
        """The one value that chooses it."""
        schema: dict[str, JsonValue] = {"const": self.id, "title": self.label or self.id}
        return schema | ({"description": self.description} if self.description else {})


def _read_proposal(value: JsonValue) -> Proposal:
    if not isinstance(value, dict):
        return Proposal(_LINE.read(value))
    faults: list[tuple[tuple[str | int, ...], str]] = []
    read: dict[str, str] = {}
    for key, item in value.items():
        if key not in ("id", "label", "description"):
            faults.append(((key,), f"unknown key {key!r}; accepted: id, label, description"))
            continue
        try:
            read[key] = (_LINE if key == "id" else _TEXT).read(item)
        except Unfit as unfit:
            faults += [((key, *path), message) for path, message in unfit.faults]
    if "id" not in value:
        faults.append(((), "'id' is missing: the word that is the answer"))
    if faults:
        raise Unfit(*faults)
    return Proposal(**read)


def _read_choices(value: JsonValue) -> tuple[Proposal, ...]:
    if not isinstance(value, list):
        raise Unfit(((), f"must be a list of texts, not {describe(value)}"))
    faults: list[tuple[tuple[str | int, ...], str]] = []
    proposals: list[Proposal] = []
    for index, element in enumerate(value):
        try:
            proposal = _read_proposal(element)
        except Unfit as unfit:
            faults += [((index, *path), message) for path, message in unfit.faults]
            continue
        if any(proposal.id == other.id for other in proposals):
            faults.append(((index,), f"{describe(proposal.id)} is in the list already"))
        proposals.append(proposal)
    if not value:
        faults.append(((), "must be a list of texts, not an empty one"))
    if faults:
        raise Unfit(*faults)
    return tuple(proposals)


_FORM: Kind[Any] = Kind(
    {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": _FIELD_SCHEMA}},
    _read_form,
)


_CHOICES: Kind[Any] = Kind(
    {
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {
            "anyOf": [
                dict(_LINE.schema),
                {
                    "type": "object",
                    "required": ["id"],
                    "additionalProperties": False,
                    "properties": {
                        "id": dict(_LINE.schema),
                        "label": dict(_TEXT.schema),
                        "description": dict(_TEXT.schema),
                    },
                },
            ]
        },
    },
    _read_choices,
)


@attrs.frozen(kw_only=True)
class PersonOptions:
    """The configuration of a task for a person: what is asked, of whom, and what may be said."""

    title: str = attrs.field(metadata=option(_LINE, "What is asked, in one line."))
    text: str = attrs.field(
        default="", metadata=option(_TEXT, "More about it, for the one who answers.")
    )
    choices: tuple[Proposal, ...] = attrs.field(
        default=(),
        metadata=option(
            _CHOICES,
            "What there is to choose from, each a text or {id, label, description}; the answer's "
            "field 'choice' is one of them, by its id.",
        ),
    )
    role: str | None = attrs.field(
        default=None, metadata=option(_LINE, "Who may do it: the name of a role.")
    )
    form: DataType | None = attrs.field(
        default=None, metadata=option(_FORM, "The fields of the answer, with their types.")
    )

    @property
    def ids(self) -> tuple[str, ...]:
        """The words to choose from."""
        return tuple(proposal.id for proposal in self.choices)

    def answer(self) -> DataType:
        """The type of the answer: an object with the choice and the fields of the form.

        With neither it may be anything.
        """
        if self.form is None and not self.choices:
            return DataType()
        fields = dict(self.form.fields or {}) if self.form is not None else {}
        required = self.form.required if self.form is not None else frozenset()
        if self.choices:
            fields = {CHOICE: DataType("string", enum=self.ids), **fields}
            required |= {CHOICE}
        return DataType("object", fields=fields, required=required)


def read_person_options(config: JsonValue, *, what: str = "person") -> PersonOptions:
    """The configuration, from its short form (the title) or its long one (a mapping).

    Raises:
        DefinitionErrors: With every fault.
    """
    if isinstance(config, str):
        config = {"title": config}
    wanted = "must be a title, or a mapping with 'title'"
    config = as_mapping(config, wanted=wanted, what=what)
    options = read_options(PersonOptions, config, what=what)
    if options.choices and options.form is not None and CHOICE in (options.form.fields or {}):
        message = f"the form has a field {CHOICE!r}, which is where the choice goes"
        raise_option_faults([OptionFault(message, what=what, path=("form", CHOICE))], what=what)
    return options


# ── the answer ───────────────────────────────────────────────────────────────────────────────


def form_schema(config: JsonValue) -> dict[str, JsonValue]:
    """What is asked of the person, as JSON Schema: ``title`` and the fields of the answer."""
    options = read_person_options(config)
    schema: dict[str, JsonValue] = {"title": options.title}
    if options.text:
        schema["description"] = options.text
    schema |= options.answer().json_schema()
    if any(p.label or p.description for p in options.choices):
        asked: Any = schema["properties"]
        asked[CHOICE]["oneOf"] = [proposal.json_schema() for proposal in options.choices]
    return schema


def decision(config: JsonValue, choice: str) -> dict[str, JsonValue]:
    """The answer that a bare choice stands for (``--decide TASK=CHOICE``): ``{"choice": …}``.

    Raises:
        UsageError: It is none of the choices, or the form asks for more than a choice.
    """
    options = read_person_options(config)
    if not options.choices:
        raise UsageError(f"{options.title!r} offers no choices to decide for", code="choice")
    if choice not in options.ids:
        raise UsageError(
            f"{choice!r} is none of the choices of {options.title!r}"
            f"{did_you_mean(choice, options.ids)}: {', '.join(options.ids)}",
            code="choice",
        )
    answer: dict[str, JsonValue] = {CHOICE: choice}
    if faults := options.answer().check(answer, "answer"):
        raise UsageError(
            f"{options.title!r} asks for more than a choice: {'; '.join(faults)}", code="choice"
        )
    return answer


class PersonConnector:
    """Work for people: nothing is started, an answer is awaited and checked."""

    kind = "person"
    automatic = False

    def bind(
        self,
        task: str,
        config: JsonValue,
        *,
        origin: Path | None,
        inputs: Collection[str] | None = None,
    ) -> Performer | None:
        """Check the configuration; nothing performs the work but the person."""
        del origin, inputs  # the person sees whatever inputs there are
        read_person_options(config, what=f"task {task!r}, person")
        return None

    def check_answer(self, config: JsonValue, data: JsonValue) -> list[str]:
        """What is wrong with an answer, one sentence each; nothing when it fits."""
        return read_person_options(config).answer().check(data, "answer")

    def form_schema(self, config: JsonValue) -> dict[str, JsonValue]:
        """See `form_schema`."""
        return form_schema(config)

    def decision(self, config: JsonValue, choice: str) -> dict[str, JsonValue]:
        """See `decision`."""
        return decision(config, choice)

    def role(self, config: JsonValue) -> str | None:
        """Who may do the work."""
        return read_person_options(config).role

    def result_type(self, config: JsonValue) -> DataType:
        """An object with the choice and the fields of the form; anything when there are none."""
        return read_person_options(config).answer()

    def json_schema(self) -> dict[str, JsonValue]:
        """The JSON Schema of what may stand at ``person:``.

        It refers to the declaration of a variable's type, which the schema of a specification
        holds.
        """
        return {"anyOf": [{"type": "string", "minLength": 1}, options_schema(PersonOptions)]}

    async def aclose(self) -> None:
        """Nothing to give back."""
