"""The command line: one sentence for each thing that can go wrong."""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

import frazil
from frazil.commands import COMMANDS

NOT_A_BUG = ValueError, OSError, FloatingPointError
"""Errors that say in a sentence what the user can do; others are ours, and keep their traceback."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 for an error, 2 for a misuse, 130 after Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:
        print(f"frazil {frazil.__version__}")
        return 0
    name = _find(words)
    if name is None:
        return _help_or_hint(words)
    try:
        return _run(name, words[len(name.split()) :])
    except KeyboardInterrupt as stop:
        # The training loop says how far it came, and with which code to exit.
        message, code = stop.args if len(stop.args) == 2 else ("interrupted", 130)
        print(f"frazil: {message}", file=sys.stderr)
        return code
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does: stay silent, also while Python closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get("FRAZIL_DEBUG") == "1" or not _has_sentence(error):
            raise
        print(f"frazil: error: {_sentence(error)}", file=sys.stderr)
        return 1


def _find(words: list[str]) -> str | None:
    """The command that the first words name."""
    return next((name for name in COMMANDS if words[: len(name.split())] == name.split()), None)


def _run(name: str, arguments: list[str]) -> int:
    command = COMMANDS[name]
    module = importlib.import_module(command.module)
    import tyro

    from frazil.data.memory import keep_freed_memory

    keep_freed_memory()
    options = tyro.cli(
        getattr(module, command.options),
        prog=f"frazil {name}",
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    if getattr(options, "seed", 0) < 0:
        raise ValueError(f"--seed must not be negative, it is {options.seed}")
    if hasattr(options, "given"):
        options = replace(options, given=_given(arguments))
    code = getattr(module, command.function)(options)
    return code if isinstance(code, int) else 0


def _given(arguments: list[str]) -> tuple[str, ...]:
    """Names of the options among a command's words."""
    flags = [word.split("=")[0] for word in arguments if word.startswith("--")]
    return tuple(flag[2:].replace("-", "_") for flag in flags)


def _has_sentence(error: Exception) -> bool:
    # By name, because importing torch for its class would cost every error a second.
    return isinstance(error, NOT_A_BUG) or type(error).__name__ == "OutOfMemoryError"


def _sentence(error: Exception) -> str:
    """One line, with the file first where the operating system names one."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _help_or_hint(words: list[str]) -> int:
    """The table for a call for help, a hint for a word that is no command."""
    group = words[0] if words else ""
    if not words or group in ("-h", "--help"):
        print(_table(list(COMMANDS)))
        return 0
    members = [name for name in COMMANDS if name.split()[0] == group]
    if members and (len(words) == 1 or words[1] in ("-h", "--help")):
        print(_table(members))
        return 0
    wrong = " ".join(words[:2]) if members else group
    near = difflib.get_close_matches(wrong, [*COMMANDS, *(name.split()[0] for name in COMMANDS)], n=1)
    hint = f"; did you mean {near[0]}?" if near else "; `frazil --help` lists them"
    print(f"frazil: error: there is no command {wrong!r}{hint}", file=sys.stderr)
    return 2


def _table(names: list[str]) -> str:
    width = max(map(len, names))
    rows = [f"  {name:{width}}  {COMMANDS[name].help}" for name in names]
    return "\n".join(
        [
            "usage: frazil COMMAND [options]",
            "",
            frazil.__doc__.strip() if frazil.__doc__ else "",
            "",
            *rows,
            "",
            "`frazil COMMAND --help` lists a command's options; FRAZIL_DEBUG=1 shows where an error came from.",
        ]
    )
