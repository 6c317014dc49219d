# node_modules as package-lock.json has it, without a hash to maintain: each package is fetched by npm itself, from the registry that it knows, and is what the
# lock's `integrity` says, or the build fails. Only what the build and the program need: no tools of the tests, no other system's binaries, and
# not the Node that `npm ci` brings, whose place nixpkgs' has.
{ lib, stdenvNoCC, nodejs }:

let
  inherit (builtins) attrNames elem filter fromJSON listToAttrs match readFile replaceStrings;

  lock = (fromJSON (readFile ../package-lock.json)).packages;
  here = "x64";

  # "node_modules/a/node_modules/@b/c" is @b/c, wherever it lies.
  nameOf = path: lib.last (match "(.*/)?node_modules/(.+)" path);
  toList = value: if builtins.isList value then value else [ value ];
  fits = { os ? "linux", cpu ? here, libc ? "glibc", ... }: elem "linux" (toList os) && elem here (toList cpu) && elem "glibc" (toList libc);
  isBuilder = name: match "esbuild|@esbuild/.*" name != null;
  isSpare = name: match "node-linux-.*|typescript|@typescript/.*" name != null;
  isWanted = path: let entry = lock.${path}; name = nameOf path; in
    entry ? integrity && fits entry && !isSpare name && (isBuilder name || !(entry.dev or false));
  paths = filter isWanted (attrNames lock);

  fetch = path:
    let
      entry = lock.${path};
      name = nameOf path;
    in
    stdenvNoCC.mkDerivation {
      name = "${replaceStrings [ "@" "/" ] [ "" "-" ] name}-${entry.version}.tgz";
      nativeBuildInputs = [ nodejs ];
      buildCommand = ''
        export HOME=$TMPDIR
        [ ! -r "''${NIX_SSL_CERT_FILE-}" ] || export NODE_EXTRA_CA_CERTS=$NIX_SSL_CERT_FILE
        npm pack --silent --ignore-scripts ${lib.escapeShellArg "${name}@${entry.version}"}
        mv ./*.tgz $out
      '';
      outputHashMode = "flat";
      outputHashAlgo = "sha512";
      outputHash = entry.integrity;
      # What a network asks of whoever fetches: a proxy, another registry, certificates of its own.
      impureEnvVars = [ "http_proxy" "https_proxy" "no_proxy" "npm_config_registry" "NIX_SSL_CERT_FILE" ];
      preferLocalBuild = true;
    };
in
stdenvNoCC.mkDerivation {
  name = "qubes-lite-npm-deps";
  passthru.tarballs = listToAttrs (map (path: { name = path; value = fetch path; }) paths);
  buildCommand = lib.concatMapStringsSep "\n" (path: ''
    mkdir -p $out/${path}
    tar -xzf ${fetch path} -C $out/${path} --strip-components=1 --no-same-owner --no-same-permissions
  '') paths;
}
