"""guard - ends processes whose starter is gone, however it went, and removes the folder that they used.

Started by servers.py with its standard input as the only tie: lines "+PID" and "-PID" say what runs, "pids DIR" names a
folder of files NAME.pid as deploy/lib.sh writes them ("PID START"). At the end of the input (the tests ended, were
interrupted, or were killed) what still runs is killed, a leader with its whole group, then the folders named by lines
"rm DIR" are removed ("keep DIR" takes that back: a failed test's logs stay).
"""
import os
import pathlib
import shutil
import signal
import sys


def kill(pid):
    try:
        (os.killpg if os.getpgid(pid) == pid else os.kill)(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def kill_noted(folder):
    """Those whose start time is the noted one: a number may be another process's by now."""
    for path in pathlib.Path(folder).glob("*.pid"):
        try:
            pid, start = path.read_text().split()
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        except (OSError, ValueError):
            continue
        if fields[19] == start:
            kill(int(pid))


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pids, noted, folders = set(), set(), set()
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "rm":
            folders.add(rest)
        elif word == "keep":
            folders.discard(rest)
        elif word == "pids":
            noted.add(rest)
        elif word[0] == "+":
            pids.add(int(word[1:]))
        else:
            pids.discard(int(word[1:]))
    for pid in pids:
        kill(pid)
    for folder in noted:  # after those who might still start some
        kill_noted(folder)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


main()
