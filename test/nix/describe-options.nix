# The options of programs.qubes-lite and of one vm, as a list: for the README's tables, and to compare them with the configuration's schema.
{ libPath ? "" }:

let
  lib = if libPath == "" then import ./mini-lib.nix else import libPath;
  pkgs = import ./stub-pkgs.nix;
  config.networking.nameservers = [ ];

  walk = path: options: lib.concatLists (lib.mapAttrsToList (name: option:
    if option._type or null == "option" then lib.optional (!(option.internal or false) && !(option.readOnly or false)) (describe (path ++ [ name ]) option)
    else walk (path ++ [ name ]) option) options);

  describe = path: option: {
    name = lib.concatStringsSep "." path;
    type = option.type.description;
    inherit (option) description;
    default =
      if option ? defaultText then option.defaultText.text
      else if option ? default then render option.default
      else null;
  };

  render = value:
    if value == { } then "{ }"
    else if value == [ ] then "[ ]"
    else if lib.isList value then "[ ${lib.concatMapStringsSep " " render value} ]"
    else builtins.toJSON value;
in
{
  module = walk [ ] (import ../../nix/modules/options.nix { inherit config lib pkgs; }).options.programs.qubes-lite;
  vm = walk [ ] (import ../../nix/modules/vm-options.nix { inherit lib; }).options;
}
