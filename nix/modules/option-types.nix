# Types that several options have, with the bounds of src/config.
{ lib }:

let
  inherit (lib) types;
  # A string by what people call it.
  named = description: pattern: types.strMatching pattern // { inherit description; };
in
{
  # A path in Nix's own sense would be copied into the store, where everybody can read it.
  absolutePath = named "absolute path in quotes" "/.*";

  ipv4Address = named "IPv4 address" "[0-9]+(\\.[0-9]+){3}";

  kernelWord = named "word of printable ASCII" "[!-~]+";

  # VIRTIO_BLK_ID_BYTES is 20, and a tag of virtiofs has 36 bytes at most.
  diskId = named "letter or digit, then letters, digits, \".\", \"_\" and \"-\": at most 20 in all" "[A-Za-z0-9][A-Za-z0-9._-]{0,19}";
  tag = named "a–z, 0–9 and -, a letter first, at most 20 in all" "[a-z][a-z0-9-]{0,19}";

  # Up to a year.
  seconds = types.ints.between 0 31536000;

  secondsTo = types.ints.between 1;
}
