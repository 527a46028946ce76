# What the shim is made of, replaced by something that lies or raises.
import asyncio, base64, fcntl, gc, importlib, io, json, os, random, select, signal, struct, sys, threading, time, traceback
import _thread


def lie(*_, **__):
    raise RuntimeError("forged")


def patch():
    for module, names in [
        (json, "dumps loads JSONEncoder JSONDecoder"), (struct, "pack unpack Struct"), (base64, "b64encode b64decode"),
        (os, "read write close fork waitpid getpid _exit dup2 open pipe kill"), (fcntl, "fcntl"), (select, "select"),
        (time, "time sleep monotonic"), (gc, "collect freeze"), (traceback, "format_exception"), (threading, "Thread enumerate"),
        (_thread, "_count allocate_lock start_new_thread"), (asyncio, "new_event_loop all_tasks"), (random, "seed random"),
        (signal, "signal"), (sys, "exit _getframe exc_info"), (io, "StringIO"), (importlib, "import_module"),
    ]:
        for name in names.split():
            setattr(module, name, lie)
    sys.stdout = sys.stderr = None
    sys.modules["json"] = sys.modules["os"] = sys.modules["cloudbox_answer"] = None
    sys.path[:] = []
    sys.excepthook = threading.excepthook = lie


def handler(data, context):
    if data.get("way") == "patch":
        patch()
    return data["probe"]
