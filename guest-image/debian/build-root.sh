#!/bin/sh
# Makes the root image of a guest of Debian: mmdebstrap lays the packages, then come our own files. It runs as root of namespaces that end with
# it, so that nothing is left mounted however it ends. Words: see the assignments. What it prints on standard output are mmdebstrap's own words.
set -eu
umask 022
place=$1      # an empty directory
in_memory=$2  # yes: the tree is in memory, no: in that directory
repository=$3 # packages and their list: nothing else is installed, and no network is needed
layer=$4      # our own files, as they are in the guest
suite=$5
packages=$6   # with commas
out=$7        # the root image
base=$8       # an archive of the tree as the packages alone make it: taken if it is there, else made

[ "$in_memory" = no ] || mount -t tmpfs -o mode=0755 tree "$place"
tree=$place/tree

# What only owners and attributes make of it is in the archive, too.
archive() { tar --numeric-owner --xattrs --xattrs-include='*' --directory "$tree" "$@"; }

if [ -f "$base" ] && mkdir "$tree" && archive --extract --gzip --same-permissions --file "$base"; then
	:
else
	# None, or one that is damaged.
	rm -rf "$tree"
	# Pages and translations that nobody reads in a guest; licences stay. What is killed half-way is thrown away, so nothing needs to be on the disk.
	mmdebstrap --verbose --mode=root --variant=apt --format=directory \
		--include="$packages" \
		--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
		--aptopt='APT::Sandbox::User "root"' --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
		--dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
		--customize-hook='chroot "$1" useradd --create-home --uid=1000 --user-group --shell=/bin/bash user' \
		"$suite" "$tree" "deb [trusted=yes] copy:$repository ./" 2>&1
	# It spares the next image of these packages, with other files of ours, most of the work; where there is no room it is left out.
	if archive --create --use-compress-program='gzip -1' --file "$place.base" .; then
		mv "$place.base" "$base"
	else
		rm -f "$place.base"
	fi
fi

sh "${0%/*}/finish-root.sh" "$tree" "$layer"

# Uncompressed, because the guest reads it through the host's page cache.
exec mkfs.erofs --quiet "$out" "$tree"
