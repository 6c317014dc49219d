#!/usr/bin/env python3
"""Runs a command in a vm by D-Bus, and prints what it said: run-by-dbus.py shopping uname -sr

Needs GLib's Python (Debian: python3-gi).
"""
import sys

from gi.repository import Gio, GLib

BROKER = ("org.qubeslite.Broker1", "/org/qubeslite")
NEVER = GLib.MAXINT  # A vm may have to boot first, and the command takes as long as it likes.


def proxy(path, interface):
    return Gio.DBusProxy.new_for_bus_sync(Gio.BusType.SESSION, Gio.DBusProxyFlags.NONE, None, BROKER[0], path, interface, None)


def call(on, method, signature, *values):
    return on.call_sync(method, GLib.Variant(signature, values), Gio.DBusCallFlags.NONE, NEVER, None).unpack()


def main(name, *command):
    broker = proxy(BROKER[1], "org.qubeslite.Broker1")
    (path,) = call(broker, "GetVM", "(sa{sv})", name, {})
    vm = proxy(path, "org.qubeslite.VM1")
    (session,) = call(vm, "Run", "(asa{sv})", command, {"capture": GLib.Variant("b", True)})
    code, signal, output = call(broker, "Wait", "(sa{sv})", session, {})
    sys.stdout.buffer.write(bytes(output["stdout"]))
    sys.stderr.buffer.write(bytes(output["stderr"]))
    return f"ended by {signal}" if signal else code


if len(sys.argv) < 3:
    print(f"usage: {sys.argv[0]} VM COMMAND [ARGUMENT…]", file=sys.stderr)
    sys.exit(2)
try:
    sys.exit(main(*sys.argv[1:]))
except GLib.Error as error:
    Gio.DBusError.strip_remote_error(error)
    sys.exit(error.message)
