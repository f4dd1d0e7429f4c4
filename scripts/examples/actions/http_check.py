#!/usr/bin/env python3
"""Looks at a site: its status, how long it took, and for how many days its certificate is good.

Parameters come as one JSON object on standard input; lines on standard output are progress, and the last one is the result.
"""
import http.client
import json
import re
import ssl
import sys
import time
from urllib.parse import urlsplit

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def seconds(duration):
    """A duration as beadle writes it: a number of seconds, or a text such as 1m30s."""
    if not isinstance(duration, str):
        return float(duration)
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)", duration)
    return sum(float(number) * UNITS[unit] for number, unit in parts) or 5.0


def look(url, timeout):
    """Asks for a page and does not follow where it leads."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=timeout)
    begun = time.monotonic()
    connection.connect()
    print(f"connected to {parts.hostname}", flush=True)
    days = None
    if secure:
        ends = ssl.cert_time_to_seconds(connection.sock.getpeercert()["notAfter"])
        days = int((ends - time.time()) // 86400)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", path, headers={"User-Agent": "beadle", "Connection": "close"})
    status = connection.getresponse().status
    return {"status": status, "ms": round((time.monotonic() - begun) * 1000), "certificate_days": days}


def main():
    given = json.load(sys.stdin)
    try:
        seen = look(given["url"], seconds(given["within"]))
    except (OSError, ValueError, http.client.HTTPException) as why:
        sys.exit(f"it does not answer: {why}")
    if seen["status"] != given["expect"]:
        sys.exit(f"it answers {seen['status']} instead of {given['expect']}")
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
