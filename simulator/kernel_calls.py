"""How one compiled function reaches another: its optimised LLVM is laid into the caller, and nothing else is made of it.

numba makes of every function that another calls a library of its own: machine code, a wrapper for Python that unpacks every
array of every record, a file in the cache. The engine has five hundred such functions and Python calls a dozen. Here a call
from compiled code asks only for LLVM; what Python calls is compiled by numba as ever. Compiling the engine takes half as long.
"""

from __future__ import annotations

from typing import Any

from numba.core import compiler, sigutils, typing
from numba.core.codegen import CPUCodeLibrary


class LaidIn(CPUCodeLibrary):
    """A library that is linked into its callers' and never becomes machine code."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class Calls:
    """What compiled code sees of a numba dispatcher: templates to type a call by, and what it links."""

    def __init__(self, dispatcher: Any) -> None:
        self._dispatcher = dispatcher
        self._found: dict[tuple[Any, ...], Any] = {}  # by types of arguments

    def get_call_template(self, args: Any, kws: Any) -> tuple[Any, Any, Any, Any]:
        """As numba's: (template, signature of the Python function, arguments, keywords) of a call with these types."""
        signature, types = self._dispatcher._compiler.fold_argument_types(args, kws)
        if tuple(types) not in self._found:
            self._found[tuple(types)] = self._compiled(tuple(types))
        name = self._dispatcher.py_func.__name__
        template = typing.make_concrete_template(f"CallTemplate({name})", name, [x.signature for x in self._found.values()])
        return template, signature, types, {}

    def get_overload(self, sig: Any) -> Any:
        """As numba's: the key under which the target knows the function of these types."""
        return self._found[tuple(sigutils.normalize_signature(sig)[0])].library

    def _compiled(self, types: tuple[Any, ...]) -> Any:
        made = self._dispatcher._compiler
        target, flags = made.targetdescr.target_context, compiler.Flags()
        made.targetdescr.options.parse_as_flags(flags, made.targetoptions)
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        found = compiler.compile_extra(
            made.targetdescr.typing_context,
            target,
            self._dispatcher.py_func,
            args=types,
            return_type=None,
            flags=flags,
            locals=made.locals,
            library=LaidIn(target.codegen(), self._dispatcher.py_func.__qualname__),
            pipeline_class=made.pipeline_class,
        )
        target.insert_user_function(found.library, found.fndesc, [found.library])
        return found


def lay_into_callers(dispatcher: Any) -> None:
    """Let compiled code call `dispatcher` by laying it in."""
    calls = Calls(dispatcher)
    dispatcher.get_call_template, dispatcher.get_overload = calls.get_call_template, calls.get_overload
