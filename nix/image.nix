# An image's directory from a kernel of nixpkgs and a raw root file system, by the program that makes all of them.
{ lib, runCommand, pkgsStatic, qemu-utils, name, qubes-lite, kernel, root, passthru ? { } }:

runCommand name { nativeBuildInputs = [ qemu-utils ]; inherit passthru; } ''
  ${qubes-lite}/bin/qubes-lite image assemble --qcow --out $out \
    --kernel ${kernel}/${kernel.target or "bzImage"} \
    --modules ${lib.getOutput "modules" kernel}/lib/modules/${kernel.modDirVersion} \
    --busybox ${pkgsStatic.busybox}/bin/busybox \
    --root ${root}
''
