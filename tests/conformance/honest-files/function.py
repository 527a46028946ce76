# What honest code does with files. Each idiom is true, or raises.
import csv, fcntl, glob, mmap, os, pathlib, pickle, shutil, tarfile, tempfile, zipfile

folder = None


def written(name):
    (folder / name).write_text(name)
    return folder / name


def temporary_folder():
    with tempfile.TemporaryDirectory() as made:
        shutil.copytree(folder, os.path.join(made, "copy"))
    return not os.path.exists(made)


def temporary_file():
    with tempfile.NamedTemporaryFile("w+") as file, tempfile.TemporaryFile() as other, tempfile.SpooledTemporaryFile(10) as third:
        file.write("text")
        other.write(b"x" * 100)
        third.write(b"x" * 100)
        file.flush()
        return open(file.name).read() == "text"


def lock():
    with open(written("lock"), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True


def mapped():
    with open(written("mapped"), "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[0:1] = b"M"
    return (folder / "mapped").read_text() == "Mapped" and len(mmap.mmap(-1, 1 << 16)) == 1 << 16


def archives():
    with zipfile.ZipFile(folder / "a.zip", "w") as archive, tarfile.open(folder / "a.tgz", "w:gz") as other:
        archive.write(__file__, "f")
        other.add(__file__, "f")
    return zipfile.ZipFile(folder / "a.zip").namelist() == tarfile.open(folder / "a.tgz").getnames() == ["f"]


def links():
    os.symlink(written("to"), folder / "symbolic")
    os.link(folder / "to", folder / "hard")
    return os.path.samefile(folder / "symbolic", folder / "hard")


def times():
    os.utime(written("old"), (1, 2))
    os.chmod(folder / "old", 0o600)
    return os.stat(folder / "old").st_mtime == 2


def sized():
    with open(folder / "sized", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 4096)
        os.ftruncate(file.fileno(), 100)
        os.fsync(file.fileno())
    return os.path.getsize(folder / "sized") == 100


def rows():
    with open(folder / "rows", "w", newline="") as file:
        csv.writer(file).writerow([1, "ü"])
    return next(csv.reader(open(folder / "rows"))) == ["1", "ü"]


def devices():
    with open("/dev/null", "w") as null:
        null.write("x")
    return len(os.urandom(16)) == 16 and len(open("/dev/zero", "rb").read(4)) == 4


def moved():
    os.replace(written("from"), folder / "moved")
    return shutil.move(str(folder / "moved"), str(folder / "again")) and (folder / "again").exists()


IDIOMS = {
    "write and read": lambda: written("a").read_text() == "a",
    "temporary folder": temporary_folder,
    "temporary file": temporary_file,
    "lock": lock,
    "mapped": mapped,
    "archives": archives,
    "links": links,
    "times": times,
    "sized": sized,
    "rows": rows,
    "devices": devices,
    "moved": moved,
    "search": lambda: written("x.txt") and glob.glob(str(folder / "*.txt")) and list(os.scandir(folder)) and shutil.disk_usage(folder).free,
    "pickle": lambda: (folder / "p").write_bytes(pickle.dumps([1])) and pickle.loads((folder / "p").read_bytes()) == [1],
}


def handler(data, context):
    global folder
    folder = pathlib.Path(tempfile.mkdtemp())
    failed = {}
    for name, idiom in IDIOMS.items():
        try:
            assert idiom()
        except Exception as error:
            failed[name] = "%s: %s" % (type(error).__name__, error)
    return {"count": len(IDIOMS), "failed": failed}
