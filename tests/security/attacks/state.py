# Who a sandbox is, what it keeps, and what it sees.
import os
import socket
import time

own_id = os.urandom(16).hex()
kept = []
count = 0


def plant(word):
    for folder in ("/tmp", "/dev/shm"):
        try:
            with open(folder + "/planted", "w") as file:
                file.write(word)
        except OSError:
            pass
    with socket.socket(socket.AF_UNIX) as unix, socket.socket() as tcp:
        for one, where in ((unix, "\0planted"), (tcp, ("127.0.0.1", 47113))):
            try:
                one.bind(where)
                one.listen()
            except OSError:
                pass
        time.sleep(1.5)
    return word


def connects(family, where):
    with socket.socket(family) as one:
        return one.connect_ex(where) == 0


def look():
    seen = []
    for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run"):
        if os.path.isdir(folder):
            seen += [folder + "/" + name for name in os.listdir(folder) if "planted" in name]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if "planted" in open("/proc/%s/cmdline" % pid).read():
                seen.append("process " + pid)
        except OSError:
            pass
    if connects(socket.AF_UNIX, "\0planted"):
        seen.append("abstract socket")
    if connects(socket.AF_INET, ("127.0.0.1", 47113)):
        seen.append("port")
    if "planted" in socket.gethostname():
        seen.append("hostname")
    return seen


def spoil(data, context):
    """Changes all that it was given, and keeps it."""
    view = {"word": data["word"], "header": context["headers"].get("x-word"), "query": context["query"].get("word"),
            "earlier": len([1 for one, _ in kept if one["word"] == data["word"]])}
    kept.append((data, context))
    data["word"] = "spoilt"
    for mapping in (context["headers"], context["query"], context["env"], context):
        for name in list(mapping):
            mapping[name] = "spoilt"
    return view


def handler(data, context):
    global count
    way = data.get("way")
    if way == "plant":
        return plant(data["word"])
    if way == "look":
        return look()
    if way == "reuse":
        return spoil(data, context)
    if way == "sleep":
        time.sleep(data["ms"] / 1000)
        return os.environ.get("WORD")
    if way == "throw":
        print("about to")
        raise ValueError("as asked")
    if way == "count":
        count += 1
        with open("/tmp/count", "a") as file:
            file.write("x")
        print("counted")
        return [count, os.path.getsize("/tmp/count")]
    return {"id": own_id, "word": os.environ.get("WORD")}
