"""Installs packages into a folder with pip, and compiles them: `install.py FOLDER PIP_ARGUMENT...`.

Byte code that is never checked against its source, since times of modification don't outlive a deployment.
"""
import compileall
import glob
import os
import py_compile
import runpy
import sys

_PIP = "/usr/local/lib/pip"


def pip_path():
    """Where pip can be imported from: its own folder, else the wheel that came with Python."""
    if os.path.isdir(os.path.join(_PIP, "pip")):
        return _PIP
    try:
        import ensurepip
    except ImportError:
        sys.exit("this runtime's Python came without pip, so it can't install dependencies")
    wheels = glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl"))
    if not wheels:
        sys.exit("this runtime's Python came without pip, so it can't install dependencies")
    return wheels[0]


def run_pip(arguments):
    """Runs pip as a program would be; its exit code."""
    sys.path.insert(0, pip_path())
    sys.argv = ["pip"] + arguments
    try:
        runpy.run_module("pip", run_name="__main__", alter_sys=True)
    except SystemExit as request:
        return request.code
    return 0


def main():
    """Installs, then compiles."""
    folder = sys.argv[1]
    code = run_pip(["install", "--target=" + folder] + sys.argv[2:])
    if code:
        sys.exit(code)
    # A package may have files for other versions of Python; those are never imported.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, quiet=2, invalidation_mode=mode)


if __name__ == "__main__":
    main()
