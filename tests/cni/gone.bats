#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Clients of the control socket that go away before they have the answer, at each moment that there
# is: before the daemon has read the request, while it works, and with the answer unread. And clients
# that send without reading.
#   client.py: one connection, in the steps that the test names | podlaned | c1, c2: pods
# time limit: 180

load lib

setup() {
	cni_setup
	start_daemon
	client_pid=''
	cat >"$T/client.py" <<-'PYTHON'
		import array, json, os, select, socket, sys, time
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.settimeout(60)
		s.connect(os.environ["PODLANE_RUN_DIR"] + "/podlane.sock")
		def ask(op, **keys):
		    s.send(json.dumps({"op": op, "v": 1, **keys}).encode())
		def add(name):
		    ns = os.open("/run/netns/" + name, os.O_RDONLY)
		    request = {"op": "endpoint.add", "v": 1, "containerId": name, "ifname": "eth0", "netns": "/run/netns/" + name}
		    s.sendmsg([json.dumps(request).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [ns]))])
		def delete(name):
		    ask("endpoint.del", containerId=name, ifname="eth0")
		def answer():
		    return json.loads(s.recv(131072))
		def answered(): # the answer is here, and stays unread
		    assert select.select([s], [], [], 60)[0]
		exec(sys.argv[1])
	PYTHON
}

teardown() {
	[ -z "$client_pid" ] || kill "$client_pid" 2>/dev/null || :
	cni_teardown
}

client() { python3 "$T/client.py" "$1"; }

logged() { grep -q "$1" "$T/podlaned.log"; }

no_endpoint() { [ "$(endpoints)" = "[]" ]; }

nothing_left() {
	await 20 no_endpoint
	refute grep -E ': pl[0-9a-f]{12}@' <(ip -o link show)
	[ -z "$(ls "$T/run/endpoints")" ]
}

hung() { # COMMAND...: while the daemon is stopped, which then goes on
	kill -STOP "$daemon_pid"
	"$@"
	kill -CONT "$daemon_pid"
	await 20 daemon_answers # after all that came before
}

@test "gone before the request is read: nothing is begun" {
	new_pod c1
	hung client 'add("c1")'
	logged 'request not begun: its client has gone op=endpoint.add'
	refute logged 'endpoint added'
	nothing_left
}

@test "gone before the request is read: a mirror session is not made either" {
	new_pod c1
	client 'add("c1"); assert answer()["ok"]'
	hung client 'ask("mirror.add", name="m", endpoints=["all"], direction="both", target={"endpoint": "c1"})'
	[ "$("$build/podlane" --socket "$T/run/podlane.sock" -j mirror list | jq '.mirrors | length')" = 0 ]
}

@test "gone before the request is read: a removal is carried out, also behind an answer that was not read" {
	new_pod c1
	client 'add("c1"); assert answer()["ok"]'
	hung client 'delete("c1")'
	nothing_left
	client 'add("c1"); assert answer()["ok"]; ask("status"); answered()'
	[ "$(endpoints | jq length)" = 1 ] # an answer to something else that was not read
	hung client 'ask("status"); delete("c1")'
	nothing_left
}

@test "gone while the daemon works: an endpoint that cannot be answered is undone" {
	new_pod c1
	# What the client cannot receive cannot be sent to it, as if it had closed just now.
	client 's.shutdown(socket.SHUT_RD); add("c1"); time.sleep(1)'
	await 20 logged 'endpoint undone: its client left without the answer container=c1'
	nothing_left
	client 'add("c1"); assert answer()["ok"]'
}

@test "gone with the answer unread: the endpoint is undone, of one that read it, never" {
	new_pod c1
	new_pod c2
	client 'add("c1"); answered()'
	await 20 logged 'endpoint undone: its client left without the answer container=c1'
	nothing_left
	client 'add("c2"); assert answer()["ok"]'
	client 'add("c2"); answered()' # a refusal
	client 'add("c1"); assert answer()["ok"]; ask("status"); answered()'
	await 20 daemon_answers
	[ "$(endpoints | jq length)" = 2 ]
}

@test "gone with the answer unread: another endpoint that has the name by then stays" {
	new_pod c1
	client 'add("c1"); answered(); open("'"$T"'/there", "w"); s.setblocking(True)
while not os.path.exists("'"$T"'/end"): time.sleep(0.02)' 3>&- &
	client_pid=$!
	await 20 test -e "$T/there"
	client 'delete("c1"); assert answer()["existed"]; add("c1"); assert answer()["ok"]'
	touch "$T/end"
	wait "$client_pid"
	await 20 daemon_answers
	[ "$(endpoints | jq length)" = 1 ]
	refute logged 'endpoint undone'
}

@test "podlane endpoint add that a hung daemon did not answer: nothing, now and when it wakes up" {
	new_pod c1
	kill -STOP "$daemon_pid"
	run -3 "$build/podlane" --socket "$T/run/podlane.sock" endpoint add c1
	[[ $output = *"did not answer in time"*"does not begin it"* ]]
	kill -CONT "$daemon_pid"
	await 20 daemon_answers
	refute logged 'endpoint added'
	nothing_left
	"$build/podlane" --socket "$T/run/podlane.sock" endpoint add c1
}

@test "podlane endpoint add that was interrupted while the daemon hung: nothing" {
	new_pod c1
	kill -STOP "$daemon_pid"
	run timeout --signal INT 2 "$build/podlane" --socket "$T/run/podlane.sock" endpoint add c1
	[ "$status" = 124 ]
	kill -CONT "$daemon_pid"
	await 20 daemon_answers
	logged 'request not begun: its client has gone op=endpoint.add'
	refute logged 'endpoint added'
	nothing_left
}

@test "offline removal of an ADD that was under way takes the link along" {
	new_pod c1
	conf=$(conf 1.1.0)
	call ADD c1
	succeeds
	link=$(endpoints | jq -r '.[0].hostIfname')
	stop_daemon -KILL
	# As the daemon writes it before it makes the link.
	jq -c '.ifindex = 0 | .podIfindex = 0' "$T/run/endpoints/c1:eth0.json" >"$T/record"
	mv "$T/record" "$T/run/endpoints/c1:eth0.json"
	call DEL c1
	succeeds
	refute ip link show "$link"
	[ -z "$(ls "$T/run/endpoints")" ]
}

@test "a client that sends without reading: its requests wait, and each is answered in the end" {
	client '
n = 0
s.settimeout(2)
try:
    while n < 100000:
        ask("status")
        n += 1
except TimeoutError:
    pass
assert n < 20000, "the daemon read %d requests while answers waited" % n
print(n)
s.settimeout(60)
for i in range(n):
    assert answer()["ok"]
ask("status")
assert answer()["ok"]
'
	daemon_answers
}
