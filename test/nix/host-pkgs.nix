# As much of nixpkgs as our packages need to be really built by Nix, from the programs of this host, without a sandbox: what it proves is that
# their phases do what they say, not that nixpkgs has what they ask for. `modules` is a node_modules in the place of what npm-deps.nix fetches.
{ lib ? import ./mini-lib.nix, node, npm, modules ? "" }:

let
  inherit (builtins) attrNames concatStringsSep currentSystem elem filter isAttrs removeAttrs;

  path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

  # The phases of stdenv that our packages have, in its order.
  setup = ''
    set -e
    export PATH=$hostPath:${path} HOME=$TMPDIR
    runHook() { :; }
    cd "$TMPDIR"
    if [ -n "''${buildCommand-}" ]; then
      eval "$buildCommand"
    else
      cp -r "$src" source
      chmod -R u+w source
      cd source
      if [ -n "''${buildPhase-}" ]; then eval "$buildPhase"; else make $makeFlags; fi
      if [ -n "''${installPhase-}" ]; then eval "$installPhase"; else make install $makeFlags; fi
    fi
  '';

  mkDerivation = attributes:
    let
      drv = derivation (removeAttrs attributes [ "meta" "passthru" "nativeBuildInputs" "outputs" ] // {
        name = attributes.name or "${attributes.pname}-${attributes.version}";
        system = currentSystem;
        builder = "/bin/sh";
        args = [ "-c" setup ];
        outputs = attributes.outputs or [ "out" ];
        hostPath = concatStringsSep ":" (map (input: "${input}/bin") (filter isAttrs (attributes.nativeBuildInputs or [ ])));
      });
    in
    drv // (attributes.passthru or { });

  # A program of the host's, as a package.
  wrap = name: programs: mkDerivation {
    inherit name;
    buildCommand = ''
      mkdir -p $out/bin
      ${concatStringsSep "\n" (map (program: "ln -s ${programs.${program}} $out/bin/${program}") (attrNames programs))}
    '';
  };

  linked = mkDerivation { name = "npm-deps"; buildCommand = "mkdir $out; ln -s ${modules} $out/node_modules"; };

  self = {
    inherit lib;
    stdenvNoCC = { inherit mkDerivation; hostPlatform.system = currentSystem; };
    stdenv = self.stdenvNoCC // { cc.targetPrefix = ""; };
    nodejs_24 = wrap "nodejs-24" { inherit node npm; };
    util-linux = wrap "util-linux" { flock = "/usr/bin/flock"; };
    callPackage = file: given:
      if modules != "" && baseNameOf file == "npm-deps.nix" then linked else
      let function = import file;
      in function (builtins.intersectAttrs (builtins.functionArgs function) self // given);
  };
in
self
