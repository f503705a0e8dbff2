"""What a stranger may try to make the service connect to, with the answer. `python -m tests.retrieval.ssrf` prints the
table of docs/security.md, which a test compares with this.
"""

PORT = "PORT"  # of the server that would answer, were it asked
STATUSES = (301, 302, 303, 307, 308)

# What is tried -> the answer's reason, URLs
URLS: dict[str, tuple[str, list[str]]] = {
    "Other schemes": (
        "scheme",
        [
            *(
                "file:///etc/passwd",
                "ftp://127.0.0.1/x",
                "gopher://127.0.0.1:6379/_FLUSHALL",
                "dict://127.0.0.1:11211/",
            ),
            *("ldap://127.0.0.1/", "jar:http://127.0.0.1/!/", "data:image/png;base64,AA", "javascript:alert(1)"),
            *("ws://127.0.0.1/", "view-source:http://127.0.0.1/", "httpx://127.0.0.1/", "//127.0.0.1/", "127.0.0.1"),
            *("http:127.0.0.1/", "http:/127.0.0.1/", "http:\\\\127.0.0.1/", " http://127.0.0.1/", "ｈttp://127.0.0.1/"),
            "ht\ntp://127.0.0.1/",
        ],
    ),
    "Addresses of this machine and its networks": (
        "address",
        [
            *(
                "http://127.0.0.1/",
                "http://127.8.8.8/",
                "http://0.0.0.0/",
                "http://10.1.2.3/",
                "http://172.31.255.255/",
            ),
            *("http://192.168.1.1/", "http://169.254.1.1/", "http://100.64.0.1/", "HTTP://127.0.0.1/"),
            *("hTtPs://127.0.0.1/", "http://127.0.0.1./", "http://127.0.0.1:/", "http://127.0.0.1/a.png#b"),
            *("http://127.0.0.1?a.png", "http://127.0.0.1#a.png", "http://@127.0.0.1/", "http://%31%32%37.0.0.1/"),
        ],
    ),
    "Addresses that are nobody's or everybody's": (
        "address",
        [
            *("http://198.18.0.1/", "http://192.0.2.1/", "http://198.51.100.1/", "http://203.0.113.1/"),
            *("http://192.88.99.1/", "http://224.0.0.1/", "http://239.255.255.250/", "http://240.0.0.1/"),
            *("http://255.255.255.255/", "http://192.0.0.8/", "http://192.52.193.1/", "http://192.175.48.1/"),
        ],
    ),
    "Metadata of clouds": (
        "address",
        [
            *("http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/", "http://[fd00:ec2::254]/"),
            *("http://100.100.100.200/", "http://192.0.0.192/", "http://168.63.129.16/", "http://[fd20:ce::254]/"),
            *("http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/"),
        ],
    ),
    "IPv4 written in decimal, octal, hex, short": (
        "invalid_url",
        [
            *(
                "http://2130706433/",
                "http://0x7f000001/",
                "http://017700000001/",
                "http://0177.0.0.1/",
                "http://127.1/",
            ),
            *("http://127.0.1/", "http://0x7f.1/", "http://0x7f.0x0.0x0.0x1/", "http://0/", "http://00000127.0.0.01/"),
            *(
                "http://4425673729/",
                "http://127.0.0.1.0/",
                "http://256.256.256.256/",
                "http://0x/",
                "http://0X7F.0.0.1/",
            ),
            *("http://0xA9FEA9FE/", "http://2852039166/", "http://0251.0376.0251.0376/"),
        ],
    ),
    "Digits and dots of other scripts": (
        "invalid_url",
        [
            *("http://１２７.０.０.１/", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://127．0．0．1/"),
            *("http://١٢٧.0.0.1/", "http://127.0.0.1\u200b/", "http://\u00ad127.0.0.1/", "http://loc\u2100lhost/"),
        ],
    ),
    "IPv6": (
        "address",
        [
            *(
                "http://[::1]/",
                "http://[0:0:0:0:0:0:0:1]/",
                "http://[0000::0001]/",
                "http://[::]/",
                "http://[fe80::1]/",
            ),
            *("http://[fec0::1]/", "http://[fc00::1]/", "http://[fd12:3456::1]/", "http://[ff02::1]/"),
            *("http://[ff0e::1]/", "http://[2001:db8::1]/", "http://[3fff::1]/", "http://[5f00::1]/"),
            *("http://[100::1]/", "http://[4000::1]/", "http://[2001:10::1]/", "http://[2001:2::1]/"),
        ],
    ),
    "IPv6 that leads to IPv4": (
        "address",
        [
            *("http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::FFFF:10.0.0.1]/"),
            *("http://[::127.0.0.1]/", "http://[::ffff:0:127.0.0.1]/", "http://[64:ff9b::127.0.0.1]/"),
            *("http://[64:ff9b::a00:1]/", "http://[64:ff9b:1::a00:1]/", "http://[2002:7f00:1::]/"),
            *("http://[2002:0808:0808::]/", "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/"),
            *("http://[2606:4700::5efe:127.0.0.1]/", "http://[2606:4700::200:5efe:10.0.0.1]/"),
        ],
    ),
    "Zone ids": ("invalid_url", ["http://[fe80::1%25eth0]/", "http://[::1%25lo]/", "http://[fe80::1%eth0]/"]),
    "User names and passwords": (
        "credentials",
        [
            *("http://public.example@127.0.0.1/", "http://a:b@127.0.0.1/", "http://127.0.0.1:80@public.example/"),
            *("http://:@127.0.0.1/", "http://public.example&@127.0.0.1#@x/", "http://a@b@127.0.0.1/"),
            *("https://public.example:443@127.0.0.1/",),
        ],
    ),
    "What readers of URLs disagree about": (
        "invalid_url",
        [
            *("http://public.example\\@127.0.0.1/", "http://127.0.0.1\\.public.example/", "http://public.example/\\x"),
            *("http://public.example\t@127.0.0.1/", "http://127.0.0.1\t/", "http://public.example 127.0.0.1/"),
            *("http://[::1", "http://[::1]x/", "http://[127.0.0.1]/", "http://127.0.0.1:80:80/", "http://::1/"),
            *("http:///127.0.0.1/", "http://", "http://?127.0.0.1", "http://127.0.0.1:99999/", "http://127.0.0.1:-80/"),
            *("http://127.0.0.1..", "http://.127.0.0.1/", "http://public.example%40127.0.0.1/", "http://%00127.0.0.1/"),
            *("http://127.0.0.1%2f.public.example/", "http://public.example;127.0.0.1/", "http://a,127.0.0.1/"),
        ],
    ),
    "Line breaks and other control characters": (
        "invalid_url",
        [
            *("http://public.example/\r\nHost: 127.0.0.1", "http://127.0.0.1\r\n.public.example/"),
            *("http://public.example/\nX: y", "http://public.example/\0.png", "http://127.0.0.1%0d%0aX:%20y/"),
            *("http://public.example/\x7f", "http://public.example/?a\r\n\r\nGET / HTTP/1.1"),
        ],
    ),
    "Ports that are not for the web": (
        "port",
        [
            *("http://public.example:22/", "http://public.example:25/"),
            *("http://public.example:6379/", "http://public.example:11211/", "https://public.example:2375/"),
            *("http://public.example:5432/", "http://public.example:6667/"),
        ],
    ),
}

# What is tried -> the answer's reason, what the name's server answers
NAMES: dict[str, tuple[str, list[tuple[str, ...]]]] = {
    "Names of private addresses": (
        "address",
        [
            *[("127.0.0.1",), ("10.1.2.3",), ("172.16.0.1",), ("192.168.1.1",), ("169.254.169.254",), ("100.64.0.1",)],
            *[("0.0.0.0",), ("224.0.0.1",), ("255.255.255.255",), ("168.63.129.16",), ("198.18.0.1",), ("::",)],
            *[("::1",), ("fe80::1",), ("fe80::1%eth0",), ("fd00::1",), ("fec0::1",), ("ff02::1",), ("ff02::1%1",)],
            *[("::ffff:10.0.0.1",), ("::ffff:127.0.0.1",), ("::127.0.0.1",), ("64:ff9b::7f00:1",), ("2002:a00:1::",)],
        ],
    ),
    "Names of public and private addresses at once": (
        "address",
        [
            *[("93.184.215.14", "10.1.2.3"), ("10.1.2.3", "93.184.215.14"), ("93.184.215.14", "::1")],
            ("2606:4700::1", "93.184.215.14", "169.254.169.254"),
        ],
    ),
    "Names without any address": ("dns", [()]),
}

# What is tried -> the answer's reason, what the header Location of a public server says
REDIRECTS: dict[str, tuple[str, list[str]]] = {
    "Redirects to private addresses": (
        "address",
        [
            *(f"http://127.0.0.2:{PORT}/picture", f"//127.0.0.2:{PORT}/picture", f"http://[::1]:{PORT}/picture"),
            *(f"http://inner.example:{PORT}/picture", f"HTTP://127.0.0.2:{PORT}", "http://169.254.169.254/latest/"),
            f"http://[::ffff:127.0.0.2]:{PORT}/picture",
        ],
    ),
    "Redirects to other schemes": (
        "scheme",
        ["file:///etc/passwd", "ftp://127.0.0.2/x", "gopher://127.0.0.2:6379/_X", "data:image/png;base64,AA"],
    ),
    "Redirects with passwords": ("credentials", ["http://a:b@public.example/", f"//public.example@127.0.0.2:{PORT}/"]),
    "Redirects that are read in more than one way": (
        "invalid_url",
        [
            *(f"http://2130706434:{PORT}/picture", f"\\\\127.0.0.2:{PORT}\\picture", f"/\\127.0.0.2:{PORT}/picture"),
            *(f"http:\t//127.0.0.2:{PORT}/picture", f"http://public.example\\@127.0.0.2:{PORT}/", "http://[::1/"),
            f"http://127.0.0.2\r\n .public.example:{PORT}/picture",
        ],
    ),
    "Redirects to ports that are not for the web": ("port", ["http://public.example:22/"]),
    "Redirects to hosts that are denied": ("host_denied", ["http://denied.example/", "http://A.Denied.EXAMPLE./x"]),
}


def rows() -> list[str]:
    """The rows of the table in docs/security.md."""
    tables = (
        [(attack, reason, urls) for attack, (reason, urls) in URLS.items()],
        [(attack, reason, [", ".join(each) or "none" for each in names]) for attack, (reason, names) in NAMES.items()],
        [(attack, reason, urls) for attack, (reason, urls) in REDIRECTS.items()],
    )
    return [f"| {attack} | {_shown(tried)} | `{reason}` |" for table in tables for attack, reason, tried in table]


def _shown(tried: list[str]) -> str:
    return ", ".join(f"`{ascii(each)[1:-1].replace('|', '%7C')}`" for each in tried)


if __name__ == "__main__":
    print("\n".join(rows()))
