"""Compile the modules that have C types (a .pxd file) beside them, where Cython and a C compiler are.

Elsewhere their Python source runs, more slowly. `python setup.py build_ext --inplace` puts the compiled modules beside
their sources. All other settings are in setup.cfg.
"""

from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# No fused multiplications: sums of products are the same on every machine, and the same as without a compiler.
FLAGS = ["-O2", "-g0", "-ftree-vectorize", "-fvect-cost-model=dynamic", "-ffp-contract=off"]
DIRECTIVES = {"language_level": "3", "annotation_typing": False}
SHARED = "pipeline.html.dom.cython_shared"  # Cython's own code for arrays: once, which halves the time of compiling


class CompileWherePossible(build_ext):
    """Compiles modules, and goes on without one that cannot be compiled."""

    def build_extension(self, ext: Extension) -> None:
        """Compile a module; say in a line why it is left out."""
        try:
            super().build_extension(ext)
        except Exception as error:  # without a compiler, or with a broken one, tools raise errors of many kinds
            print(f"{ext.name} is not compiled, its source runs instead: {' '.join(str(error).split())[:120]}")


def list_extensions() -> list[Extension]:
    """Return the modules to compile; none where Cython is missing. One that cannot be compiled is left out."""
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    typed = (path.with_suffix(".py") for path in Path("pipeline").rglob("*.pxd"))
    sources = sorted([*typed, *Path("pipeline").rglob("*.pyx")])
    named = {".".join(path.with_suffix("").parts): str(path) for path in sources}
    named[SHARED] = SHARED.replace(".", "/") + ".c"  # which Cython writes
    extensions = [Extension(name, [path], extra_compile_args=FLAGS) for name, path in named.items()]
    made = cythonize(
        extensions,
        build_dir="build/cython",
        compiler_directives=DIRECTIVES,
        shared_utility_qualified_name=SHARED,
        quiet=True,
    )
    for extension in made:
        extension.optional = True  # which Cython does not hand on
    return list(made)


setup(ext_modules=list_extensions(), cmdclass={"build_ext": CompileWherePossible})
