# As much of nixpkgs' lib as nix/ uses, for machines that have Nix but no nixpkgs: modules, their types, and a few functions. What it lacks
# is missing, so that whoever uses it hears of it; mini-lib.test.ts holds it against what the real one gave.
let
  inherit (builtins)
    all any attrNames attrValues concatLists concatMap elem elemAt filter foldl' functionArgs genList hasAttr head isAttrs isBool
    isFunction isInt isList isPath isString length listToAttrs map mapAttrs match replaceStrings stringLength substring tail toJSON;

  # Functions.

  id = x: x;
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: values: if condition then values else [ ];
  optionalAttrs = condition: set: if condition then set else { };
  optionalString = condition: text: if condition then text else "";
  nameValuePair = name: value: { inherit name value; };
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  mapAttrs' = f: set: listToAttrs (mapAttrsToList f set);
  filterAttrs = keep: set: listToAttrs (filter ({ name, value }: keep name value) (mapAttrsToList nameValuePair set));
  genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
  imap = first: f: list: genList (index: f (index + first) (elemAt list index)) (length list);
  imap1 = imap 1;
  last = list: elemAt list (length list - 1);
  unique = foldl' (seen: one: if elem one seen then seen else seen ++ [ one ]) [ ];
  count = keep: list: length (filter keep list);
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  removePrefix = prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (stringLength text) text else text;
  hasSuffix = suffix: text: let start = stringLength text - stringLength suffix; in start >= 0 && substring start (stringLength suffix) text == suffix;
  concatMapStringsSep = separator: f: list: builtins.concatStringsSep separator (map f list);
  escapeShellArg = text: "'${replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
  getOutput = output: package: package.${output} or package;
  getBin = getOutput "bin";
  isDerivation = value: value.type or null == "derivation";
  reverse = list: genList (index: elemAt list (length list - 1 - index)) (length list);
  zip = f: sets: listToAttrs (map (name: nameValuePair name (f name (map (set: set.${name}) (filter (hasAttr name) sets)))) (unique (concatMap attrNames sets)));

  # Properties of definitions.

  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkMerge = contents: { _type = "merge"; inherit contents; };
  mkOverride = priority: content: { _type = "override"; inherit priority content; };
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
  ordinary = 100;
  ofOption = 1500;

  isA = type: value: value._type or null == type;

  # A set of definitions as a list of sets: what holds of it as a whole is said of each attribute. Looks at no condition: one may depend on another option.
  push = set:
    if isA "merge" set then concatMap push set.contents
    else if isA "if" set then map (mapAttrs (_: mkIf set.condition)) (push set.content)
    else if isA "override" set then map (mapAttrs (_: mkOverride set.priority)) (push set.content)
    else [ set ];

  # The definitions in one: those whose conditions hold, with their priorities.
  settle = value:
    if isA "merge" value then concatMap settle value.contents
    else if isA "if" value then optionals value.condition (settle value.content)
    else if isA "override" value then map (one: one // { inherit (value) priority; }) (settle value.content)
    else [ { priority = ordinary; inherit value; } ];

  # Values of the definitions that count.
  strongest = settled:
    let least = foldl' (least: { priority, ... }: if priority < least then priority else least) ofOption settled;
    in map ({ value, ... }: value) (filter ({ priority, ... }: priority == least) settled);

  # Options.

  mkOption = attributes: attributes // { _type = "option"; };
  mkEnableOption = name: mkOption { type = types.bool; default = false; example = true; description = "Whether to enable ${name}."; };
  literal = text: { _type = "literalExpression"; inherit text; };

  showOption = loc: builtins.concatStringsSep "." (map (part: if match "[a-zA-Z_][a-zA-Z0-9_'-]*|\\*|<[^>]*>" part != null then part else toJSON part) loc);

  # The value of `type` at `loc` by definitions that may have properties.
  mergeAt = loc: type: definitions:
    let values = strongest (concatMap settle definitions); in
    if values == [ ] then throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option."
    else if all type.check values then type.merge loc values
    else throw "A definition for option `${showOption loc}' is not of type `${type.description}'.";

  # Types: a check of one definition, and what several come to. The class of a description says where it needs brackets.

  mkType = descriptionClass: description: check: merge: { inherit descriptionClass description check merge; };
  mergeEqual = loc: values:
    if all (value: value == head values) values then head values
    else throw "The option `${showOption loc}' has conflicting definition values:";
  mergeOne = loc: values:
    if length values == 1 then head values
    else throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique.";
  noun = description: check: mkType "noun" description check mergeEqual;
  number = description: check: noun description check // { descriptionClass = "nonRestrictiveClause"; };
  phrase = classes: type: if elem type.descriptionClass classes then type.description else "(${type.description})";

  types = rec {
    bool = noun "boolean" isBool;
    int = noun "signed integer" isInt;
    str = noun "string" isString;
    path = noun "absolute path" (value: (isPath value || isString value || value ? outPath) && substring 0 1 (toString value) == "/");
    package = mkType "noun" "package" isDerivation mergeOne;
    raw = mkType "noun" "raw value" (_: true) mergeOne;
    anything = mkType "noun" "anything" (_: true) (loc: values:
      if all isAttrs values && !any isDerivation values then zip (name: mergeAt (loc ++ [ name ]) anything) values
      else mergeEqual loc values);
    strMatching = pattern: noun "string matching the pattern ${pattern}" (value: isString value && match pattern value != null);
    enum = values: noun "one of ${concatMapStringsSep ", " toJSON values}" (value: elem value values) // { descriptionClass = "conjunction"; };
    ints = {
      unsigned = number "unsigned integer, meaning >=0" (value: isInt value && value >= 0);
      positive = number "positive integer, meaning >0" (value: isInt value && value > 0);
      between = least: most: noun "integer between ${toString least} and ${toString most} (both inclusive)" (value: isInt value && value >= least && value <= most);
    };
    nullOr = type: mkType "conjunction" "null or ${phrase [ "noun" "conjunction" ] type}" (value: value == null || type.check value) (loc: values:
      if all (value: value == null) values then null
      else if any (value: value == null) values then throw "The option `${showOption loc}` is defined both null and not null."
      else type.merge loc values);
    either = a: b:
      let description = "${phrase [ "noun" "conjunction" ] a} or ${phrase [ "noun" "conjunction" "composite" ] b}";
      in mkType "conjunction" description (value: a.check value || b.check value) (loc: values:
        if all a.check values then a.merge loc values
        else if all b.check values then b.merge loc values
        else throw "A definition for option `${showOption loc}' is not of type `${description}'.");
    listOf = type: mkType "composite" "list of ${phrase [ "noun" "composite" ] type}" isList (loc: values:
      concatLists (imap1 (n: list: concatLists (imap1 (m: value:
        map (one: mergeAt (loc ++ [ "[definition ${toString n}-entry ${toString m}]" ]) type [ one.value ]) (settle value)) list)) values));
    attrsOf = type: mkType "composite" "attribute set of ${phrase [ "noun" "composite" ] type}" isAttrs (loc: values:
      zip (name: mergeAt (loc ++ [ name ]) type) (concatMap push values));
    functionTo = type: mkType "composite" "function that evaluates to a(n) ${phrase [ "noun" "composite" ] type}" isFunction (loc: functions: argument:
      mergeAt (loc ++ [ "<function body>" ]) type (map (function: function argument) functions));
    deferredModule = mkType "noun" "module" (value: isAttrs value || isFunction value || isPath value) (_: imports: { inherit imports; });
    submodule = modules: mkType "" "submodule" (value: isAttrs value || isFunction value || isPath value) (loc: values:
      (evalModules { prefix = loc; specialArgs.name = last loc; modules = (if isList modules then modules else [ modules ]) ++ values; }).config);
    addCheck = type: check: type // { check = value: type.check value && check value; };
  };

  # Modules.

  # `modules`: paths, functions and sets.
  evalModules = { modules, specialArgs ? { }, prefix ? [ ] }:
    let
      args = specialArgs // { inherit lib config; inherit (result) options; };
      # Without `config` and `options` all but `imports` is definitions.
      load = parent: n: module:
        let
          isFile = isPath module || isString module;
          value = if isFile then import module else module;
          attrs = if isFunction value then value args else value;
        in
        {
          # A file is one module, wherever it is imported.
          key = if isFile then toString module else "${parent}:${toString n}";
          imports = attrs.imports or [ ];
          options = attrs.options or { };
          config = if attrs ? config || attrs ? options then attrs.config or { } else removeAttrs attrs [ "imports" "_file" "key" ];
        };
      # Breadth first, and then the other way round: what imports comes behind what it imports.
      collected = reverse (builtins.genericClosure {
        startSet = imap1 (load "") modules;
        operator = { key, imports, ... }: imap1 (load key) imports;
      });
      result = evalTree prefix (map ({ options, ... }: options) collected) (concatMap ({ config, ... }: push config) collected);
      config = result.config;
    in
    { inherit config; inherit (result) options; };

  # `trees`: of declarations. `sets`: of definitions, pushed.
  evalTree = prefix: trees: sets:
    let
      known = zip (_: id) trees;
      unknown = filter (name: !(known ? ${name})) (concatMap attrNames sets);
      at = mapAttrs (name: declared:
        let
          loc = prefix ++ [ name ];
          definitions = map (set: set.${name}) (filter (hasAttr name) sets);
        in
        if all (isA "option") declared then evalOption loc (foldl' (a: b: a // b) { } declared) definitions
        else evalTree loc declared (concatMap push definitions)) known;
    in
    if unknown != [ ] then throw "The option `${showOption (prefix ++ [ (head unknown) ])}' does not exist."
    else { config = mapAttrs (_: one: one.config) at; options = mapAttrs (_: one: one.options) at; };

  evalOption = loc: option: definitions:
    let
      type = option.type or types.raw;
      all = definitions ++ optional (option ? default) (mkOverride ofOption option.default);
      value =
        if option.readOnly or false && length (concatMap settle all) > 1 then throw "The option `${showOption loc}' is read-only, but it's set multiple times."
        else mergeAt loc type all;
    in
    { config = (option.apply or id) value; options = option // { inherit loc value; isDefined = concatMap settle all != [ ]; }; };

  lib = {
    inherit
      all any attrNames attrValues concatLists concatMap concatMapStringsSep count elem escapeShellArg evalModules filter filterAttrs
      genAttrs getBin getOutput hasPrefix hasSuffix head id imap1 isDerivation isFunction isList isString last length listToAttrs mapAttrs mapAttrs' mapAttrsToList mkDefault mkEnableOption mkForce mkIf
      mkMerge mkOption mkOverride nameValuePair optional optionalAttrs optionalString optionals removePrefix types unique;
    inherit (builtins) concatStringsSep sort toJSON;
    literalExpression = literal;
    trivial.release = "26.11";
    isMiniLib = true;
  };
in
lib
