"""guard - ends processes whose starter is gone, however it went, and removes the folder that they used.

Started by servers.py with its standard input as the only tie: lines "+PID" and "-PID" say what runs. At the end of the
input (the tests ended, were interrupted, or were killed) what still runs is killed, then the folders named by lines
"rm DIR" are removed ("keep DIR" takes that back: a failed test's logs stay).
"""
import os
import shutil
import signal
import sys


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pids, folders = set(), set()
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "rm":
            folders.add(rest)
        elif word == "keep":
            folders.discard(rest)
        elif word[0] == "+":
            pids.add(int(word[1:]))
        else:
            pids.discard(int(word[1:]))
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


main()
