"""An edge that speaks TLS before a plain server, with a certificate of a laboratory's own authority."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "localhost"
_DAY = timedelta(days=1)


def authority(folder: Path) -> tuple[Path, Path]:
    """(the authority's certificate, which clients are to trust; a server's certificate and key), for this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("Laboratory", root_key, "Laboratory", root_key)
    leaf = _certificate(HOST, key, "Laboratory", root_key)
    trusted, served = folder / "authority.pem", folder / "server.pem"
    trusted.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    served.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + private)
    return trusted, served


def _certificate(name: str, key: Any, issuer: str, signer: Any) -> x509.Certificate:
    now, is_root = datetime.now(UTC), name == issuer
    made = x509.CertificateBuilder(
        issuer_name=_named(issuer), subject_name=_named(name), public_key=key.public_key(),
        serial_number=x509.random_serial_number(), not_valid_before=now - _DAY, not_valid_after=now + _DAY,
    )  # fmt: skip
    made = made.add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
    own, above = (x509.SubjectKeyIdentifier.from_public_key(each.public_key()) for each in (key, signer))
    made = made.add_extension(own, critical=False)
    made = made.add_extension(x509.AuthorityKeyIdentifier(above.digest, None, None), critical=False)
    if is_root:
        usage = dict.fromkeys(_USES, False) | {"key_cert_sign": True, "crl_sign": True}
        made = made.add_extension(x509.KeyUsage(**usage), critical=True)
    else:
        names = [x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(signer, hashes.SHA256())


_USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@contextmanager
def edge(before: str, certificate: Path) -> Iterator[str]:
    """Speak TLS on a free port and pass everything on to the plain server; the https address without a slash."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    behind = urlsplit(before)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream = (str(behind.hostname), int(behind.port or 80))
        threading.Thread(target=_accept, args=(listener, context, upstream), daemon=True).start()
        yield f"https://{HOST}:{listener.getsockname()[1]}"


def _accept(listener: socket.socket, context: ssl.SSLContext, upstream: tuple[str, int]) -> None:
    with suppress(OSError):  # the listener is closed at the end
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=_serve, args=(plain, context, upstream), daemon=True).start()


def _serve(plain: socket.socket, context: ssl.SSLContext, upstream: tuple[str, int]) -> None:
    """One connection; one who does not trust us hangs up in the handshake."""
    with (
        suppress(OSError),
        plain,
        context.wrap_socket(plain, server_side=True) as outer,
        socket.create_connection(upstream) as inner,
    ):
        back = threading.Thread(target=_pass, args=(inner, outer), daemon=True)
        back.start()
        _pass(outer, inner)
        back.join()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
