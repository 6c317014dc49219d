# A host with two vms, for the tests: a networked one, and one that is offline.
{ pkgs, ... }:

{
  imports = [ ../modules ];

  users.users.david = {
    isNormalUser = true;
    uid = 1000;
    linger = true;
  };

  environment.systemPackages = [ pkgs.jq pkgs.nftables ];

  programs.qubes-lite = {
    enable = true;
    user = "david";
    natEnable = true;
    natInterface = "eth0";
    nixosVms = [
      { id = 5; name = "shopping"; memory = 512; cpus = 1; idleTimeout = 60; gpu = "none"; }
      { id = 7; name = "vault"; memory = 512; cpus = 1; network = false; gpu = "none"; }
    ];
  };

  virtualisation = {
    memorySize = 4096;
    cores = 2;
    diskSize = 8192;
  };
}
