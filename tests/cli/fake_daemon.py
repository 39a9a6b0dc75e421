#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
A stand-in for podlaned on its control socket, for what the real one cannot be made to do on
demand: pages, errors, hangs, broken answers, reasons of a newer version.

    fake_daemon.py SOCKET [LOG [SCENARIO]]

Listens on SOCKET (which appears when it is ready), writes each request as a line of JSON to LOG,
with "fd" telling what came beside it, and answers by SCENARIO: "normal", "pages", "newer",
"empty", "refuse", "hang", "close", "garbage", "denied-shape".
"""
import array
import fcntl
import json
import os
import socket
import sys
import time

NS_GET_NSTYPE = 0xB703
CLONE_NEWNET = 0x40000000
HASH = "4f1e2d3c5b6a798807162534435261708f9eadbccbdae9f80716253443526170"


def endpoint(ident, container, **other):
    e = {
        "version": 1, "id": ident, "containerId": container, "ifname": "eth0",
        "network": "default", "netns": "/run/netns/" + container, "netnsInode": 4026532000 + ident,
        "mode": "pod", "link": "veth", "hostIfname": "pl%012x" % ident, "ifindex": 10 + ident,
        "podIfindex": 2, "hostMac": "02:00:00:00:00:%02x" % ident,
        "podMac": "02:00:00:00:01:%02x" % ident, "mtu": 1500,
        "addresses": [{"address": "10.201.0.%d/32" % (ident + 1), "gateway": "10.201.0.1"},
                      {"address": "fd42:706c::%x/128" % (ident + 1), "gateway": "fd42:706c::1"}],
        "antispoof": True, "allow": [], "ipMasq": False, "ipam": "podlane", "createdNs": 1795000000000000000,
        "created": "2026-11-18T13:06:40.000000000Z",
        "ready": True, "degraded": False, "attached": {"fromPod": "tcx", "toPod": "tcx"}, "shaped": False,
        "mirrors": [],
    }
    e.update(other)
    return e


ENDPOINTS = [
    endpoint(2, HASH, pod={"name": "web-0", "namespace": "shop", "uid": "u-1"}, mirrors=["ids"]),
    endpoint(1, "blue", allow=["vlan", "link-local"]),
    endpoint(3, "slow", ready=False, notReady="the pod end is down", antispoof=False,
             attached={"fromPod": "clsact", "toPod": "none"}),
    endpoint(4, "evil\u001b[31m\nname", shaped=True),
]


def mirror(name, **other):
    m = {
        "name": name, "endpoints": ["shop/web-0"], "direction": "both", "filter": "tcp port 443",
        "target": {"device": "tap0"}, "includeDrops": False, "state": "active",
        "counters": {"matched": 100, "sampledOut": 0, "rateLimited": 0, "sent": 97,
                     "sentBytes": 6400, "congested": 2, "failed": 1, "truncated": 0, "looped": 0,
                     "lastError": "Network is down (ENETDOWN)"},
        "slot": 0, "declared": False, "selected": 1, "targetDevice": "tap0", "targetIfindex": 9,
    }
    m.update(other)
    return m


MIRRORS = [
    mirror("ids"),
    mirror("far", endpoints=["all"], filter="", state="paused", why="device vx0 is gone",
           declared=True, selected=4, targetDevice="plm-1", secondsLeft=35,
           target={"vxlan": {"remote": "192.0.2.9", "vni": 7}}, snaplen=128,
           sample={"flows": 10}, rate={"pps": 1000, "bps": 50000}, expire={"seconds": 60}),
]

STATUS = {
    "version": "0.1.0", "abi": 1, "pid": 4242, "uptimeSeconds": 93784, "kernel": "6.18.0-test",
    "logLevel": "info", "runDir": "/run/podlane", "bpffs": "/sys/fs/bpf/podlane/v3",
    "adopted": True,
    "features": {"tcx": True, "netkit": False, "redirectNeigh": True, "checksumCheck": True, "btf": True},
    "flows": {"conntrack": "asked", "entries": 12, "budget": 16384, "rate": 50000},
    "attachments": {"tcx": 9, "clsact": 1, "netkit": 0},
    "uplinks": [{"name": "uplink0", "ifindex": 2, "attached": "tcx"},
                {"name": "uplink1", "ifindex": 3, "attached": "none"}],
    "endpoints": 4, "ready": 3, "degraded": 0, "mirrors": 2, "networks": ["default", "fast"],
    "native": ["10.0.0.0/8"], "maxEndpoints": 4095,
    "loop": {"longestUs": 12345, "longestIn": "endpoint.add", "recentUs": 678, "recentIn": "status", "over20Ms": 0},
    "resyncs": 0, "rssBytes": 9437184,
    "forwarding": {"ipv4": True, "ipv6": True}, "warnings": [],
}


def error(code, message):
    return {"ok": False, "error": {"code": code, "message": message}}


class Daemon:
    def __init__(self, scenario):
        self.scenario = scenario
        self.level = "info"
        self.ticks = 0

    def find(self, query):
        for e in ENDPOINTS:
            pod = e.get("pod", {})
            names = (e["containerId"], e["containerId"] + ":" + e["ifname"], pod.get("name"),
                     "%s/%s" % (pod.get("namespace"), pod.get("name")), e["hostIfname"])
            names += tuple("%s:%s" % (name, e["ifname"]) for name in names[:4] if name)
            short = len(query) >= 4 and len(e["containerId"]) == 64
            if query in names or (short and e["containerId"].startswith(query)):
                return e
        return None

    def reasons(self, e):
        n = self.ticks
        rows = [
            {"reason": "FORWARD_LOCAL", "direction": "in", "packets": 1000 * e["id"] + 500 * n,
             "bytes": 1000000 * e["id"] + 500000 * n},
            {"reason": "PASS_NOT_POD", "direction": "out", "packets": 7, "bytes": 700},
            {"reason": "DROP_SPOOFED_IP", "direction": "out", "packets": 3 + n, "bytes": 300},
        ]
        if self.scenario == "newer":
            rows.append({"reason": "PASS_QUANTUM", "direction": "in", "packets": 12345678,
                         "bytes": 1, "colour": "blue"})
        return rows

    def stats(self, query):
        node = {"endpoint": 0, "containerId": "", "ifname": "", "hostIfname": "",
                "reasons": [{"reason": "PASS_ARP", "direction": "in", "packets": 5,
                             "bytes": 210}]}
        rows = [] if query else [node]
        for e in ENDPOINTS:
            if query and e is not self.find(query):
                continue
            row = {k: e[k] for k in ("containerId", "ifname", "hostIfname")}
            row.update(endpoint=e["id"], reasons=self.reasons(e))
            if "pod" in e:
                row["pod"] = e["pod"]
            rows.append(row)
        self.ticks += 1
        return rows

    def pages(self, key, items):
        if self.scenario == "empty":
            items = []
        if self.scenario != "pages":
            return [{"ok": True, key: items}]
        return [{"ok": True, key: [item], "more": i + 1 < len(items)}
                for i, item in enumerate(items)]

    def answer(self, request):
        op = request.get("op")
        if op == "status":
            return [dict(STATUS, ok=True)]
        if op == "endpoint.list":
            return self.pages("endpoints", ENDPOINTS)
        if op == "endpoint.names":
            prefix = request.get("prefix", "")
            names = []
            for e in ENDPOINTS:
                pod = e.get("pod")
                ways = ["%s/%s" % (pod["namespace"], pod["name"])] if pod else []
                ways += [e["containerId"]]
                if ":" in prefix:
                    ways = [way + ":" + e["ifname"] for way in ways]
                names += [way for way in ways if way.startswith(prefix)][:1]
            return self.pages("names", names)
        if op == "endpoint.show":
            e = self.find(request["query"])
            if not e:
                return [error("ENOENT", 'no endpoint is named "%s"' % request["query"])]
            reasons = [] if self.scenario == "empty" else self.reasons(e)
            return [{"ok": True, "endpoint": e, "reasons": reasons}]
        if op == "endpoint.add":
            if request["containerId"] == "blue":
                return [error("EEXIST", "container blue has an endpoint eth0 already: delete it "
                                        "first")]
            return [{"ok": True, "routes": [],
                     "endpoint": endpoint(9, request["containerId"], ifname=request["ifname"])}]
        if op == "endpoint.del":
            e = [e for e in ENDPOINTS if e["containerId"] == request["containerId"]
                 and e["ifname"] == request["ifname"]]
            live = ("id", "ready", "degraded", "notReady", "shaped", "attached", "mirrors")
            record = {k: v for k, v in e[0].items() if k not in live} if e else {}
            return [{"ok": True, "existed": bool(e), **({"endpoint": record} if e else {})}]
        if op == "stats":
            return self.pages("stats", self.stats(request.get("query")))
        if op == "mirror.list":
            return self.pages("mirrors", MIRRORS)
        if op in ("mirror.show", "mirror.del"):
            for m in MIRRORS:
                if m["name"] == request["name"]:
                    return [{"ok": True, "mirror": m}]
            return [error("ENOENT", 'no mirror session is named "%s"' % request["name"])]
        if op == "mirror.add":
            m = {k: v for k, v in request.items() if k not in ("op", "v")}
            unmatched = [q for q in m["endpoints"] if q != "all" and not self.find(q)]
            if unmatched:
                m["unmatched"] = unmatched
            return [{"ok": True, "mirror": mirror(m.pop("name"), **m)}]
        if op == "log.level":
            self.level = request.get("level", self.level)
            return [{"ok": True, "level": self.level}]
        return [error("ENOTSUP", 'op "%s" is unknown' % op)]


def describe_fd(fds):
    """What an ls of /proc/PID/ns would show, for a network namespace."""
    if not fds:
        return None
    try:
        if fcntl.ioctl(fds[0], NS_GET_NSTYPE) == CLONE_NEWNET:
            return "net:[%d]" % os.fstat(fds[0]).st_ino
    except OSError:
        pass
    return "no network namespace"


def serve(conn, daemon, log):
    while True:
        fds = array.array("i")
        data, ancillary, _, _ = conn.recvmsg(128 * 1024, socket.CMSG_SPACE(4 * 16))
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(content[: len(content) - len(content) % 4])
        if not data:
            return
        request = json.loads(data)
        print(json.dumps(dict(request, fd=describe_fd(fds))), file=log, flush=True)
        for fd in fds:
            os.close(fd)
        if daemon.scenario == "hang":
            time.sleep(3600)
        elif daemon.scenario == "close":
            return
        elif daemon.scenario == "garbage":
            conn.send(b"[1, 2")
            return
        elif daemon.scenario == "denied-shape":
            conn.send(b'{"ok": false}')
            return
        elif daemon.scenario == "refuse":
            conn.send(json.dumps(error("EAGAIN", "the daemon is starting: try again")).encode())
            return
        for message in daemon.answer(request):
            conn.send(json.dumps(message).encode())


def main():
    path = sys.argv[1]
    log = open(sys.argv[2], "a") if len(sys.argv) > 2 else open(os.devnull, "w")
    daemon = Daemon(sys.argv[3] if len(sys.argv) > 3 else "normal")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path + ".new")
    listener.listen(16)
    os.rename(path + ".new", path)
    while True:
        conn, _ = listener.accept()
        with conn:
            try:
                serve(conn, daemon, log)
            except OSError:
                pass


if __name__ == "__main__":
    main()
