#!/usr/bin/env bash
# Runs one command on another machine: ssh.sh USER PORT KNOWN_HOSTS -- HOST COMMAND. The key is the file $SSH_KEY_FILE.
set -euo pipefail

user=$1 port=$2 known_hosts=$3 host=$5 command=$6

# Nothing of this machine's own configuration counts, nobody is asked, and a machine that is not known is refused.
exec ssh -F /dev/null -i "$SSH_KEY_FILE" -l "$user" -p "$port" \
    -o BatchMode=yes -o IdentitiesOnly=yes -o ConnectTimeout=10 \
    -o StrictHostKeyChecking=yes -o "UserKnownHostsFile=$known_hosts" -o GlobalKnownHostsFile=/dev/null \
    -- "$host" "$command"
