"""Checks the syntax of a Python function: `check.py DIR MAIN ENTRY_POINT`.

Prints `index.py:3:5: SyntaxError: …` with the line itself and exits 1, or writes the name of the file to load into
`DIR/.cloudbox-main` and exits 0. All files of the folder are checked, the main one first.
Code that can't have the handler, since its top level has no such name, is refused as well.
"""
import os
import re
import sys
import warnings

# Where installed dependencies are: their syntax is their authors' business, and may be another version's.
_SKIPPED = {"__pycache__", "node_modules", "site-packages", "vendor", ".venv", "venv"}

# As in cloudbox_forms.py: names that are no choice, and what else the handler may be called then.
_ANY_NAME = ("handler", "main", "index", "default")
_USUAL = ("handler", "lambda_handler", "handle", "app", "application", "main")


def error_of(folder, name):
    """What is wrong with the file, or None."""
    with open(os.path.join(folder, name), "rb") as file:
        source = file.read()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        place = "%s:%d:%d" % (name, error.lineno or 1, error.offset or 1)
        lines = source.decode("utf-8", "replace").splitlines()
        at = (error.lineno or 1) - 1
        line = lines[at].rstrip() if at < len(lines) else ""
        return "%s: %s: %s\n%s" % (place, type(error).__name__, error.msg, line)
    except (ValueError, RecursionError, MemoryError) as error:
        return "%s:1:1: SyntaxError: %s" % (name, error or "the code is nested too deeply")
    return None


def python_files(folder):
    """The names of the folder's own Python files, relative to it."""
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(files):
            if name.endswith(".py"):
                yield os.path.relpath(os.path.join(at, name), folder)


# Code that may give its module names that aren't written at its top level.
_MAKES_NAMES = re.compile(r"import\s*\*|\b(?:globals|setattr|exec|vars|modules|locals|global|__getattr__)\b")


def has_entry_point(folder, name, wanted):
    """Whether the module could have a function of one of these names."""
    with open(os.path.join(folder, name), "rb") as file:
        source = file.read()
    if _MAKES_NAMES.search(source.decode("utf-8", "replace")):
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = compile(source, name, "exec", dont_inherit=True).co_names
    return any(one in names for one in wanted)


def main(folder, name, entry_point):
    """The exit code."""
    if not os.path.isfile(os.path.join(folder, name)):
        print("%s: no such file in the code" % name, file=sys.stderr)
        return 1
    for file in [name] + [other for other in python_files(folder) if other != name]:
        error = error_of(folder, file)
        if error is not None:
            print(error, file=sys.stderr)
            return 1
    wanted = entry_point.rsplit(".", 1)[-1]
    if not has_entry_point(folder, name, (wanted,) + (_USUAL if wanted in _ANY_NAME else ())):
        print('%s: no function "%s" to call: nothing of this name is at the top level' % (name, wanted), file=sys.stderr)
        return 1
    with open(os.path.join(folder, ".cloudbox-main"), "w", encoding="utf-8") as file:
        file.write(name)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        print("usage: check.py DIR MAIN ENTRY_POINT", file=sys.stderr)
        sys.exit(2)
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3]))
