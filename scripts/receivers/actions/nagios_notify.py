#!/usr/bin/env python3
"""Posts a notification of Nagios to the bot: run by Nagios, which gives what it knows in the environment.

Usage: nagios_notify.py URL [FILE WITH THE TOKEN]
"""

import json
import os
import sys
import urllib.request


def macro(name):
    return os.environ.get("NAGIOS_" + name, "")


service = macro("SERVICEDESC")
of = "SERVICE" if service else "HOST"
body = {
    "type": macro("NOTIFICATIONTYPE"),
    "host": macro("HOSTNAME"),
    "address": macro("HOSTADDRESS"),
    "service": service,
    "state": macro(of + "STATE"),
    "output": macro(of + "OUTPUT"),
    "author": macro("NOTIFICATIONAUTHOR"),
    "comment": macro("NOTIFICATIONCOMMENT"),
    "attempt": macro(of + "ATTEMPT"),
}
headers = {"Content-Type": "application/json"}
if len(sys.argv) > 2:
    with open(sys.argv[2]) as token:
        headers["Authorization"] = "Bearer " + token.read().strip()
request = urllib.request.Request(sys.argv[1], json.dumps(body).encode(), headers)
# A bot that is busy says when to come again; Nagios notifies again by itself.
urllib.request.urlopen(request, timeout=20).read()
