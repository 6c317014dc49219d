# A generator (systemd.generator(7)): a mount unit for each word qubeslite.share=TAG on the kernel's command line. At most four, with tags as the
# host has them. Others write there, too: its programs gain no rights in this guest, and its devices are none.
directory=$1
read -r line <"${QUBES_LITE_CMDLINE:-/proc/cmdline}"
left=4
wants=$directory/local-fs.target.wants
set -f
for word in $line; do
	case $word in qubeslite.share=?*) tag=${word#*=} ;; *) continue ;; esac
	case $tag in [!a-z]* | *[!a-z0-9-]* | ?????????????????????*) continue ;; esac
	[ "$left" -gt 0 ] || break
	left=$((left - 1))
	# In a unit's name - is what / is in the path (systemd.unit(5), "String Escaping for Inclusion in Unit Names").
	name=
	rest=$tag
	while :; do
		case $rest in
		*-*) name="$name${rest%%-*}\\x2d" rest=${rest#*-} ;;
		*) name=$name$rest && break ;;
		esac
	done
	unit=mnt-$name.mount
	printf '[Unit]\nDescription=Shared directory %s\n[Mount]\nWhat=%s\nWhere=/mnt/%s\nType=virtiofs\nOptions=nosuid,nodev,nofail\n' "$tag" "$tag" "$tag" >"$directory/$unit"
	mkdir -p "$wants"
	ln -sf "../$unit" "$wants/$unit"
done
