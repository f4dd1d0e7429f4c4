#!/usr/bin/env python3
"""Writes an acknowledgement into the command file of Nagios."""

import argparse
import errno
import os
import sys
import time


def plain(text):
    """A field of a command: one line, without what parts fields."""
    return " ".join(text.replace(";", ",").split())


parser = argparse.ArgumentParser()
for name in ("file", "host", "service", "by", "comment"):
    parser.add_argument("--" + name, required=True)
given = parser.parse_args()

# Sticky until it is over, with a notification, and kept no longer than the problem.
fields = [given.host, given.service, "2", "1", "0", given.by, given.comment]
what = "ACKNOWLEDGE_SVC_PROBLEM"
if not given.service:
    what = "ACKNOWLEDGE_HOST_PROBLEM"
    del fields[1]
line = "[%d] %s;%s\n" % (time.time(), what, ";".join(plain(field) for field in fields))
try:
    # Whoever writes to a pipe that nobody reads would wait for ever.
    pipe = os.open(given.file, os.O_WRONLY | os.O_NONBLOCK)
except OSError as why:
    hint = "Nagios does not run" if why.errno == errno.ENXIO else why.strerror
    sys.exit("%s: %s" % (given.file, hint))
os.write(pipe, line.encode())
os.close(pipe)
