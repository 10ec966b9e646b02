"""The stack machine of pickle, on descriptions instead of values: it imports nothing, makes nothing, calls nothing.

The opcodes and the shape of their arguments are pickletools' own tables; the reading is ours, because a long argument
must be stepped over, not read into memory. Where pickle and this machine could differ, this one goes on.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

SHOWN_MAX: Final = 200
"""Calls and names that are told, and characters of each."""
OPCODES: Final = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
_READ_MAX: Final = 4096
_LENGTHS: Final = {
    pickletools.TAKEN_FROM_ARGUMENT1: (1, False),
    pickletools.TAKEN_FROM_ARGUMENT4: (4, True),
    pickletools.TAKEN_FROM_ARGUMENT4U: (4, False),
    pickletools.TAKEN_FROM_ARGUMENT8U: (8, False),
}
_TEXTS: Final = frozenset(
    {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
)
_WORDS: Final = {
    "NONE": "None", "NEWTRUE": "True", "NEWFALSE": "False", "EMPTY_LIST": "[]", "EMPTY_DICT": "{}", "EMPTY_SET": "set()",
    "LIST": "[…]", "APPEND": "[…]", "APPENDS": "[…]", "DICT": "{…}", "SETITEM": "{…}", "SETITEMS": "{…}",
}  # fmt: skip


class Broken(Exception):
    """pickle.load would stop here."""


class Text(str):
    """A string that the pickle holds."""

    __slots__ = ()


class Live(str):
    """Something imported, or the result of a call: what can be called, and can be anything. All else is plain data."""

    __slots__ = ()


_FILLED: Final = (pickletools.pylist, pickletools.pydict, pickletools.pyset)
"""What APPEND, SETITEM and their like write into; were it no plain container, that would be a call of its method."""
_PIECE: Final = 1 << 20
MARK: Final = Text("(")
"""One object, told from any equal text by its identity."""


@dataclass(slots=True)
class Walk:
    """What was seen: names it imports, calls it makes, whether it came to its end, and where it stopped."""

    imports: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    ended: bool = False
    steps: int = 0
    end: int = 0

    def called(self, what: str) -> Live:
        """Note a call; its result."""
        if len(self.calls) < SHOWN_MAX:
            self.calls.append(what[:SHOWN_MAX])
        return Live(what[:SHOWN_MAX])

    def imported(self, module: object, name: object) -> Live:
        """Note a name; what it stands for."""
        what = f"{module}.{name}"[:SHOWN_MAX].replace("\n", " ")
        if len(self.imports) < SHOWN_MAX and what not in self.imports:
            self.imports.append(what)
        return Live(what)


class Machine:
    """The stack machine of a pickle, on descriptions."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self._source, self._size = source, size
        self._stack: list[str] = []
        self._memo: dict[int, str] = {}
        self.walk = Walk()

    def step(self) -> None:
        """Read one opcode and do to the descriptions what pickle would do to the values. Raises Broken."""
        opcode = OPCODES.get(self._source.read(1))
        if opcode is None:
            raise Broken
        argument = self._argument(opcode)
        act = _ACTS.get(opcode.name)
        if act:
            act(self, argument)
        else:
            self._plain(opcode, argument)
        self.walk.steps += 1

    def pop(self) -> str:
        """The top of the stack, which must not be a mark. Raises Broken."""
        if not self._stack or self._stack[-1] is MARK:
            raise Broken
        return self._stack.pop()

    def push(self, what: str) -> None:
        """Put a description on the stack."""
        self._stack.append(what)

    def drop(self) -> None:
        """Take the top away, were it a mark. Raises Broken."""
        if not self._stack:
            raise Broken
        self._stack.pop()

    def pop_live(self) -> Live:
        """The top, which must be something that can be called or changed. Raises Broken, as calling a number would."""
        top = self.pop()
        if not isinstance(top, Live):
            raise Broken
        return top

    def to_mark(self) -> list[str]:
        """Everything above the last mark, without it. Raises Broken when there is none."""
        found: list[str] = []
        while self._stack:
            if (top := self._stack.pop()) is MARK:
                return found[::-1]
            found.append(top)
        raise Broken

    def top(self) -> str:
        """The top of the stack, left there. Raises Broken."""
        self.push(top := self.pop())
        return top

    def keep(self, number: int | None) -> None:
        """Remember the top under a number; None: the next one."""
        self._memo[len(self._memo) if number is None else number] = self.top()

    def recall(self, number: int) -> None:
        """Push what was remembered. Raises Broken when there is nothing."""
        if number not in self._memo:
            raise Broken
        self.push(self._memo[number])

    def stop(self) -> None:
        """The end; pickle.load wants a value there."""
        self.pop()
        self.walk.ended = True

    def _plain(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:  # noqa: ANN401 str, int or None
        """An opcode that takes and gives values without a name or a call."""
        for taken in reversed(opcode.stack_before):
            if taken is pickletools.stackslice:
                continue
            if taken is pickletools.markobject:
                self.to_mark()
            elif isinstance(top := self.pop(), Live) and taken in _FILLED:
                self.walk.called(f"{top}.{opcode.name.lower()}(…)")
        text = opcode.name in _TEXTS
        for _given in opcode.stack_after:
            self.push(Text(argument) if text else _said(opcode.name, argument))

    def _argument(self, opcode: pickletools.OpcodeInfo) -> Any:  # noqa: ANN401 str, int, tuple or None
        if opcode.arg is None:
            return None
        length = opcode.arg.n
        if length == pickletools.UP_TO_NEWLINE:
            lines = 2 if opcode.name in {"GLOBAL", "INST"} else 1
            words = [self._line() for _ in range(lines)]
            return _read_line(opcode.name, words)
        if length in _LENGTHS:
            return self._counted(*_LENGTHS[length]).decode("utf-8", "replace")
        return int.from_bytes(self._exactly(length), "little")

    def _line(self) -> str:
        line = rest = self._source.readline(_READ_MAX)
        while rest and not rest.endswith(b"\n"):
            rest = self._source.readline(_PIECE)
        if not rest:
            raise Broken
        return line.rstrip(b"\r\n").decode("utf-8", "replace")

    def _counted(self, width: int, signed: bool) -> bytes:  # noqa: FBT001 as int.from_bytes names it
        length = int.from_bytes(self._exactly(width), "little", signed=signed)
        if not 0 <= length <= self._size - self._source.tell():
            raise Broken
        piece = self._exactly(min(length, _READ_MAX))
        self._source.seek(length - len(piece), 1)
        return piece

    def _exactly(self, length: int) -> bytes:
        piece = self._source.read(length)
        if len(piece) != length:
            raise Broken
        return piece


def _read_line(name: str, words: list[str]) -> Any:  # noqa: ANN401 str, int or two strings
    if name in {"GLOBAL", "INST"}:
        return words
    if name in {"GET", "PUT"}:
        try:
            return int(words[0])
        except ValueError as fault:
            raise Broken from fault
    return words[0].strip("'\"") if name == "STRING" else words[0]


def _said(name: str, argument: object) -> str:
    if argument is None:
        return _WORDS.get(name, f"<{name.lower().replace('_', ' ')}>")
    return f"{argument}"[:SHOWN_MAX]


def _listed(values: list[str]) -> str:
    return ", ".join(repr(str(v)) if isinstance(v, Text) else v for v in values[:8])[:SHOWN_MAX]


def _proto(_machine: Machine, version: int) -> None:
    if version > 5:
        raise Broken


def _global(machine: Machine, words: list[str]) -> None:
    machine.push(machine.walk.imported(*words))


def _stack_global(machine: Machine, _argument: None) -> None:
    name, module = machine.pop(), machine.pop()
    if not (isinstance(name, Text) and isinstance(module, Text)):
        raise Broken
    machine.push(machine.walk.imported(module, name))


def _extension(machine: Machine, code: int) -> None:
    machine.push(machine.walk.imported("copyreg extension", code))


def _inst(machine: Machine, words: list[str]) -> None:
    values = machine.to_mark()
    machine.push(machine.walk.called(f"{machine.walk.imported(*words)}({_listed(values)})"))


def _obj(machine: Machine, _argument: None) -> None:
    values = machine.to_mark()
    if not values or not isinstance(values[0], Live):
        raise Broken
    machine.push(machine.walk.called(f"{values[0]}({_listed(values[1:])})"))


def _reduce(machine: Machine, _argument: None) -> None:
    values, what = machine.pop(), machine.pop_live()
    machine.push(machine.walk.called(f"{what}{_arguments(values)}"))


def _newobj(machine: Machine, _argument: None) -> None:
    values, what = machine.pop(), machine.pop_live()
    machine.push(machine.walk.called(f"{what}.__new__{_arguments(values)}"))


def _newobj_ex(machine: Machine, _argument: None) -> None:
    named, values, what = machine.pop(), machine.pop(), machine.pop_live()
    machine.push(machine.walk.called(f"{what}.__new__(*{values}, **{named})"))


def _build(machine: Machine, _argument: None) -> None:
    state, what = machine.pop(), machine.pop_live()
    machine.push(what)
    machine.walk.called(f"{what}.__setstate__({state})")


def _arguments(values: str) -> str:
    return values if values.startswith("(") else f"(*{values})"


def _tuple(machine: Machine, values: list[str]) -> None:
    machine.push(f"({_listed(values)})"[:SHOWN_MAX])


def _tuple_of(count: int) -> Callable[[Machine, None], None]:
    def act(machine: Machine, _argument: None) -> None:
        _tuple(machine, [machine.pop() for _ in range(count)][::-1])

    return act


def _binpersid(machine: Machine, _argument: None) -> None:
    machine.push(f"<persistent {machine.pop()}>"[:SHOWN_MAX])


_ACTS: Final[dict[str, Callable[[Machine, Any], None]]] = {
    "PROTO": _proto,
    "FRAME": lambda _machine, _argument: None,
    "MARK": lambda machine, _argument: machine.push(MARK),
    "STOP": lambda machine, _argument: machine.stop(),
    "POP": lambda machine, _argument: machine.drop(),
    "DUP": lambda machine, _argument: machine.push(machine.top()),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "EXT1": _extension,
    "EXT2": _extension,
    "EXT4": _extension,
    "INST": _inst,
    "OBJ": _obj,
    "REDUCE": _reduce,
    "NEWOBJ": _newobj,
    "NEWOBJ_EX": _newobj_ex,
    "BUILD": _build,
    "TUPLE": lambda machine, _argument: _tuple(machine, machine.to_mark()),
    "EMPTY_TUPLE": _tuple_of(0),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "BINPERSID": _binpersid,
    "PUT": lambda machine, number: machine.keep(number),
    "BINPUT": lambda machine, number: machine.keep(number),
    "LONG_BINPUT": lambda machine, number: machine.keep(number),
    "MEMOIZE": lambda machine, _argument: machine.keep(None),
    "GET": lambda machine, number: machine.recall(number),
    "BINGET": lambda machine, number: machine.recall(number),
    "LONG_BINGET": lambda machine, number: machine.recall(number),
}
