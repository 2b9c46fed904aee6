"""Builds the compiled kernels: each ``.pyx`` beside them is one extension module.

None of them is needed. What cannot be built is noted in the package, and `crmcore.show_config`
gives the reason; the installation goes on, and NumPy does their work.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

PACKAGE = "crmcore.kernels.compiled"
FOLDER = Path(PACKAGE.replace(".", "/"))

# Floats are to be the same everywhere: no multiplication and addition in one step.
GCC = ["-std=c11", "-ffp-contract=off"]
# Whoever sets CFLAGS decides on these.
FAST = [] if "CFLAGS" in os.environ else ["-O3", "-g0"]
MSVC = ["/O2", "/std:c11", "/fp:precise"]


class Build(build_ext):
    """Builds what can be built, and notes why the rest could not be."""

    def run(self) -> None:
        """Build all extensions and leave the note, if there is anything to note."""
        self.reasons: dict[str, str] = {}
        super().run()
        note = Path(self.get_ext_fullpath(f"{PACKAGE}.any")).with_name("not_built.txt")
        note.unlink(missing_ok=True)
        if self.reasons:
            note.parent.mkdir(parents=True, exist_ok=True)
            lines = (f"{name}: {why}\n" for name, why in self.reasons.items())
            note.write_text("".join(lines), "utf-8")

    def build_extension(self, extension: Extension) -> None:
        """Build one extension; remember why it could not be built."""
        try:
            if find_spec("Cython") is None:
                raise CompileError("Cython is not installed")
            extension.extra_compile_args = (
                MSVC if self.compiler.compiler_type == "msvc" else FAST + GCC
            ) + extension.extra_compile_args
            super().build_extension(extension)
        except Exception as error:
            name = extension.name.rpartition(".")[2]
            self.reasons[name] = shorten(str(error), 100) or type(error).__name__
            # An error of Cython's own would not be forgiven an extension that is optional.
            raise CompileError(str(error)) from error


def extensions() -> list[Extension]:
    """Return one extension for each module in Cython."""
    headers = sorted(path.as_posix() for path in FOLDER.glob("*.h"))
    return [
        Extension(f"{PACKAGE}.{path.stem}", [path.as_posix()], depends=headers, optional=True)
        for path in sorted(FOLDER.glob("*.pyx"))
    ]


setup(ext_modules=extensions(), cmdclass={"build_ext": Build})
