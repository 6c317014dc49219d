#!/bin/sh
# Keeps one vm's vmm: starts the helpers and the vmm, reaps them, caps their logs and leaves the exit status in a file, so that
# the broker may come and go. Runs under dash, busybox sh and bash; needs dd, mkfifo, mv, rm, setsid, sleep and wc, in a unit also
# chmod, grep, mkdir and tee.
#
#   direct DIRECTORY PLAN…               for the direct supervisor: waits for "go" on stdin; its own files are in DIRECTORY/shim
#   unit DIRECTORY PLAN…                 as a systemd unit's main process; its own files are in DIRECTORY/unit
#   check DIRECTORY REMEDY FACT…         as ExecStartPre: clears DIRECTORY, refuses where the host is not as the unit was
#                                        rendered for
#   cid DIRECTORY TAG [tap]              after that, as ExecStartPre of a disposable instance: what its tag is as a number, and which
#                                        TAP of the pool that means
#   stop                                 as ExecStop: leaves the broker time to ask the guest
#   end DIRECTORY ENDED                  as ExecStopPost: saves in ENDED/INVOCATION what is to be read of an end, before systemd
#                                        removes DIRECTORY
#
# PLAN is the number of helpers, for each of them `SOCKET COUNT WORD…`, then the vmm's words. A helper whose SOCKET begins with ? is not
# waited for; one that ends is started again, and the vmm goes on meanwhile, and without it in the end. DIRECTORY is the vm's runtime directory.

# From a helper's start to its socket; from SIGTERM to SIGKILL, and as long for the last log lines; from a helper's own end to
# the conclusion that the vmm is not ending too. In steps of 10 ms (shim-script.ts has the reasons).
helper_ready=500
end_bound=200
follow=20

# So often a helper that the vmm can do without is started again: at once, and from then on after so many seconds.
lives=9
rest=1

# A file of a ring is full at a half of its bytes; what is read at once may fill the other half.
ring_half=262144
chunk=256

umask 077

say() { printf 'qubes-lite: %s\n' "$*" >&2; }

# Room for all that we shall have to note down, so that a disk that fills up later can't prevent it.
reserve() {
	for name; do
		printf '%-31s\n' - >"$name.tmp" || exit 1
	done
}
note() { printf '%-31s\n' "$2" 1<>"$1.tmp" && mv "$1.tmp" "$1"; }

# ring FILE: keeps the end of its input in FILE, FILE.1 and FILE.2. dd writes what it reads at once, and its count bounds
# the file; the next one appends while the file is less than half full. A full disk loses lines, never stops the reader:
# the guest would block, or the vmm get SIGPIPE. An input that adds nothing has ended.
ring() {
	size=0
	while :; do
		before=$size
		if dd bs=$chunk count=$((ring_half / chunk)) >>"$1" && size=$(wc -c <"$1"); then
			[ "$size" -ne "$before" ] || return
			[ "$size" -le $ring_half ] || { mv -f "$1.1" "$1.2"; mv -f "$1" "$1.1"; size=0; }
		else
			[ "$(dd bs=65536 count=16 | wc -c)" -gt 0 ] || return
		fi
	done
} 2>/dev/null

