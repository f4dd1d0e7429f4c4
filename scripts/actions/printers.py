#!/usr/bin/env python3
"""Four pretend printers, always the same."""
import json

print(json.dumps([
    {"place": "reception", "online": True, "paper": 80, "toner": 45},
    {"place": "floor 1", "online": True, "paper": 64, "toner": 7},
    {"place": "floor 2", "online": False, "paper": 30, "toner": 60},
    {"place": "library", "online": True, "paper": 0, "toner": 90},
]))
