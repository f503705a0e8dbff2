"""The nginx example in front of a service, both real; ports and paths are the test's own, all else is the example's."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import trustme

from tests.deployment.files import DEPLOY, tool
from tests.service.server import until

NAME = "pictures.example.org"
TEMPORARY = "\n".join(f"{kind}_temp_path TMP/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
# The one addition: a test's clients are all on this machine, so a header says which address nginx sees.
USER = "user root;" if os.geteuid() == 0 else ""  # its workers would not get into the folders of root's tests
MAIN = f"""
{USER}
pid TMP/nginx.pid;
daemon off;
events {{ worker_connections 256; }}
http {{
    access_log off;
    {TEMPORARY}
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Test-Client;
    include TMP/site.conf;
}}
"""


@dataclass(frozen=True)
class Proxy:
    """nginx, listening."""

    port: int
    plain_port: int
    authority: Path

    def ask(self, method: str, path: str, client: str = "192.0.2.1", **options: Any) -> requests.Response:
        """A request by TLS, as if from the address `client`."""
        headers = {"X-Test-Client": client, "Host": NAME} | options.pop("headers", {})
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method,
                f"https://localhost:{self.port}{path}",
                headers=headers,
                verify=str(self.authority),
                timeout=60,
                **options,
            )


def configure(folder: Path, site: str, changes: dict[str, str]) -> Path:
    """A main configuration in `folder` that includes a site of ours."""
    text = (DEPLOY / "nginx" / site).read_text()
    for old, new in {"/etc/nginx/imageretrieval-proxy.conf": str(DEPLOY / "nginx/proxy.conf"), **changes}.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "site.conf").write_text(text)
    main = folder / "nginx.conf"
    main.write_text(MAIN.replace("TMP", str(folder)))
    return main


def tls_changes(folder: Path, service: str, port: int, plain_port: int) -> dict[str, str]:
    """What to replace in site.conf, having made certificates in `folder`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    issued = authority.issue_cert("localhost", NAME)
    issued.private_key_pem.write_to_path(str(folder / "privkey.pem"))
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(folder / "fullchain.pem"), append=number > 0)
    ports = {
        f"listen {old};": f"listen 127.0.0.1:{new};" for old, new in (("443 ssl", f"{port} ssl"), ("80", plain_port))
    }
    none = {"listen [::]:443 ssl;": "", "listen [::]:80;": ""}
    return ports | none | {"/etc/ssl/imageretrieval": str(folder), "127.0.0.1:8080": service}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


@contextmanager
def proxying(folder: Path, service: str) -> Iterator[Proxy]:
    """nginx in front of a service, an address like 127.0.0.1:8080."""
    nginx = tool("nginx")
    proxy = Proxy(free_port(), free_port(), folder / "authority.pem")
    main = configure(folder, "site.conf", tls_changes(folder, service, proxy.port, proxy.plain_port))
    log = folder / "error.log"
    command = [nginx, "-e", str(log), "-c", str(main)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        until(lambda: _listens(proxy.port) or process.poll() is not None, "nginx to listen")
        assert process.poll() is None, log.read_text()
        yield proxy
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as made:
        return made.connect_ex(("127.0.0.1", port)) == 0
