"""Opens and makes envelopes with other people's code: the packages cryptography and noiseprotocol.

It reads one JSON object a line, {"do": ..., ...}, and answers each with one line. Nothing of the node is used here, and
what a message is made of is written down once more, from the descriptions on the wire.
"""
import base64, hashlib, json, sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from noise.connection import Keypair, NoiseConnection

NOISE = "Noise_IK_25519_AESGCM_SHA256"
P = 2**255 - 19


def x25519_secret(seed):
    """RFC 8032, section 5.1.5: the scalar of a seed."""
    secret = bytearray(hashlib.sha512(seed).digest()[:32])
    secret[0] &= 248
    secret[31] = secret[31] & 127 | 64
    return bytes(secret)


def x25519_public(ed25519):
    """RFC 7748, section 4.1: u = (1 + y) / (1 - y)."""
    y = int.from_bytes(ed25519, "little") & (2**255 - 1)
    return ((1 + y) * pow(1 - y, -1, P) % P).to_bytes(32, "little")


def public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def noise(seed):
    connection = NoiseConnection.from_name(NOISE.encode())
    connection.set_keypair_from_private_bytes(Keypair.STATIC, x25519_secret(seed))
    return connection


def fast_key(seed, ed25519):
    shared = X25519PrivateKey.from_private_bytes(x25519_secret(seed)).exchange(
        X25519PublicKey.from_public_bytes(x25519_public(ed25519))
    )
    return AESGCM(hashlib.sha256(shared).digest())


def open_signed(message):
    text = message["payload_json"].encode() if "payload_json" in message else base64.b64decode(message["payload"])
    signer = Ed25519PublicKey.from_public_bytes(bytes.fromhex(message["ed25519"]))
    signer.verify(base64.b64decode(message["signature"]), text)
    return text.decode()


def open_sealed(message, seed, sender):
    assert message["noise_params"] == NOISE
    responder = noise(seed)
    responder.set_as_responder()
    responder.start_handshake()
    text = responder.read_message(base64.b64decode(message["base64"]))
    assert responder.noise_protocol.handshake_state.rs.public_bytes == x25519_public(sender)
    return text.decode()


def make_signed(seed, text, is_old):
    key = Ed25519PrivateKey.from_private_bytes(seed)
    payload = {"payload": base64.b64encode(text.encode()).decode()} if is_old else {"payload_json": text}
    signature = base64.b64encode(key.sign(text.encode())).decode()
    return {"SignedMessage": {"ed25519": public(seed).hex(), "signature": signature, **payload}}


def make_sealed(seed, to, text):
    initiator = noise(seed)
    initiator.set_as_initiator()
    initiator.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, x25519_public(to))
    initiator.start_handshake()
    made = bytes(initiator.write_message(text.encode()))
    return {"EncryptedMessages": {"base64": base64.b64encode(made).decode(), "noise_params": NOISE}}


def make_fast(seed, to, text, nonce):
    ciphertext = fast_key(seed, to).encrypt(nonce, text.encode(), None)
    encode = lambda data: base64.b64encode(data).decode()
    fast = {"nonce": encode(nonce), "sender": public(seed).hex(), "ciphertext": encode(ciphertext)}
    return {"FastEncryptedMessages": fast}


for line in sys.stdin:
    order = json.loads(line)
    what, data = order.pop("do"), {key: bytes.fromhex(order[key]) for key in ("seed", "to", "sender", "nonce") if key in order}
    if what == "public":
        answer = public(data["seed"]).hex()
    elif what == "open signed":
        answer = open_signed(order["message"])
    elif what == "open sealed":
        answer = open_sealed(order["message"], data["seed"], data["sender"])
    elif what == "make signed":
        answer = make_signed(data["seed"], order["text"], order["is_old"])
    elif what == "make sealed":
        answer = make_sealed(data["seed"], data["to"], order["text"])
    elif what == "make fast":
        answer = make_fast(data["seed"], data["to"], order["text"], data["nonce"])
    print(json.dumps(answer), flush=True)
