"""Compile the modules of COMPILED, where Cython and a C compiler are. Elsewhere their Python source runs, more slowly.

`python setup.py build_ext --inplace` puts them beside their sources. All other settings are in setup.cfg.
"""

from setuptools import Extension, setup

# The .py files have their C types in a .pxd file of the same name. The .pyx file has a twin in Python, DomTable.
COMPILED = (
    "pipeline/html/dom/dom_walk.py",
    "pipeline/html/dom/lexbor_table.pyx",
)
# No fused multiplications: sums of products are the same on every machine, and the same as without a compiler.
FLAGS = ["-O2", "-ffp-contract=off"]
DIRECTIVES = {"language_level": "3", "annotation_typing": False}


def list_extensions() -> list[Extension]:
    """Return the modules to compile; none where Cython is missing. One that cannot be compiled is left out."""
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    extensions = [
        Extension(path.rpartition(".")[0].replace("/", "."), [path], extra_compile_args=FLAGS, optional=True)
        for path in COMPILED
    ]
    return list(cythonize(extensions, build_dir="build/cython", compiler_directives=DIRECTIVES, quiet=True))


setup(ext_modules=list_extensions())
