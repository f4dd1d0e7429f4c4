#!/usr/bin/env python3
"""A pretend cloud with its DNS and monitoring: machines are entries of a JSON file. Parameters come as JSON on standard input.

BEADLE_EFFECT_ID names the call: the same call makes the same machine, so that a repeated one does no harm.
"""
import fcntl
import hashlib
import json
import os
import sys
import tempfile

path = os.path.join(tempfile.gettempdir(), f"beadle-pretend-cloud-{os.getuid()}.json")
params = json.load(sys.stdin)
with open(path, "a+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    file.seek(0)
    machines = json.loads(file.read() or "{}")
    verb = sys.argv[1]
    if verb == "create":
        effect = os.environ.get("BEADLE_EFFECT_ID", "by hand")
        made = {
            "id": "i-" + hashlib.sha256(effect.encode()).hexdigest()[:8],
            "name": params["name"], "provider": params["provider"], "size": params["size"],
        }
        known = machines.get(made["name"])
        if known and known["id"] != made["id"]:
            sys.exit(f"there already is a machine {made['name']} ({known['id']})")
        made["address"] = f"192.0.2.{int(made['id'][2:4], 16) % 254 + 1}"
        machines[made["name"]] = made
        answer = dict(made, url=f"https://console.example/{made['provider']}/{made['id']}")
    elif verb == "delete":
        answer = {"deleted": machines.pop(params["name"], None) is not None}
    elif verb == "list":
        answer = sorted(machines.values(), key=lambda vm: vm["name"])
    elif verb in ("port", "dns", "watch"):
        machine = machines.get(params["name"])
        if machine is None and verb == "port":
            sys.exit(f"there is no machine {params['name']}")
        if machine is not None and verb == "dns":
            machine["dns"] = params["address"]
        if machine is not None and verb == "watch":
            machine["watched"] = params["on"]
        answer = True
    else:
        sys.exit(f"there is no `{verb}`: create, delete, list, port, dns or watch")
    file.truncate(0)
    json.dump(machines, file)
json.dump(answer, sys.stdout)
