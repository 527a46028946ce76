import os
import socket


def writes(path):
    try:
        with open(path, "w") as file:
            file.write("x")
        return True
    except OSError:
        return False


def reaches_out():
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=0.5).close()
    except socket.timeout:
        return True
    except OSError:
        return False
    return True


def handler(data, context):
    return {
        "is_root": os.getuid() == 0,
        "folder": os.getcwd(),
        "writes_code": writes("/workspace/x"),
        "writes_root": writes("/x"),
        "writes_tmp": writes("/tmp/x"),
        "reaches_out": reaches_out(),
    }
