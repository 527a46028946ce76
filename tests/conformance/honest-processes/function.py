# What honest code does with threads, processes and memory. Each idiom is true, or raises.
import asyncio, concurrent.futures, contextvars, faulthandler, gc, multiprocessing, os, queue, signal, subprocess, sys, threading
import time, weakref


def threads():
    jobs, done, lock = queue.Queue(), [], threading.Lock()

    def work():
        while True:
            job = jobs.get()
            if job is None:
                return
            with lock:
                done.append(job * 2)

    started = [threading.Thread(target=work) for _ in range(4)]
    for one in started:
        one.start()
    for job in list(range(20)) + [None] * 4:
        jobs.put(job)
    for one in started:
        one.join()
    return sorted(done) == [2 * job for job in range(20)]


def pool():
    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        return list(executor.map(abs, range(-50, 0))) == list(range(50, 0, -1))


def program():
    answer = subprocess.run([sys.executable, "-c", "print(input())"], input="word\n", capture_output=True, text=True, check=True)
    return answer.stdout == "word\n" and subprocess.check_output([sys.executable, "-c", "print(1)"]) == b"1\n"


def ended_program():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        try:
            child.wait(0.05)
        except subprocess.TimeoutExpired:
            child.terminate()
        return child.wait() == -signal.SIGTERM


def forked():
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    return os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 7


def process():
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=theirs.send, args=("hi",))
    child.start()
    answer = ours.recv()
    child.join()
    return answer == "hi" and child.exitcode == 0


def alarm():
    rung = []
    previous = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    time.sleep(0.05)
    signal.signal(signal.SIGALRM, previous)
    return rung == [1]


def coroutines():
    async def double(number):
        await asyncio.sleep(0.001)
        return number * 2

    async def main():
        return await asyncio.gather(*(double(number) for number in range(10)))

    return asyncio.run(main()) == [number * 2 for number in range(10)]


def coroutine_in_thread():
    async def main():
        return await asyncio.get_running_loop().run_in_executor(None, abs, -1)

    return asyncio.run(main()) == 1


def coroutine_with_program():
    async def main():
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(2)", stdout=asyncio.subprocess.PIPE)
        return await child.communicate()

    return asyncio.run(main())[0] == b"2\n"


def variable():
    name = contextvars.ContextVar("name", default=1)
    name.set(2)
    return contextvars.Context().run(name.get) == 1 and name.get() == 2


def weak():
    class Kept:
        pass

    kept = Kept()
    kept.self = kept
    seen = weakref.ref(kept)
    del kept
    gc.collect()
    return seen() is None


def recursion():
    def deeper():
        return deeper() + 1

    try:
        return deeper() < 0
    except RecursionError:
        return True


def garbage():
    total = 0
    for number in range(200000):
        total += len([number, str(number)])
    faulthandler.enable()
    faulthandler.disable()
    return total and len(bytearray(16 << 20)) > 0


IDIOMS = {
    "threads": threads, "pool of threads": pool, "program": program, "a program that is ended": ended_program, "forked": forked,
    "process": process, "alarm": alarm, "coroutines": coroutines, "a coroutine with a thread": coroutine_in_thread,
    "a coroutine with a program": coroutine_with_program, "a variable of a context": variable, "weak references": weak,
    "too deep a recursion": recursion, "much garbage": garbage,
}


def handler(data, context):
    failed = {}
    for name, idiom in IDIOMS.items():
        try:
            assert idiom()
        except Exception as error:
            failed[name] = "%s: %s" % (type(error).__name__, error)
    return {"count": len(IDIOMS), "failed": failed}
