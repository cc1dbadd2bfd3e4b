"""Why this exists: a server with TLS needs a certificate of an authority that the client knows, and asks the
client for one of the same; openssl makes all of them for one test."""

import pathlib
import subprocess

SUBJECT_SERVER, SUBJECT_CLIENT = "/CN=127.0.0.1", "/CN=backup client"


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Certificates:
    """In `folder`: authority.pem, server.pem + server.key, client.pem (with its key), stranger.pem (of nobody's).
    `names`: the server's, as openssl writes them."""

    def __init__(self, folder, names="IP:127.0.0.1,DNS:localhost"):
        self.folder, self.names = pathlib.Path(folder), names
        self.folder.mkdir(parents=True, exist_ok=True)
        self._self_signed("authority", "/CN=authority of a test")
        self._self_signed("stranger", SUBJECT_CLIENT)
        self._signed("server", SUBJECT_SERVER)
        self._signed("client", SUBJECT_CLIENT)
        for name in ("client", "stranger"):
            joined = self.path(name, "key").read_text() + self.path(name, "pem").read_text()
            self.path(name, "pem").write_text(joined)

    def path(self, name, end="pem"):
        return self.folder / f"{name}.{end}"

    def _self_signed(self, name, subject):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", subject,
                "-keyout", self.path(name, "key"), "-out", self.path(name))

    def _signed(self, name, subject):
        request, extensions = self.path(name, "csr"), self.path(name, "ext")
        extensions.write_text(f"subjectAltName={self.names}\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", self.path(name, "key"),
                "-out", request)
        openssl("x509", "-req", "-in", request, "-days", "2", "-CA", self.path("authority"),
                "-CAkey", self.path("authority", "key"), "-CAcreateserial", "-extfile", extensions,
                "-out", self.path(name))

    def server_options(self):
        return {
            "tls-cert-file": self.path("server"), "tls-key-file": self.path("server", "key"),
            "tls-ca-file": self.path("authority"), "tls-require-client-cert": None,
        }

    def url_parameters(self, client="client"):
        return {"tls": "true", "tlsCAFile": self.path("authority"), "tlsCertificateKeyFile": self.path(client)}
