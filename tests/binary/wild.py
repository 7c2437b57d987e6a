"""A node of the wild: it knows the common words only, and one datagram carries one block of 4,096 bytes.

`wild.py serve IP PORT FILE` serves a file by its SHA-256 until it is killed. `wild.py ask IP PORT ID LENGTH` fetches a
content in blocks of LENGTH; it prints how many bytes came before they came no more, the SHA-256 of these, and how many
datagrams the system put together from fragments. To be run in a network of its own.
"""

import base64
import hashlib
import json
import socket
import sys

BLOCK = 4096
WINDOW = 16
SILENCES_MAX = 8


def hear(udp):
    datagram, sender = udp.recvfrom(65535)
    return [message for message in json.loads(datagram, parse_constant=str) if isinstance(message, dict)], sender


def returned(messages):
    """The tokens that are to be returned."""
    names = {"PleaseAlwaysReturnThisMessage": "AlwaysReturned", "PleaseReturnThisMessage": "ReturnedMessage"}
    return [{names[name]: token} for message in messages for name, token in message.items() if name in names]


def reassembled():
    with open("/proc/net/snmp") as file:
        names, values = [line.split() for line in file if line.startswith("Ip:")]
    return int(dict(zip(names, values))["ReasmOKs"])


def serve(ip, port, path):
    with open(path, "rb") as file:
        content = file.read()
    name = hashlib.sha256(content).hexdigest()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((ip, int(port)))
    while True:
        messages, sender = hear(udp)
        tokens = returned(messages)
        for message in messages:
            asked = message.get("PleaseSendContent", {})
            if asked.get("id") == name:
                part = content[asked["offset"] : asked["offset"] + min(asked["length"], BLOCK)]
                text = base64.b64encode(part).decode()
                answer = {"id": name, "offset": asked["offset"], "base64": text, "eof": len(content)}
                udp.sendto(json.dumps([{"Content": answer}] + tokens).encode(), sender)
        if tokens:
            udp.sendto(json.dumps(tokens).encode(), sender)


def ask(ip, port, name, length):
    length = int(length)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.connect((ip, int(port)))
    udp.settimeout(0.3)
    parts, waiting, rest, tokens, silences = {}, [0], iter(()), [], 0

    def question(offset):
        request = {"PleaseSendContent": {"id": name, "offset": offset, "length": length}}
        udp.send(json.dumps([request] + tokens).encode())

    question(0)
    while waiting and silences < SILENCES_MAX:
        try:
            messages, _ = hear(udp)
        except TimeoutError:
            silences += 1
            for offset in waiting:
                question(offset)
            continue
        tokens = [token for token in returned(messages) if "AlwaysReturned" in token] or tokens
        for content in (message["Content"] for message in messages if "Content" in message):
            offset, size, part = content["offset"], content["eof"], base64.b64decode(content["base64"])
            if offset not in waiting:
                continue
            if len(part) < min(length, size - offset):
                # That is what strangers get.
                question(offset)
                continue
            if not parts:
                rest = iter(range(length, size, length))
            parts[offset], silences = part, 0
            waiting.remove(offset)
        while len(waiting) < WINDOW and (offset := next(rest, None)) is not None:
            waiting.append(offset)
            question(offset)
    whole = b"".join(part for _, part in sorted(parts.items()))
    print(len(whole), hashlib.sha256(whole).hexdigest(), reassembled())


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
