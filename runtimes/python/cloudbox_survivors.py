"""What a call leaves running in its process: threads, and tasks that would go on when the event loop next runs.

Processes that it left are the service's to find.
"""
import _thread
import time

# How often the threads are counted again before one counts as left, and the pause between, in seconds.
_PATIENCE = 10
_PAUSE = 0.0005

# User code may replace functions of shared modules; these are the ones the shim was started with. This count knows of
# threads that `threading` doesn't.
_count, _sleep = _thread._count, time.sleep

# Threads that were there when the code had been loaded: they are the function's own choice.
_accepted = 0


# Tasks of the event loop, in the same way: an application's lifespan.
_accepted_tasks = set()


# Whether something came that no call could be told.
_is_distrusted = False


def distrust():
    """From now on the process is not to be used again."""
    global _is_distrusted
    _is_distrusted = True


def accept(loop):
    """Takes the threads and tasks that there are now for what may be there."""
    global _accepted
    _accepted = _count()
    if loop is not None and not loop.is_closed():
        _accepted_tasks.update(_tasks(loop))


def told_in(frame, loop):
    """The frame that answers, `(kind, header, body)`, with what the call leaves in its header."""
    kinds = ["exception"] if _is_distrusted else []
    if _count() > _accepted and not _are_ended(loop):
        kinds.append("thread")
    if loop is not None and not loop.is_closed() and _has_tasks(loop):
        kinds.append("task")
    if not kinds:
        return frame
    kind, header, body = frame
    field = ',"survivors":["%s"]}' % '","'.join(kinds)
    return kind, header[:-1] + field.encode("ascii"), body


def _are_ended(loop):
    """Whether the threads beyond those accepted end by themselves in a moment."""
    executor = getattr(loop, "_default_executor", None)
    if executor is not None:
        # `asyncio.to_thread` leaves it idle; the next call that needs one gets another.
        loop._default_executor = None
        executor.shutdown(wait=False)
    for _ in range(_PATIENCE):
        _sleep(_PAUSE)
        if _count() <= _accepted:
            return True
    return False


def _has_tasks(loop):
    return not _tasks(loop) <= _accepted_tasks


def _tasks(loop):
    import asyncio

    return asyncio.all_tasks(loop)
