#!/usr/bin/env python3
"""Pretends to do what keeps an attack away, and says on standard error that it only pretends."""
import hashlib
import json
import sys

params = json.load(sys.stdin)
number = int(hashlib.sha256(params["about"].encode()).hexdigest()[:4], 16)
print(f"pretending to {params['what']}", file=sys.stderr)
json.dump({"key": f"INC-{number}", "did": params["what"]}, sys.stdout)
