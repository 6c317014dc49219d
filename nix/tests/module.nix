# What the module makes of a host, on a host that boots: no vm is started, so any machine that runs NixOS' tests runs it.
{
  name = "qubes-lite-module";

  nodes.host = { pkgs, ... }: {
    imports = [ ./host.nix ];
    # The small image: it is not booted here.
    programs.qubes-lite.imageBuilder = _: pkgs.callPackage ../rootfs { };
  };

  testScript = ''
    def systemctl(words):
        return host.succeed(f"systemctl --user -M david@ {words}").strip()

    def as_david(command):
        return host.succeed(f"su - david -c 'XDG_RUNTIME_DIR=/run/user/1000 {command}'")

    host.wait_for_unit("multi-user.target")
    host.wait_for_unit("user@1000.service")

    with subtest("a TAP for the networked vm, which david owns, and none for the other"):
        link = host.succeed("ip -d link show ql-shopping")
        assert "tun type tap" in link and "user david" in link, link
        assert "172.16.200.4/31" in host.succeed("ip address show ql-shopping")
        host.fail("ip link show ql-vault")

    with subtest("NAT for its address, and nothing between vms and this host"):
        assert host.succeed("sysctl -n net.ipv4.ip_forward").strip() == "1"
        assert "172.16.200.5" in host.succeed("iptables-save -t nat || nft list ruleset")
        assert "ql-shopping" in host.succeed("nft list table inet qubes-lite")

    with subtest("the broker's socket, and its units for nobody else"):
        assert systemctl("is-active qubes-lite-broker.socket") == "active"
        as_david("systemd-analyze --user --man=no verify /etc/systemd/user/qubes-lite-shopping.service")
        assert "ConditionUser=david" in systemctl("cat qubes-lite-shopping.service")

    with subtest("the configuration is what the broker has"):
        names = as_david("qubes-lite ls -q").split()
        assert names == ["shopping", "vault"], names
        host.succeed("test -x /run/current-system/sw/bin/qubes-lite-start-shopping")

    with subtest("and D-Bus starts it"):
        host.succeed("systemctl --user -M david@ stop qubes-lite-broker.service")
        assert "shopping" in as_david("busctl --user call org.qubeslite.Broker1 /org/qubeslite org.qubeslite.Broker1 ListVMs a{sv} 0")
  '';
}
