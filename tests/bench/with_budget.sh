#!/bin/sh
# Runs a workload of casc-bench, and wants its JSON to say what an event costs both processes.
out=$("$@") || exit
printf '%s\n' "$out"
case $out in
*'"budget_per_event":{"events":'*'"client":{"user_ns":'[0-9]*'"broker":{"user_ns":'[0-9]*'"journal_writes":'[0-9]*) ;;
*)
    echo "budget_per_event is missing, or lacks a figure that is always to be had" >&2
    exit 1
    ;;
esac
