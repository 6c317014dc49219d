# Before the agent starts for the first time: notes when, as guest-image/guest/init notes the phases before.
[ ! -e /run/qubes-lite/agent-started ] || exit 0
: >/run/qubes-lite/agent-started
read -r uptime _ </proc/uptime
echo "agent $uptime" >>/run/qubes-lite/phases
echo "qubes-lite: phase agent" >/dev/console
