#!/bin/sh
# Makes a guest's root of a tree of Debian packages with systemd: our own files, what starts and what does not. Only files of the tree are
# touched, and nothing of it is run.
set -eu
umask 022
cd "$1"
layer=$2 # our own files, as they are in the guest

# Of the host, or of the making.
rm -rf etc/hostname etc/resolv.conf etc/apt/apt.conf.d/99mmdebstrap etc/dpkg/dpkg.cfg.d/99mmdebstrap etc/apt/sources.list etc/fstab \
	var/lib/apt/lists/* var/cache/apt/* var/log/* var/lib/systemd/random-seed var/lib/dbus/machine-id dev/*
cp -R --preserve=mode,timestamps,links "$layer/." .
: >etc/machine-id
ln -sf ../run/systemd/resolve/stub-resolv.conf etc/resolv.conf
mkdir -p etc/default usr/lib/environment.d var/lib/systemd/linger
ln -sf ../locale.conf etc/default/locale
# What commands get, programs have as well that the user's manager or bus starts.
ln -sf ../../../etc/qubes-lite/environment.user usr/lib/environment.d/50-qubes-lite.conf
: >var/lib/systemd/linger/user

# enable TARGET UNIT…: as its [Install] says.
units=etc/systemd/system
enable() {
	mkdir -p "$units/$1.wants"
	for unit in "$2" ${3-} ${4-} ${5-}; do ln -sf "/usr/lib/systemd/system/$unit" "$units/$1.wants/$unit"; done
}
enable multi-user.target qubes-lite-agent.service qubes-lite-windows.service systemd-networkd.service
enable sockets.target qubes-lite-display-windows.socket qubes-lite-display-sound.socket
# X11 programs find a display where there is a server for it.
if [ -x usr/bin/Xwayland ]; then
	enable sockets.target qubes-lite-x11.socket
	echo DISPLAY=:0 >>etc/qubes-lite/environment.user
fi
enable systemd-resolved.service qubes-lite-name-server.service
enable sysinit.target systemd-network-generator.service systemd-resolved.service
# Users and indexes are made with the image, not at its boots.
touch etc/.updated var/.updated
# What a guest that is made anew at each boot, has no screen, and is waited for does without.
for unit in getty@tty1.service getty-static.service serial-getty@hvc0.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
	e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer systemd-timesyncd.service systemd-networkd-wait-online.service \
	systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-random-seed.service systemd-pstore.service \
	systemd-journal-flush.service systemd-machine-id-commit.service systemd-firstboot.service systemd-modules-load.service systemd-remount-fs.service \
	systemd-ask-password-console.path systemd-ask-password-wall.path systemd-initctl.socket proc-sys-fs-binfmt_misc.automount \
	modprobe@.service sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
	dev-hugepages.mount remote-fs.target; do
	ln -sf /dev/null "$units/$unit"
done
for generator in systemd-gpt-auto-generator systemd-cryptsetup-generator systemd-hibernate-resume-generator systemd-veritysetup-generator \
	systemd-integritysetup-generator systemd-bless-boot-generator systemd-rc-local-generator systemd-sysv-generator; do
	mkdir -p etc/systemd/system-generators
	ln -sf /dev/null "etc/systemd/system-generators/$generator"
done
