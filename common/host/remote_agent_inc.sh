#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# remote_agent_inc.sh - a shell script as a string of C, without its comments
#
# usage: remote_agent_inc.sh FILE

exec sed -e '/^ *#/d' -e '/^$/d' -e 's/["\\]/\\&/g' -e 's/.*/"&\\n"/' "$1"
