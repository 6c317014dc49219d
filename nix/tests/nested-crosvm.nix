# A vm of NixOS by crosvm, in a host that is itself a vm: `run-in-vm shopping` boots it, runs a command, and it goes when it is idle.
{
  name = "qubes-lite-nested-crosvm";

  nodes.host = { pkgs, ... }: {
    imports = [ ./host.nix ];
    programs.qubes-lite.guestPrograms = [ pkgs.hello ];
    # The Wayland session that the units ask for is not there, and gpu = "none" does without.
    virtualisation.qemu.options = [ "-cpu host" ];
    virtualisation.memorySize = pkgs.lib.mkForce 6144;
  };

  testScript = ''
    def as_david(command, timeout=900):
        return host.succeed(f"su - david -c 'XDG_RUNTIME_DIR=/run/user/1000 {command}'", timeout=timeout)

    host.wait_for_unit("multi-user.target")
    host.wait_for_unit("user@1000.service")
    host.succeed("test -c /dev/kvm")

    assert as_david("run-in-vm shopping hostname").strip() == "shopping"
    assert "Hello, world!" in as_david("run-in-vm shopping hello")
    assert "172.16.200.5/31" in as_david("run-in-vm shopping ip address show vm0")
    host.succeed("su - david -c 'XDG_RUNTIME_DIR=/run/user/1000 run-in-vm shopping sh -c \"exit 42\"; test $? = 42'")
    assert '"idleTimeout":60' in as_david("run-in-vm shopping qubes-lite-guest about")
    assert as_david("run-in-vm vault ls /sys/class/net").split() == ["lo"]
    host.wait_until_succeeds("su - david -c 'XDG_RUNTIME_DIR=/run/user/1000 qubes-lite status --json shopping' | jq -e '.vm.state == \"stopped\"'", timeout=300)
  '';
}
