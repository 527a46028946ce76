# What honest code asks of the machine. Each idiom is true, or raises.
import datetime, gc, getpass, locale, multiprocessing, os, platform, pwd, resource, shutil, signal, socket, sys, sysconfig
import tempfile, time, tracemalloc, uuid


def zones():
    try:
        from zoneinfo import ZoneInfo
    except ImportError:  # Before 3.9.
        return True
    at = datetime.datetime(2024, 1, 31, 15, tzinfo=datetime.timezone.utc)
    return at.astimezone(ZoneInfo("Asia/Tokyo")).day == 1


def local_time():
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    names = time.tzname
    del os.environ["TZ"]
    time.tzset()
    return names == ("CET", "CEST")


def traced():
    tracemalloc.start()
    kept = ["x"] * 1000
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size > 0 and kept


IDIOMS = {
    "cores": lambda: os.cpu_count() > 0 and multiprocessing.cpu_count() > 0 and len(os.sched_getaffinity(0)) > 0,
    "memory": lambda: os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") > 1e6,
    "load": lambda: len(os.getloadavg()) == 3 and os.times().user >= 0,
    "user": lambda: getpass.getuser() and pwd.getpwuid(os.getuid()).pw_name and os.getuid() > 0 and os.getgid() > 0,
    "names": lambda: socket.gethostname() and platform.node() and platform.platform() and os.uname().sysname == "Linux",
    "folders": lambda: os.path.expanduser("~") == tempfile.gettempdir() == "/tmp" and os.getcwd() == "/workspace",
    "use of resources": lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0 and resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0,
    "clocks": lambda: time.time() > 1.7e9 and time.monotonic() > 0 and time.perf_counter() > 0 and time.process_time() > 0,
    "time zones": zones,
    "local time": local_time,
    "languages": lambda: locale.setlocale(locale.LC_ALL, "") and locale.getpreferredencoding() == sys.getfilesystemencoding().upper() == "UTF-8",
    "identifiers": lambda: uuid.uuid1() != uuid.uuid4() and uuid.getnode() > 0,
    "installation": lambda: os.path.exists(sys.executable) and sysconfig.get_paths()["stdlib"] and shutil.which("python3") == sys.executable,
    "memory in detail": lambda: traced() and gc.collect() >= 0 and sys.getsizeof([]) > 0 and signal.getsignal(signal.SIGTERM) is not None,
}


def handler(data, context):
    failed = {}
    for name, idiom in IDIOMS.items():
        try:
            assert idiom()
        except Exception as error:
            failed[name] = "%s: %s" % (type(error).__name__, error)
    return {"count": len(IDIOMS), "failed": failed}
