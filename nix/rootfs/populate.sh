#!/bin/sh
# Lays the tree of a guest with s6 below $root, which is a new directory:
#   $busybox, $node          programs; busybox is static
#   $s6, $execline           directories of their programs
#   $agent                   directory of agent.cjs, programs.cjs and koffi.node
#   $guest                   guest-image/guest of the source tree, whose scripts are those of every guest without systemd
#   $place PROGRAM PLACE     brings a program to its place: `ln -s` in a store, where its libraries are found
set -eu
here=$(cd "$(dirname "$0")" && pwd)

mkdir -p "$root"
cd "$root"
mkdir -p dev etc/s6 home/user mnt proc root run sys tmp usr/bin usr/sbin usr/lib/execline/bin usr/lib/qubes-lite/acpi/PWRF var/tmp
chmod 1777 tmp var/tmp
chmod 700 root
for directory in bin sbin lib; do ln -s "usr/$directory" "$directory"; done
ln -s ../run var/run

$place "$node" usr/bin/node
for program in "$s6"/s6-*; do $place "$program" "usr/bin/${program##*/}"; done
# A shell's words are among their names (cd, export), so they have a directory of their own.
for program in "$execline"/*; do $place "$program" "usr/lib/execline/bin/${program##*/}"; done
ln -s ../lib/execline/bin/execlineb usr/bin/execlineb

cp "$agent"/agent.cjs "$agent"/programs.cjs "$agent"/koffi.node usr/lib/qubes-lite/
for script in agent-run console-shell power-button power-off rc.sysinit; do cp "$guest/$script" usr/lib/qubes-lite/; done
chmod 755 usr/lib/qubes-lite/agent-run usr/lib/qubes-lite/console-shell usr/lib/qubes-lite/power-* usr/lib/qubes-lite/rc.sysinit
# busybox's name for the power button's event.
ln -s ../../power-button usr/lib/qubes-lite/acpi/PWRF/00000080
cp "$guest/qubes-lite-guest" usr/bin/
chmod 755 usr/bin/qubes-lite-guest
for file in fstab group hosts nsswitch.conf passwd; do cp "$guest/$file" etc/; done

cp "$here/init" usr/sbin/init
cp -r "$here/service" etc/s6/
chmod 755 usr/sbin/init etc/s6/service/*/run etc/s6/service/.s6-svscan/*

# What there is already keeps its place.
$place "$busybox" usr/bin/busybox
"$busybox" --list-full | while read -r applet; do
	case $applet in usr/*) ;; bin/* | sbin/*) applet=usr/$applet ;; *) continue ;; esac
	[ -e "$applet" ] || [ -h "$applet" ] || ln -s /usr/bin/busybox "$applet"
done
