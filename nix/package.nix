# qubes-lite: the programs, their units, man pages and completions; `agent` is what a guest needs of it.
{ lib, stdenvNoCC, callPackage, nodejs_24, util-linux }:

let
  inherit (builtins) elem head split;

  # No change of the nix expressions, the tests or the README is one of the package.
  tops = [ "bin" "docs" "guest-image" "package.json" "scripts" "src" "units" ];
  src = builtins.path {
    name = "qubes-lite-source";
    path = ../.;
    filter = path: _:
      let relative = lib.removePrefix "${toString ../.}/" (toString path);
      in elem (head (split "/" relative)) tops || elem relative [ "nix" "nix/install.sh" ];
  };
  dependencies = callPackage ./npm-deps.nix { nodejs = nodejs_24; };
in
stdenvNoCC.mkDerivation {
  pname = "qubes-lite";
  inherit ((builtins.fromJSON (builtins.readFile ../package.json))) version;
  inherit src;

  outputs = [ "out" "agent" ];

  nativeBuildInputs = [ nodejs_24 ];

  buildPhase = ''
    runHook preBuild
    ln -s ${dependencies}/node_modules node_modules
    node scripts/build.ts
    runHook postBuild
  '';

  # Of the programs that units and launchers name, the paths in the store.
  installPhase = ''
    runHook preInstall
    node=${nodejs_24}/bin/node flock=${util-linux}/bin/flock sh nix/install.sh
    runHook postInstall
  '';

  # Bundles are text, and the one addon is npm's.
  dontFixup = true;

  passthru = { inherit dependencies; nodejs = nodejs_24; };

  meta = {
    description = "Runs programs in isolated VMs that boot when needed and leave when not";
    mainProgram = "run-in-vm";
    license = {
      spdxId = "MIT";
      fullName = "MIT License";
      free = true;
    };
    platforms = [ "x86_64-linux" ];
  };
}
