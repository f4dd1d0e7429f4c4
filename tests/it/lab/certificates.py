"""Writes ca.crt, server.crt and server.key for localhost into the current directory: what two homeservers need to talk."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


def certificate(name, key, issuer, issuer_key, extensions):
    """A certificate that holds from yesterday on for a month."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 30 * DAY)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def write(file, data):
    with open(file, "wb") as out:
        out.write(data)


ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
signs = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
of_ca = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
ca = certificate(
    named("lab"), ca_key, named("lab"), ca_key,
    [(x509.BasicConstraints(ca=True, path_length=None), True), (signs, True), (of_ca, False)],
)
server = certificate(
    named("localhost"), key, named("lab"), ca_key,
    [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.SubjectAlternativeName(hosts), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of_ca), False),
    ],
)
pem = serialization.Encoding.PEM
write("ca.crt", ca.public_bytes(pem))
write("server.crt", server.public_bytes(pem))
private = serialization.PrivateFormat.PKCS8
write("server.key", key.private_bytes(pem, private, serialization.NoEncryption()))
