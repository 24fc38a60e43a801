#!/usr/bin/env bash
# A few of the kills of `make check-kill`.
exec "$(dirname "$0")/check_kill" 6
