"""Does on a display what clients of the time did: finds Skype by the root window's mark, cuts messages into pieces of
20 octets, joins what comes by its window. Needs python-xlib."""

import sys
import time

from Xlib import X, display
from Xlib.protocol import event

screen = display.Display(sys.argv[1])
root = screen.screen().root
begin = screen.get_atom("SKYPECONTROLAPI_MESSAGE_BEGIN")
more = screen.get_atom("SKYPECONTROLAPI_MESSAGE")
mark = root.get_full_property(screen.get_atom("_SKYPE_INSTANCE"), X.AnyPropertyType)
assert mark is not None and mark.format == 32 and len(mark.value) == 1, mark
skype = screen.create_resource_object("window", mark.value[0])
own = root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
partial = b""
heard = []


def say(line):
    """A message and its NUL; what is behind that is anything."""
    octets = line.encode() + b"\0"
    print(">", line, flush=True)
    for place in range(0, len(octets), 20):
        piece = octets[place:place + 20].ljust(20, b"\xff")
        kind = begin if place == 0 else more
        skype.send_event(event.ClientMessage(window=own, client_type=kind, data=(8, piece)),
                         event_mask=0)
    screen.flush()


def pump():
    """Takes all that has come."""
    global partial
    while screen.pending_events():
        came = screen.next_event()
        if came.type != X.ClientMessage or came.window.id != skype.id:
            continue
        if came.client_type == begin:
            partial = b""
        piece = bytes(came.data[1])
        text, end, _ = piece.partition(b"\0")
        partial += text
        if end:
            heard.append(partial.decode())
            print("<", heard[-1], flush=True)
            partial = b""


def until(line):
    for _ in range(2000):
        pump()
        while heard:
            if heard.pop(0).startswith(line):
                return
        time.sleep(0.01)
    sys.exit("never heard %r" % line)


for command, answer in [
    ("#0 NAME Skype4Py", "#0 OK"),
    ("#0 PROTOCOL 5", "#0 PROTOCOL 5"),
    ("GET CURRENTUSERHANDLE ", "CURRENTUSERHANDLE alice"),
    ("#0 CREATE APPLICATION a", "#0 CREATE APPLICATION a"),
    ("#0 ALTER APPLICATION a CONNECT bob", "#0 ALTER APPLICATION a CONNECT bob"),
]:
    say(command)
    until(answer)
until("APPLICATION a STREAMS bob:1")
say("#0 ALTER APPLICATION a DATAGRAM bob:1 hello over a display")
until("#0 ALTER APPLICATION a DATAGRAM bob:1")
until("APPLICATION a RECEIVED bob:1=8")
say("#0 ALTER APPLICATION a READ bob:1")
until("#0 ALTER APPLICATION a READ bob:1 and back")
print("read: and back", flush=True)
