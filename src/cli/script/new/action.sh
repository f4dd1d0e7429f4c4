#!/bin/sh
# What NAME.run does. What is printed here is its result; an exit status other than 0 is a failure.
set -eu
echo "$1 is fine"
