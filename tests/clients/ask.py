"""Asks a name server with dnspython: `ask.py HOST PORT`, questions on standard input as `NAME TYPE`, one a line.

Prints one line of JSON for each: the response code, the answer and the authority section as `NAME TYPE DATA`, sorted, and whether the
answer is authoritative. Both transports are asked and have to agree.
"""

import json
import sys

import dns.flags
import dns.message
import dns.query
import dns.rcode


def lines(section):
    return sorted(
        f"{rrset.name.to_text().lower()} {dns.rdatatype.to_text(rrset.rdtype)} {rdata.to_text().lower()}"
        for rrset in section
        for rdata in rrset
    )


def ask(query, transport, host, port):
    reply = transport(query, host, port=port, timeout=10)
    return {
        "rcode": dns.rcode.to_text(reply.rcode()),
        "authoritative": bool(reply.flags & dns.flags.AA),
        "answer": lines(reply.answer),
        "authority": lines(reply.authority),
    }


host, port = sys.argv[1], int(sys.argv[2])
for line in sys.stdin:
    name, rdtype = line.split()
    query = dns.message.make_query(name, rdtype, use_edns=0, payload=1232)
    by_udp, by_tcp = (ask(query, transport, host, port) for transport in (dns.query.udp, dns.query.tcp))
    if by_udp != by_tcp:
        sys.exit(f"{line.strip()}: {by_udp} by UDP, {by_tcp} by TCP")
    print(json.dumps(by_udp))
