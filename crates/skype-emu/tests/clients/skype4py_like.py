"""Does on a bus what clients of the time did: the object first, calls without an interface to the unique name, ids
from 0, the lowest free one again, replies by their ids and news by their prefixes. Needs dbus-python and GLib."""

import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.bus.BusConnection(sys.argv[1])
loop = GLib.MainLoop()
steps = iter(())


class Client(dbus.service.Object):
    """Where Skype tells its news."""

    @dbus.service.method("com.Skype.API.Client", in_signature="s")
    def Notify(self, line):
        print("<", line, flush=True)
        heard(str(line))


client = Client(bus, "/com/Skype/Client")
owner = bus.get_name_owner("com.Skype.API")
skype = bus.get_object(owner, "/com/Skype", introspect=False)
xml = skype.Introspect(dbus_interface="org.freedesktop.DBus.Introspectable")
assert "Invoke" in xml, xml


def say(line, expected):
    """A blocking call without an interface."""
    message = dbus.lowlevel.MethodCallMessage(owner, "/com/Skype", None, "Invoke")
    message.append(line, signature="s")
    reply = bus.send_message_with_reply_and_block(message).get_args_list()[0]
    print(">", line, "=", reply, flush=True)
    if reply != expected:
        sys.exit("expected %r, came %r" % (expected, reply))


def heard(line):
    """One step for each piece of news."""
    if line == "APPLICATION a STREAMS bob:1":
        GLib.idle_add(send)
    elif line.startswith("APPLICATION a RECEIVED bob:1"):
        GLib.idle_add(read)


def send():
    say("#0 ALTER APPLICATION a DATAGRAM bob:1 hello over a bus",
        "#0 ALTER APPLICATION a DATAGRAM bob:1")


def read():
    say("#0 ALTER APPLICATION a READ bob:1", "#0 ALTER APPLICATION a READ bob:1 and back")
    print("read: and back", flush=True)
    loop.quit()


say("#0 NAME Skype4Py", "#0 OK")
say("#0 PROTOCOL 5", "#0 PROTOCOL 5")
# As Skype4Java does: no ids, a trailing blank.
say("GET CURRENTUSERHANDLE ", "CURRENTUSERHANDLE alice")
say("#0 CREATE APPLICATION a", "#0 CREATE APPLICATION a")
say("#0 ALTER APPLICATION a CONNECT bob", "#0 ALTER APPLICATION a CONNECT bob")
GLib.timeout_add_seconds(20, lambda: sys.exit("nothing more came"))
loop.run()
