"""A key and a certificate for one run of a server, which prove that its port is ours."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path
from typing import Final

from ..files import read_own

_LIFE: Final = datetime.timedelta(days=3650)
"""validity before and after now: longer than any walltime or clock skew, as the key is only good for its launch"""


def new_identity() -> bytes:
    """Return a private key (P-256) and its self-signed certificate, both as PEM in one text.

    `cryptography` comes with mcp; only a start imports it, here.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "jlab-mcp")])
    now = datetime.datetime.now(datetime.UTC)
    uses = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - _LIFE, now + _LIFE
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, **uses), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret + certificate.public_bytes(pem)


def certificate_in(path: Path) -> str:
    """Return the certificate in a PEM file as base64 of its DER form. Raises OSError, ValueError if there is none."""
    _, _, text = read_own(path).decode("ascii").partition("-----BEGIN CERTIFICATE-----")
    body = "".join(text.partition("-----END CERTIFICATE-----")[0].split())
    if not base64.b64decode(body, validate=True):
        raise ValueError(f"{path} holds no certificate")
    return body
