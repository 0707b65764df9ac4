# lib.sh - what deploy/up, down and status share: where things lie, how a process is started and ended. Sourced by bash.
#
# A process is known by var/run/NAME.pid, "PID START": the start time from /proc tells it from a later one with its number.
# Should that file be lost, the process is found by its command line.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
var=$root/var
services=(intake classifier escalator notifier archiver)

say() { printf '%s\n' "$*"; }
fail() { # LINE...
    printf '\n' >&2
    printf 'deploy: %s\n' "$@" >&2
    exit 1
}
fail_showing() { # FILE LINE...: and the end of that file
    printf '\n' >&2
    tail -n 15 "$1" >&2
    shift
    fail "$@"
}

stat_of() { # PID: into `fields`, from its state on; fails when there is no such process
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    read -r -a fields <<<"${stat##*) }" # what follows the name in brackets, which may hold spaces
    [ "${fields[0]}" != Z ]
}

start_time() { # PID: when it started, in ticks since boot
    local fields
    stat_of "$1" && printf '%s\n' "${fields[19]}"
}

pid_of() { # NAME: prints its pid if it runs
    local pid start
    { read -r pid start <"$var/run/$1.pid"; } 2>/dev/null || return 1
    [ -n "$start" ] && [ "$(start_time "$pid")" = "$start" ] && printf '%s\n' "$pid"
}

running() { # "NAME PID START" of each process that deploy/up started here and that still runs, the oldest first
    local proc args name pid fields data
    data=$(readlink -f "$var/postgres" || true)/data
    for proc in /proc/[0-9]*; do
        { mapfile -d '' -t args <"$proc/cmdline"; } 2>/dev/null || continue
        case "${args[*]}" in
        "$root/build/release/bin/tongbao-"*) name=${args[0]##*/tongbao-} ;;
        *" kafka.Kafka $var/kafka/broker-"[123].properties) name=kafka-$(basename "${args[-1]##*/broker-}" .properties) ;;
        *"/postgres -D $data "*) name=postgres ;;
        *"/python3 -B $root/deploy/demo/receivers.py "*) name=receivers ;;
        *) continue ;;
        esac
        pid=${proc#/proc/}
        ! stat_of "$pid" || [ "${fields[3]}" != "$pid" ] || echo "$name $pid ${fields[19]}" # session leaders only
    done | sort -n -k 3
}

shown_pid() { # NAME: its pid, or "-"
    local name pid
    ! pid_of "$1" || return 0
    while read -r name pid _; do
        [ "$name" != "$1" ] || { echo "$pid" && return; }
    done < <(running)
    echo -
}

find_again() { # writes the pid files that are lost; so old that the policy counts as newer
    local name pid start
    while read -r name pid start; do
        pid_of "$name" >/dev/null && continue
        printf '%s %s\n' "$pid" "$start" >"$var/run/$name.pid"
        touch -d @0 "$var/run/$name.pid"
    done < <(running)
}

# --- settings, and the ports that follow from them -----------------------------------------------
read_settings() { # those of the last deploy/up; fails when there was none
    PORTS=7400 BROKERS=1 KAFKA=''
    # shellcheck source=/dev/null
    [ -e "$var/conf/settings" ] && . "$var/conf/settings"
}

pg_port() { echo $((PORTS + 10)); }
broker_port() { echo $((PORTS + 18 + 2 * $1)); }     # of broker 1, 2, 3
controller_port() { echo $((PORTS + 19 + 2 * $1)); } # beside it

admin_port() { # SERVICE
    local i
    for i in "${!services[@]}"; do
        [ "${services[i]}" != "$1" ] || echo $((PORTS + 1 + i))
    done
}

bootstrap() { # the brokers' addresses
    local i list=$KAFKA
    [ -n "$KAFKA" ] || for i in $(seq "$BROKERS"); do
        list+=${list:+,}127.0.0.1:$(broker_port "$i")
    done
    echo "$list"
}

places() { # for deploy/status: "KIND NAME PORT PID" of all that should run here, "-" for no pid; and the brokers
    local name i
    for name in "${services[@]}"; do
        echo "service $name $(admin_port "$name") $(shown_pid "$name")"
    done
    echo "postgres postgres $(pg_port) $(shown_pid postgres)"
    [ -n "$KAFKA" ] || for i in $(seq "$BROKERS"); do
        echo "kafka kafka-$i $(broker_port "$i") $(shown_pid "kafka-$i")"
    done
    echo "bootstrap $(bootstrap)"
}

only_env() { # NAME=VALUE...: from here on this (sub)shell's environment is these, PATH and LANG
    local name
    for name in $(compgen -e); do
        [ "$name" = PATH ] || unset "$name"
    done
    export LANG=C.UTF-8
    for name; do
        export "${name?}"
    done
}

launch() { # NAME [NAME=VALUE...] -- COMMAND...: starts it in the background, with only that environment
    local name=$1 env=() pid
    shift
    while [ "$1" != -- ]; do
        env+=("$1") && shift
    done
    shift
    (cd / && only_env "${env[@]}" && exec setsid "$@") >>"$var/log/$name.log" 2>&1 </dev/null 9>&- &
    pid=$!
    printf '%s %s\n' "$pid" "$(start_time "$pid")" >"$var/run/$name.pid"
}

wait_for() { # SECONDS NAME COMMAND...: repeats COMMAND until it succeeds; fails when NAME ends first, or too late
    local end=$((SECONDS + $1)) name=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ! pid_of "$name" >/dev/null || [ $SECONDS -ge $end ]; then
            fail_showing "$var/log/$name.log" "$name did not come up; the end of var/log/$name.log is above."
        fi
        sleep 0.1
    done
}

# Signals all at once, so that no broker waits for another that is gone; what is left at the deadline is killed.
stop_all() { # SIGNAL SECONDS NAME...
    local signal=$1 end=$((SECONDS + $2)) name pid left=()
    shift 2
    for name; do
        if pid=$(pid_of "$name"); then
            say "stopping $name (pid $pid)"
            kill -s "$signal" "$pid" 2>/dev/null || true
            left+=("$name")
        fi
    done
    for name in "${left[@]}"; do
        while pid=$(pid_of "$name"); do
            if [ $SECONDS -ge $end ]; then
                say "  $name does not stop: killing it"
                kill -s KILL "$pid" 2>/dev/null || true
                end=$((SECONDS + 5))
            fi
            sleep 0.1
        done
    done
    for name; do
        rm -f "$var/run/$name.pid"
    done
}

stop_everything() {
    local brokers=()
    mapfile -t brokers < <(cd "$var/run" 2>/dev/null && ls -d kafka-*.pid 2>/dev/null)
    stop_all TERM 20 "${services[@]}"
    stop_all TERM 5 receivers
    stop_all TERM 30 "${brokers[@]%.pid}"
    stop_all INT 30 postgres # INT: PostgreSQL's fast shutdown
}

may_work_here() { # var/ is its owner's, and root's
    local place
    for place in "$var" "$var/conf" "$var/run"; do
        [ ! -d "$place" ] || [ -w "$place" ] ||
            fail "$place belongs to $(stat -c %U "$place"): run this as that user, or as root."
    done
}

one_at_a_time() { # a second deploy/up or deploy/down beside this one would undo its work
    may_work_here
    mkdir -p "$var/run"
    exec 9>"$var/run/lock"
    flock -n 9 || fail "another deploy/up or deploy/down is at work in $root; wait for its end."
    find_again
}
