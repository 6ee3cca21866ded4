#!/bin/sh
# Runs a workload of casc-bench, and wants its JSON to say that the bystanders that its flags ask for were all there at the
# end, and that the slow consumers have taken something.
out=$("$@") || exit
printf '%s\n' "$out"

expect() {
    case $out in
    *$1*) ;;
    *)
        echo "there is no $1 in it" >&2
        exit 1
        ;;
    esac
}

while [ $# -gt 0 ]; do
    case $1 in
    --idle-connections) expect "\"idle_connections\":{\"there_at_end\":$2," ;;
    --idle-topics) expect "\"idle_topics\":{\"there_at_end\":$2}" ;;
    --slow-consumer) expect "\"slow_consumers\":{\"there_at_end\":$2,\"events\":[1-9]" ;;
    esac
    shift
done
