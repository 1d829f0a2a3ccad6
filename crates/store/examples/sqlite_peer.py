#!/usr/bin/env python3
"""What `store-bench commits` does, done by SQLite (WAL, synchronous=FULL): a peer to compare with, not a part of Hearth.

    sqlite_peer.py DIR WRITERS SECONDS [BYTES]

Each writer delivers messages one after the other, each durable before the next: the body, its entry in one of 16
mailboxes, and that mailbox's counter, in one transaction. Prints messages a second and bytes sent to the disk for
each, as /proc/self/io says, in the same form as store-bench.
"""
import os
import sqlite3
import sys
import threading
import time


def connect(path):
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    return connection


def deliver(connection, mailbox, body):
    connection.execute("begin immediate")
    (uid,) = connection.execute("update mailbox set next = next + 1 where id = ? returning next", (mailbox,)).fetchone()
    connection.execute("insert into message values (?, ?, 0, ?)", (mailbox, uid, body))
    connection.execute("commit")


def written():
    with open("/proc/self/io") as counters:
        return next(int(line.split()[1]) for line in counters if line.startswith("write_bytes"))


def main(directory, writers, seconds, size=10_000):
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, "peer.sqlite")
    connection = connect(path)
    connection.execute("create table if not exists mailbox (id integer primary key, next integer not null)")
    connection.execute("create table if not exists message (mailbox integer, uid integer, flags integer, body blob,"
                       " primary key (mailbox, uid)) without rowid")
    connection.executemany("insert or ignore into mailbox values (?, 0)", [(number,) for number in range(16)])
    counts, before, end = [0] * writers, written(), time.monotonic() + seconds

    def write(number):
        own, body = connect(path), os.urandom(size)
        while time.monotonic() < end:
            deliver(own, number % 16, body)
            counts[number] += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = sum(counts)
    print(f"{total / seconds:.0f} messages/s, {(written() - before) / max(total, 1):.0f} bytes each")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:]))
