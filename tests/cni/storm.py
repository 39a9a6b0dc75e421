#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""storm.py DAEMON-COMMAND...: a runtime on a bad day, at random.

PODLANE_SEED makes the same choices again, as long as the same comes of them.

Plugins are started together, some are killed, the daemon is killed and started again, the run
directory is removed. After each round the runtime does as runtimes do: it deletes what it could not
add. Then podlane's list, its records, the links, routes and neighbours of the kernel, the pins, and
the number of addresses left must all tell the same, and CHECK finds nothing amiss.
"""
import json, os, random, re, shutil, signal, subprocess, sys, time

SEED = int(os.environ.get("PODLANE_SEED") or random.SystemRandom().randrange(1 << 32))
ROUNDS = int(os.environ.get("PODLANE_ROUNDS") or 10)
PODS = 10
RUN, BIN = os.environ["PODLANE_RUN_DIR"], os.environ["CNI_PATH"]
CLI = [os.environ["PODLANE"], "--socket", RUN + "/podlane.sock", "-j"]
CONF = {"cniVersion": "1.1.0", "name": "storm", "type": "podlane", "ipMasq": True,
        "ipam": {"ranges": [[{"subnet": "10.79.0.0/27"}], [{"subnet": "fd79::/112"}]]}}
rng = random.Random(SEED)
daemon = None
there, results = set(), {}  # containers that were added, and what the plugin answered


def start_daemon():
    global daemon
    daemon = subprocess.Popen(sys.argv[1:], stdout=open(RUN + "/../podlaned.log", "a"), stderr=subprocess.STDOUT)
    await_that(lambda: podlane("status") is not None, "the daemon answers")


def podlane(*words):
    said = subprocess.run(CLI + list(words), capture_output=True, text=True)
    return json.loads(said.stdout) if said.returncode == 0 else None


def sh(*words):
    return subprocess.run(words, capture_output=True, text=True).stdout


def plugin(verb, pod, **extra):
    conf = dict(CONF, **extra)
    env = dict(os.environ, CNI_COMMAND=verb, CNI_CONTAINERID=pod, CNI_IFNAME="eth0", CNI_NETNS="/run/netns/" + pod)
    p = subprocess.Popen([BIN + "/podlane"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    p.stdin.write(json.dumps(conf).encode())
    p.stdin.close()
    return p


def finish(p):
    said = p.stdout.read()
    return p.wait(), said.decode()


def await_that(holds, what, seconds=15):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise AssertionError("not true in time: " + what)
        time.sleep(0.05)


def delete(pod):
    for _ in range(5):  # a runtime tries again
        code, said = finish(plugin("DEL", pod))
        if code == 0:
            break
        time.sleep(0.2)
    assert code == 0, ("DEL", pod, said)
    there.discard(pod)
    results.pop(pod, None)


def round_of_requests(kind):
    running = []
    for pod in rng.sample([f"c{i}" for i in range(PODS)], rng.randint(4, PODS)):
        verb = "DEL" if pod in there and rng.random() < 0.7 else "ADD"
        if verb == "ADD" and pod in there and rng.random() < 0.8:
            continue
        running.append((verb, pod, plugin(verb, pod), kind == "plugins" and rng.random() < 0.3))
        # Twice at the same time, which runtimes must not do. An ADD that lost its daemon undoes what it finds.
        if rng.random() < 0.2 and (verb == "DEL" or kind == "none"):
            running.append((verb, pod, plugin(verb, pod), False))
    return running


def disaster(kind):
    time.sleep(rng.random() * 0.06)
    if kind == "kill":
        daemon.kill()
        daemon.wait()
        start_daemon()
    elif kind == "remove":
        shutil.rmtree(RUN, ignore_errors=True)
    elif kind == "gc":
        valid = [{"containerID": pod, "ifname": "eth0"} for pod in sorted(there)]
        finish(plugin("GC", "", **{"cni.dev/valid-attachments": valid}))


def one_round(number, kind):
    # What is not known to be there is no business of the runtime's GC: so no ADD meanwhile.
    running = [] if kind == "gc" else round_of_requests(kind)
    for _, _, p, doomed in running:
        if doomed:
            time.sleep(rng.random() * 0.03)
            p.kill()
    disaster(kind)
    unsure, added = set(), {}
    for verb, pod, p, doomed in running:
        code, said = finish(p)
        if verb == "ADD" and code == 0 and not doomed:
            added[pod] = json.loads(said)
        elif verb == "ADD" and pod in there:
            pass  # a second ADD is refused, and the first pod lives
        else:
            unsure.add(pod)
    for pod, result in added.items():
        assert pod not in there, ("added twice", pod)
        there.add(pod)
        results[pod] = result
    for pod in unsure - set(added):
        delete(pod)
    if kind == "remove":
        await_that(lambda: os.path.exists(RUN + "/podlane.sock") and podlane("status"), "the run directory is back")
    compare(kind, number)


def state():
    """What each of them knows, in the same form."""
    listed = podlane("endpoint", "list")["endpoints"]
    links = json.loads(sh("ip", "-j", "link") or "[]")
    ours = {l["ifname"]: l["ifindex"] for l in links if re.fullmatch(r"pl[0-9a-f]{12}", l["ifname"])}
    expected = {e["hostIfname"]: e["ifindex"] for e in listed}
    routes = set()
    for family in "-4", "-6":
        for r in json.loads(sh("ip", "-j", family, "route") or "[]"):
            if r.get("dev") in ours and "/" not in r["dst"] and not r["dst"].startswith("fe80"):
                routes.add(r["dst"])
    addresses = [a["address"].split("/")[0] for e in listed for a in e["addresses"]]
    pins = {int(re.search(r"-(\d+)", name).group(1)) for d in os.listdir("/sys/fs/bpf/podlane")
            if d.startswith("v") for name in os.listdir(f"/sys/fs/bpf/podlane/{d}/links") if "pod" in name}
    masq = re.findall(r"10\.79\.\d+\.\d+", sh("nft", "list", "set", "inet", "podlane", "masq4"))
    return {
        "containers": (sorted(e["containerId"] for e in listed), sorted(there)),
        "ready": (all(e["ready"] for e in listed), True),
        "links": (ours, expected),
        "routes": (sorted(routes), sorted(addresses)),
        "addresses": (len(addresses), len(set(addresses))),
        "records": (sorted(os.listdir(RUN + "/endpoints")), sorted(f"{pod}:eth0.json" for pod in there)),
        "pins": (sorted(pins), sorted(expected.values())),
        "masquerade": (sorted(masq), sorted(a for a in addresses if "." in a)),
        "results": (sorted(ip["address"].split("/")[0] for r in results.values() for ip in r["ips"]), sorted(addresses)),
        "netns": (sorted(p for p in (f"c{i}" for i in range(PODS)) if "eth0" in sh("ip", "-n", p, "-br", "link")),
                  sorted(there)),
        "left": (left(), 29 - len(there)),
    }


def left():
    """Addresses that the network has left, of 29."""
    import socket
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(RUN + "/podlane.sock")
    s.send(json.dumps({"op": "network.status", "v": 1, "network": CONF}).encode())
    return json.loads(s.recv(131072))["available"]


def compare(kind, number):
    seen = {}

    def same():
        nonlocal seen
        seen = state()
        return all(a == b for a, b in seen.values())
    try:
        await_that(same, "all tell the same", 5)
    except AssertionError:
        for what, (a, b) in seen.items():
            if a != b:
                print(f"{what}: {a} is not {b}")
        raise
    for pod in sorted(there):
        code, said = finish(plugin("CHECK", pod, prevResult=results[pod]))
        assert code == 0, ("CHECK", pod, said)
    print(f"round {number} {kind}: {len(there)} pods", flush=True)


print(f"PODLANE_SEED={SEED}", flush=True)
start_daemon()
try:
    kinds = ["none", "kill", "remove", "gc", "plugins"] * (ROUNDS // 5 + 1)
    rng.shuffle(kinds)
    for number in range(ROUNDS):
        one_round(number, kinds[number])
    for pod in sorted(there):
        delete(pod)
    compare("end", ROUNDS)
finally:
    daemon.send_signal(signal.SIGTERM)
    daemon.wait()
