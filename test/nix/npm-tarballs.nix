# The tarballs of nix/npm-deps.nix, by their places, with the hash that each must have.
{ node, npm }:

let
  pkgs = import ./host-pkgs.nix { inherit node npm; };
in
builtins.mapAttrs (_: tarball: tarball.drvAttrs.outputHash) (pkgs.callPackage ../../nix/npm-deps.nix { nodejs = pkgs.nodejs_24; }).tarballs