# born PID: reads pid, state and start time of a process (fields 1, 3 and 22 in proc(5)) into $pid, $state and $born.
born() { read -r stat <"/proc/$1/stat" && set -- ${stat##*) } && pid=${stat%% *} state=$1 born=${20}; } 2>/dev/null

# alive NAME: the process that wrote NAME.pid still runs, as $pid.
alive() { read -r id start <"$1.pid" && born "$id" && [ "$born" = "$start" ] && [ "$state" != Z ]; } 2>/dev/null

# count_kills: how many processes of our cgroup the kernel has ended for lack of memory (memory.events of cgroups v2), as $kills.
count_kills() {
	own= kills=0
	while IFS=: read -r hierarchy controllers path; do [ "$hierarchy" != 0 ] || own=$path; done </proc/self/cgroup
	while read -r word number; do [ "$word" != oom_kill ] || kills=$number; done <"/sys/fs/cgroup$own/memory.events"
} 2>/dev/null

# run NAME COMMAND…: in the background, with 3 as its standard input (of what runs in the background sh makes that /dev/null);
# it writes NAME.pid before it becomes COMMAND, its end is the line "NAME STATUS PROGRAM" on 6: of a spare helper the end that it does not come
# back from. Most shells leave INT and QUIT ignored there; nobody sends them.
run() {
	name=$1
	shift
	(
		again=
		while :; do
			(
				trap - HUP INT TERM
				exec <&3 2>&5 3<&- 4>&- 5>&- 6>&-
				born self && note "$name.pid" "$pid $born" || exit
				# Who ends the helpers when the vmm has ended finds this one, or this one finds no vmm.
				[ -z "$again" ] || alive vmm || exit
				exec "$@"
			)
			code=$?
			[ "${spare#* "$name" }" != "$spare" ] && [ $((lives -= 1)) -ge 0 ] || break
			[ -z "$again" ] || { alive vmm && sleep $rest; }
			alive vmm || break
			again=yes
			say "helper $name ended with status $code (${1##*/}), and is started again" 2>&5
		done
		printf '%s\n' "$name $code ${1##*/}" >&6
	) 2>/dev/null &
	watcher=$!
}

# end NAME: SIGTERM, then SIGKILL; returns when it is gone. Never signals a stranger that has its pid.
end() {
	alive "$1" && kill -s TERM "$pid"
	tries=0
	while alive "$1"; do
		[ $((tries += 1)) -le $end_bound ] || kill -s KILL "$pid"
		sleep 0.01
	done
}

# Ends as the vmm has ended, for whoever reaps us.
finish() {
	for name in $helpers; do end "$name"; done
	if [ "$status $lost" = "137 -" ]; then
		before=$kills
		count_kills
		[ "$kills" -le "$before" ] || lost_program=oom-kill
	fi
	exec 2>/dev/null 4>&- 5>&-
	tries=0
	while kill -0 "$console" || kill -0 "$log"; do
		[ $((tries += 1)) -le $end_bound ] || break
		sleep 0.01
	done
	note exit "$status $lost${lost_program:+ $lost_program}"
	[ "$lost" = - ] || exit 70
	if [ "$status" -gt 128 ] && [ "$status" -le 192 ]; then
		signal=$((status - 128))
		trap - HUP INT TERM
		kill -s "$(kill -l "$signal")" $$
	fi
	exit "$status"
}

# helper INDEX SOCKET COMMAND…: returns when SOCKET is there, unless nobody waits for it. INDEX also is $index.
helper() {
	socket=$2
	helpers="$1 $helpers"
	shift 2
	[ "${socket#\?}" = "$socket" ] || spare="$spare $index "
	run "$index" "$@" 3</dev/null >&5
	[ "${socket#\?}" = "$socket" ] || return 0
	tries=0
	until [ -S "$socket" ]; do
		problem=
		kill -0 "$watcher" 2>/dev/null || problem="ended before it made"
		[ $((tries += 1)) -le $helper_ready ] || problem="took longer than ${helper_ready}0 ms to make"
		[ -z "$problem" ] || { say "$1 $problem $socket"; lost=$index lost_program=${1##*/}; finish; }
		sleep 0.01
	done
}

# vmm COMMAND…: in a session of its own, because crosvm ends with a SIGKILL to its whole process group. A vmm that loses
# a helper is of no use; but a helper may also end because the vmm is just about to, so that gets a moment first.
vmm() {
	run vmm setsid "$@" >&4
	while [ ! -e vmm.pid ] && kill -0 "$watcher" 2>/dev/null; do sleep 0.01; done
	read -r name status program <&6
	until [ "${spare#* "$name" }" = "$spare" ]; do
		say "helper $name ended with status $status ($program), and the vmm goes on without it"
		read -r name status program <&6
	done
	if [ "$name" != vmm ]; then
		tries=0
		while alive vmm && [ $((tries += 1)) -le $follow ]; do sleep 0.01; done
		if alive vmm; then
			lost=$name lost_program=$program
			say "helper $name ended with status $status, so the vmm must end"
			end vmm
		fi
		until [ "$name" = vmm ]; do read -r name status program <&6; done
	fi
	finish
}

# keep DIRECTORY PLAN…: in our own directory. Our standard error is the vm's log from here on; a unit's also is the journal.
keep() {
	directory=$1 count=$2
	shift 2
	status=- lost=- lost_program= helpers= spare= index=0
	count_kills
	reserve exit vmm.pid
	while [ "$index" -lt "$count" ]; do
		reserve "$index.pid"
		index=$((index + 1))
	done
	mkfifo console.pipe log.pipe events || exit 1
	mkfifo "$directory/console.in" || exit 1
	ring "$directory/console.log" <console.pipe &
	console=$!
	if [ "$copy" = journal ]; then
		mkfifo log.copy || exit 1
		# A journal that goes away is no reason to lose the log, or to end who writes to it.
		(trap '' PIPE; exec tee log.copy <log.pipe >&2) &
		ring "$directory/vmm.log" <log.copy &
	else
		ring "$directory/vmm.log" <log.pipe &
	fi
	log=$!
	# What is written to console.in is typed on the guest's serial console; we hold it open, so it never ends.
	exec 3<>"$directory/console.in" 4>console.pipe 5>log.pipe 6<>events 2>&5
	rm -f console.pipe log.pipe events
	index=0
	while [ "$index" -lt "$count" ]; do
		start_helper "$@"
		shift $((2 + $2))
		index=$((index + 1))
	done
	vmm "$@"
}

# start_helper SOCKET COUNT WORD…: the first COUNT words are its own.
start_helper() {
	socket=$1 words=$2
	shift 2
	total=$#
	turned=0
	# Turns all words round once, and drops those that are not its own.
	while [ "$turned" -lt "$total" ]; do
		word=$1
		shift
		[ "$turned" -ge "$words" ] || set -- "$@" "$word"
		turned=$((turned + 1))
	done
	helper "$index" "$socket" "$@"
}

# What we start gets the default back; we stay until it has ended.
stay() { trap '' HUP INT TERM; }

direct() {
	stay
	# A broker that dies before it has recorded us closes this pipe: then nothing was started.
	read -r word && [ "$word" = go ] || exit 0
	copy=none
	exec </dev/null 2>>"$1/vmm.log"
	keep "$@"
}

unit() {
	stay
	copy=journal
	exec </dev/null
	directory=$1
	mkdir "$1/unit" && cd "$1/unit" || exit 1
	# The direct supervisor makes its own before it looks for ours: one of the two sees the other.
	[ ! -e "$1/shim" ] || refuse_kept
	# Our unit wants it, but one that was just leaving counted as there.
	systemctl --user --no-block start qubes-lite-broker.service >/dev/null 2>&1 &
	keep "$@"
}

# refuse SENTENCE: for the journal, and for the broker, which tells who waits.
refuse() {
	say "$1. Try: $remedy" 2>&1 | tee -a "$directory/vmm.log" >&2
	exit 1
}

refuse_kept() {
	say "the broker keeps this vm already, without systemd. Try: qubes-lite stop ${directory##*/}"
	exit 1
}

# With the remedies of src/host/vm-files.ts.
check_disk() {
	[ ! -r "$1" ] || return 0
	[ ! -e "$1" ] || { remedy="namei -l '$1'" && refuse "the disk $1 is not yours to read"; }
	case $1 in
	/dev/*) remedy="lsblk --paths" ;;
	*.qcow2) remedy="qemu-img create -f qcow2 '$1' 4G   # a new one, or mount what holds it" ;;
	*) remedy="truncate -s 4G '$1'   # a new one, or mount what holds it" ;;
	esac
	refuse "the disk $1 is not there"
}

# check_directory PATH VERB: a shared one that can be read, and, unless VERB is "read", written.
check_directory() {
	remedy="mkdir -p '$1'"
	[ -e "$1" ] || refuse "the shared directory $1 is not there"
	remedy="ls -ld '$1'"
	[ -d "$1" ] || refuse "the shared directory $1 is no directory"
	remedy="namei -l '$1'"
	[ -r "$1" ] && [ -x "$1" ] && { [ "$2" = read ] || [ -w "$1" ]; } || refuse "the shared directory $1 is not yours to $2"
}

# What crosvm takes an image for, it reads from its first bytes (src/host/disk-formats.ts), which the guest of a raw disk writes.
check_image() {
	# Who reads a FIFO waits for a writer.
	[ -f "$2" ] || [ -b "$2" ] || { remedy="ls -ld '$2'" && refuse "the disk $2 is neither a file nor a block device"; }
	LC_ALL=C
	# A shell drops NULs, which none of these has; bash says so.
	{ magic=$(dd if="$2" bs=4 count=1) name=$(dd if="$2" bs=14 count=1); } 2>/dev/null
	kind=raw
	case $magic in
	"$(printf 'QFI\373')") kind=qcow2 ;;
	"$(printf ':\377&\355')" | "$(printf '(\265/\375')" | [P-_]"$(printf '*M\030')") kind=none ;;
	esac
	[ "$name" != composite_disk ] || kind=none
	[ "$kind" != "$1" ] || return 0
	remedy="od -A n -c -N 16 '$2'   # somebody has written that there; qemu-img convert makes one of another format"
	refuse "the disk $2 is not of the format that its name says, and crosvm would believe its content"
}

check_wayland() {
	[ ! -S "$1" ] || return 0
	remedy='systemctl --user import-environment WAYLAND_DISPLAY   # in the session; or "gpu": "none"'
	refuse "it requires a Wayland session, and WAYLAND_DISPLAY of the user manager names none"
}

# Facts, as the broker finds them out (src/host): by another answer it would render a unit that always refuses. Only an open tells: access(2)
# allows what a device cgroup, a nodev mount or a missing module refuse. Without -c it would make the file.
has_kvm() { grep -Eq '^flags.* (vmx|svm)( |$)' /proc/cpuinfo && [ -c /dev/kvm ] && (: <>/dev/kvm) 2>/dev/null; }
# Other interfaces have no tun_flags.
has_tap() { [ -e "/sys/class/net/$1/tun_flags" ]; }
has_program() { [ -f "$1" ] && [ -x "$1" ]; }

check() {
	directory=$1 remedy=$2
	shift 2
	# A unit's RuntimeDirectory= makes its parents for everybody to enter.
	chmod 700 "$directory" "${directory%/*}" || exit 1
	[ ! -e "$directory/shim" ] || refuse_kept
	# What an earlier start left if it could not be removed. Later than here the broker has its own things there.
	rm -rf "${directory:?}"/* || exit 1
	while [ $# -gt 0 ]; do
		case $1 in
		kvm) has_kvm || refuse "this unit was made for KVM, and /dev/kvm can't be used any more" ;;
		tcg) ! has_kvm || refuse "this unit was made for a host without KVM, and now there is one" ;;
		tap=*) has_tap "${1#*=}" || refuse "this unit was made for the TAP ${1#*=}, which is not there any more" ;;
		no-tap=*) ! has_tap "${1#*=}" || refuse "this unit was made for a host without the TAP ${1#*=}, and now there is one" ;;
		program=*) has_program "${1#*=}" || refuse "this unit was made for ${1#*=}, which is not there any more" ;;
		disk=*) check_disk "${1#*=}" ;;
		file=*) [ -r "${1#*=}" ] || refuse "this unit was made for ${1#*=}, which is not there any more" ;;
		directory=*) check_directory "${1#*=}" "read and write" ;;
		read-only-directory=*) check_directory "${1#*=}" read ;;
		raw-image=* | qcow2-image=*) check_image "${1%%-*}" "${1#*=}" ;;
		wayland=*) check_wayland "${1#*=}" ;;
		empty=*) mkdir "${1#*=}" || exit 1 ;;
		*) refuse "this unit names a fact that this version does not know: $1" ;;
		esac
		shift
	done
}

# The broker sees that the unit is being stopped, and asks the guest to power off. Where none runs, one is started: at once,
# for whatever the order of the units, a start would wait for our stop (systemd.unit(5), "Before=, After=").
stop() {
	[ -n "${MAINPID-}" ] || return 0
	systemctl --user --no-block --job-mode=ignore-dependencies start qubes-lite-broker.service 2>/dev/null
	tries=0
	while kill -0 "$MAINPID" 2>/dev/null && [ $((tries += 1)) -le $(($1 * 10)) ]; do sleep 0.1; done
}

end_unit() {
	ended=$2/$INVOCATION_ID
	# A broker that has read of an earlier end may take the parents away just now.
	mkdir -p "$ended" || mkdir -p "$ended" || return
	for name in console.log console.log.1 console.log.2 vmm.log vmm.log.1 vmm.log.2 unit/exit; do
		[ ! -e "$1/$name" ] || mv "$1/$name" "$ended"
	done
}

# Ids below 1000 are the configured vms' (and those of hosts). The low byte of an odd one is the id of a TAP of the pool.
cid() {
	directory=$1 remedy="run-in-vm --disposable"
	# In other locales a range has letters between that are none of these.
	LC_ALL=C
	number=0
	case $2 in
	[0-9a-f][0-9a-f][0-9a-f][0-9a-f]) number=$((0x$2)) ;;
	esac
	[ $number -ge 1000 ] || refuse "an instance is named by four hexadecimal digits, from 03e8 on, and not by '$2'"
	echo "QUBES_LITE_CID=$number" >"$directory/cid" || exit 1
	[ "${3-}" = tap ] || return 0
	id=$((number % 256))
	[ $((number % 2)) = 1 ] || refuse "this unit gives instances a TAP of disposablePool, and disp-$2 was made without one"
	has_tap "ql-d$id" || refuse "the TAP ql-d$id of disposablePool, which disp-$2 was given, is gone"
	printf 'QUBES_LITE_TAP=%d\nQUBES_LITE_GATEWAY=%d\nQUBES_LITE_MAC=%02x\n' $id $((id - 1)) $id >>"$directory/cid" || exit 1
}

command=$1
shift
case $command in
direct | unit | cid | check | stop) "$command" "$@" ;;
end) end_unit "$@" ;;
*) say "no such command: $command"; exit 2 ;;
esac
exit
