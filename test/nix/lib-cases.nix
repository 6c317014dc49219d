# One case of what nix/ and the tests ask of lib: the small one is held against what nixpkgs' own gives for each.
{ libPath ? "", name ? null }:

let
  lib = if libPath == "" then import ./mini-lib.nix else import libPath;
  inherit (lib) mkDefault mkForce mkIf mkMerge mkOption types;

  # The value of option `x` of that type, by modules.
  merge = type: modules: (lib.evalModules { modules = [ { options.x = mkOption { inherit type; }; } ] ++ modules; }).config.x;
  # By definitions.
  of = type: values: merge type (map (x: { config = { inherit x; }; }) values);

  person = { options = { age = mkOption { type = types.int; default = 7; }; name = mkOption { type = types.str; }; tags = mkOption { type = types.listOf types.str; default = [ ]; }; }; };
  named = types.submodule [ person ({ name, ... }: { config.name = mkDefault name; }) ];

  cases = {
    listsOfImportsComeBefore = merge (types.listOf types.str) [ { imports = [ { x = [ "imported" ]; } ]; x = [ "importer" ]; } { x = [ "last" ]; } ];
    importsInImports = merge (types.listOf types.str) [ { imports = [ { imports = [ { x = [ "c" ]; } ]; x = [ "b" ]; } { x = [ "d" ]; } ]; x = [ "a" ]; } ];
    sameFileTwice = merge (types.listOf types.str) [ { imports = [ ./lib-case-module.nix ./lib-case-module.nix ]; } ./lib-case-module.nix ];
    forced = of types.int [ 1 (mkForce 2) (mkDefault 3) ];
    defaulted = of types.int [ (mkDefault 3) 4 ];
    conditional = of types.int [ (mkIf false 1) (mkIf true 2) ];
    merged = of (types.listOf types.int) [ (mkMerge [ [ 1 ] (mkIf true [ 2 ]) (mkIf false [ 3 ]) ]) [ 4 ] ];
    forcedList = of (types.listOf types.int) [ [ 1 ] (mkForce [ 2 ]) ];
    conditionalSet = merge (types.attrsOf types.int) [ { config = mkIf true { x = mkMerge [ { a = 1; } (mkIf false { b = 2; }) ]; }; } { x.c = mkForce 3; } { x.c = 4; } ];
    conditionOnAnother = (lib.evalModules { modules = [ ({ config, ... }: { options.a = mkOption { type = types.bool; default = true; }; options.b = mkOption { type = types.int; default = 1; }; config = mkIf config.a { b = 2; }; }) ]; }).config.b;
    submodules = of (types.listOf (types.submodule person)) [ [ { name = "a"; } ] [ { name = "b"; age = 8; tags = [ "x" ]; } ] ];
    submodulesMerge = of (types.attrsOf named) [ { a.tags = [ "x" ]; b = { }; } { a = { tags = [ "y" ]; age = mkForce 9; }; } ];
    functions = of (types.attrsOf named) [ { a = { name, ... }: { tags = [ name ]; }; } ];
    eitherList = of (types.either (types.listOf types.int) (types.attrsOf types.int)) [ [ 1 ] [ 2 ] ];
    eitherSet = of (types.either (types.listOf types.int) (types.attrsOf types.int)) [ { a = 1; } { b = 2; } ];
    eitherMixed = of (types.either (types.listOf types.int) (types.attrsOf types.int)) [ [ 1 ] { b = 2; } ];
    nulls = of (types.nullOr types.int) [ null null ];
    nullAndValue = of (types.nullOr types.int) [ null 1 ];
    equalTwice = of types.str [ "a" "a" ];
    unequalTwice = of types.str [ "a" "b" ];
    ofNone = of types.int [ ];
    anything = of types.anything [ { a = 1; l = [ 1 ]; } { b.c = 2; l = [ 1 ]; } ];
    function = (of (types.functionTo types.int) [ (x: x + 1) ]) 3;
    wrongInList = of (types.listOf types.int) [ [ 1 "a" ] ];
    wrongInSet = of (types.attrsOf types.ints.positive) [ { "a b" = 0; } ];
    wrongEnum = of (types.enum [ "a" "b" ]) [ "c" ];
    wrongBetween = of (types.ints.between 1 3) [ 4 ];
    wrongUnsigned = of types.ints.unsigned [ (-1) ];
    unknown = merge types.int [ { x = 1; } { y = 2; } ];
    unknownDeep = of (types.submodule person) [ { name = "a"; agee = 1; } ];
    missingDeep = (of (types.submodule person) [ { } ]).name;
    readOnly = (lib.evalModules { modules = [ { options.x = mkOption { type = types.int; default = 1; readOnly = true; }; } { x = 2; } ]; }).config.x;
    descriptions = map (type: type.description) [
      (types.nullOr (types.listOf types.int)) (types.listOf (types.nullOr types.str)) (types.attrsOf (types.listOf types.bool))
      (types.either types.str (types.listOf types.int)) (types.either (types.listOf types.int) (types.attrsOf types.str))
      (types.nullOr (types.enum [ "a" "b" ])) (types.listOf types.ints.positive) (types.nullOr types.ints.unsigned) (types.functionTo types.package)
      (types.listOf (types.submodule person)) (types.nullOr (types.either types.str (types.submodule person)))
    ];
    deferred = (lib.evalModules { modules = [ { options.a = mkOption { type = types.int; }; } (of types.deferredModule [ { a = mkDefault 1; } ({ ... }: { a = 2; }) ]) ]; }).config.a;
    defined = let o = (lib.evalModules { modules = [ { options.x = mkOption { type = types.int; default = 1; }; options.y = mkOption { type = types.int; }; } { y = 2; } ]; }).options; in [ o.x.isDefined o.y.isDefined o.y.value ];
    small = [
      (lib.unique [ 1 2 1 ]) (lib.count (x: x > 1) [ 1 2 3 ]) (lib.hasPrefix "a" "ab") (lib.hasSuffix "b" "ab") (lib.hasSuffix "abc" "b") (lib.removePrefix "a" "ab") (lib.removePrefix "x" "ab")
      (lib.escapeShellArg "a'b") (lib.imap1 (i: x: i + x) [ 10 20 ]) (lib.last [ 1 2 ]) (lib.mapAttrsToList (n: v: n + v) { b = "2"; a = "1"; })
      (lib.filterAttrs (n: v: v > 1) { a = 1; b = 2; }) (lib.genAttrs [ "a" ] (n: n)) (lib.concatMapStringsSep "-" toString [ 1 2 ]) (lib.optionals false [ 1 ]) (lib.optionalString true "x")
      (lib.mapAttrs' (n: v: lib.nameValuePair "${n}${n}" v) { a = 1; }) (lib.isDerivation { type = "derivation"; }) (lib.isDerivation "x") (lib.sort (a: b: a < b) [ 2 1 ])
    ];
  };
in
if name == null then lib.attrNames cases else cases.${name}
