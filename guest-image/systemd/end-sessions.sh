# When the agent is stopped, as by a power-off: the sessions' programs may say goodbye.
# Of one that has ended by itself the next one lets the sessions end.
[ -n "${MAINPID-}" ] || exit 0
sessions=/sys/fs/cgroup/system.slice/qubes-lite-agent.service/session-
# Where there is no session there are no such files.
exec 2>/dev/null
for pid in $(cat "$sessions"*/cgroup.procs); do
  kill -s TERM "$pid" && kill -s CONT "$pid"
done
left=20
while grep -q '^populated 1' "$sessions"*/cgroup.events && [ "$left" -gt 0 ]; do
  left=$((left - 1))
  sleep 0.1
done
for kill in "$sessions"*/cgroup.kill; do echo 1 >"$kill"; done
exit 0
