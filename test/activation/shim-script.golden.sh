umask 077
# What we start gets the default back; we stay until it has ended.
trap '' HUP INT TERM

# A broker that dies before it has recorded us closes this pipe: then nothing was started.
read -r word && [ "$word" = go ] || exit 0
exec </dev/null 2>>'/run/user/1000/qubes-lite/shopping/vmm.log'

# Room for all that we shall have to note down, so that a disk that fills up later can't prevent it.
for name in exit vmm.pid 0.pid; do
	printf '%-31s\n' - >"$name.tmp" || exit 1
done
note() { printf '%-31s\n' "$2" 1<>"$1.tmp" && mv "$1.tmp" "$1"; }
status=- lost=- helpers=

say() { printf 'qubes-lite: %s\n' "$*" >&2; }

# ring FILE: keeps the end of its input in FILE, FILE.1 and FILE.2. dd writes what it reads at once, and its count bounds
# the file; the next one appends while the file is less than half full. A full disk loses lines, never stops the reader:
# the guest would block, or the vmm get SIGPIPE. An input that adds nothing has ended.
ring() {
	size=0
	while :; do
		before=$size
		if dd bs=256 count=1024 >>"$1" && size=$(wc -c <"$1"); then
			[ "$size" -ne "$before" ] || return
			[ "$size" -le 262144 ] || { mv -f "$1.1" "$1.2"; mv -f "$1" "$1.1"; size=0; }
		else
			[ "$(dd bs=65536 count=16 | wc -c)" -gt 0 ] || return
		fi
	done
} 2>/dev/null

mkfifo console.pipe log.pipe events || exit 1
ring '/run/user/1000/qubes-lite/shopping/console.log' <console.pipe &
console=$!
ring '/run/user/1000/qubes-lite/shopping/vmm.log' <log.pipe &
log=$!
exec 4>console.pipe 5>log.pipe 6<>events 2>&5
rm -f console.pipe log.pipe events

# born PID: reads pid, state and start time of a process (fields 1, 3 and 22 in proc(5)) into $pid, $state and $born.
born() { read -r stat <"/proc/$1/stat" && set -- ${stat##*) } && pid=${stat%% *} state=$1 born=${20}; } 2>/dev/null

# alive NAME: the process that wrote NAME.pid still runs, as $pid.
alive() { read -r id start <"$1.pid" && born "$id" && [ "$born" = "$start" ] && [ "$state" != Z ]; } 2>/dev/null

# run NAME COMMAND…: in the background; it writes NAME.pid before it becomes COMMAND, its end is the line "NAME STATUS" on
# 6. Most shells leave INT and QUIT ignored there; nobody sends them.
run() {
	name=$1
	shift
	(
		(
			trap - HUP INT TERM
			exec 2>&5 4>&- 5>&- 6>&-
			born self && note "$name.pid" "$pid $born" && exec "$@"
		)
		echo "$name $?" >&6
	) 2>/dev/null &
	watcher=$!
}

# end NAME: SIGTERM, then SIGKILL; returns when it is gone. Never signals a stranger that has its pid.
end() {
	alive "$1" && kill -s TERM "$pid"
	tries=0
	while alive "$1"; do
		[ $((tries += 1)) -le 200 ] || kill -s KILL "$pid"
		sleep 0.01
	done
}

finish() {
	for name in $helpers; do end "$name"; done
	exec 2>/dev/null 4>&- 5>&-
	tries=0
	while kill -0 "$console" || kill -0 "$log"; do
		[ $((tries += 1)) -le 200 ] || break
		sleep 0.01
	done
	note exit "$status $lost"
	exit
}

# helper INDEX SOCKET COMMAND…: returns when SOCKET is there.
helper() {
	index=$1 socket=$2
	shift 2
	helpers="$index $helpers"
	run "$index" "$@" >&5
	tries=0
	until [ -S "$socket" ]; do
		problem=
		kill -0 "$watcher" 2>/dev/null || problem="ended before it made"
		[ $((tries += 1)) -le 500 ] || problem="took longer than 5000 ms to make"
		[ -z "$problem" ] || { say "$1 $problem $socket"; lost=$index; finish; }
		sleep 0.01
	done
}

# vmm COMMAND…: in a session of its own, because crosvm ends with a SIGKILL to its whole process group. A vmm that loses
# a helper is of no use; but a helper may also end because the vmm is just about to, so that gets a moment first.
vmm() {
	run vmm setsid "$@" >&4
	while [ ! -e vmm.pid ] && kill -0 "$watcher" 2>/dev/null; do sleep 0.01; done
	read -r name status <&6
	if [ "$name" != vmm ]; then
		tries=0
		while alive vmm && [ $((tries += 1)) -le 20 ]; do sleep 0.01; done
		if alive vmm; then
			lost=$name
			say "helper $name ended with status $status, so the vmm must end"
			end vmm
		fi
		until [ "$name" = vmm ]; do read -r name status <&6; done
	fi
	finish
}

helper 0 '/run/user/1000/qubes-lite/shopping/vhost-vsock.sock' '/usr/bin/vhost-device-vsock' '--vm' 'guest-cid=3,uds-path=/run/user/1000/qubes-lite/shopping/vsock'
vmm '/usr/bin/crosvm' 'run' '--params' 'qubeslite.vm=shopping quiet' 'it'\''s'
