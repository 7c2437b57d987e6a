"""Sends a node datagrams with bad checksums between good ones, and looks at what that costs it.

Prints how many good ones were answered, how many the system refused, and the processor time that the node took in two
seconds after the last, in milliseconds. To be run in a network of its own: python3 bad_checksum.py PID
"""

import os
import socket
import struct
import sys
import time

ROUNDS = 20
NODE = ("127.0.0.1", 24254)
QUESTION = b'[{"PleaseSendPeers":{}}]'


def processor_ms():
    with open(f"/proc/{sys.argv[1]}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")


def refused():
    with open("/proc/net/snmp") as file:
        names, values = [line.split() for line in file if line.startswith("Udp:")]
    return int(dict(zip(names, values))["InCsumErrors"])


udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(10)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
# The right checksum of these bytes is another.
spoiled = struct.pack("!HHHH", 5000, NODE[1], 8 + len(QUESTION), 1) + QUESTION
answered = 0
for _ in range(ROUNDS):
    raw.sendto(spoiled, (NODE[0], 0))
    udp.sendto(QUESTION, NODE)
    answered += b"PleaseAlwaysReturnThisMessage" in udp.recv(65535)
raw.sendto(spoiled, (NODE[0], 0))
before = processor_ms()
time.sleep(2)
print(answered, refused(), processor_ms() - before)
