#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A small client of the container runtime interface, for tests: just the messages that a pod needs.

cri.py SOCKET run NAME...           a sandbox each, at once; prints "NAME ID IP IP..." lines
cri.py SOCKET start ID NAME IMAGE COMMAND...   a container in it; prints its id
cri.py SOCKET exec CONTAINER COMMAND...        its output; its exit status
cri.py SOCKET remove ID...          stops and removes sandboxes
cri.py SOCKET status                conditions of the runtime
"""
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_tools import protoc

# Field numbers are those of the published interface; what is not used is left out.
PROTO = """
syntax = "proto3"; package runtime.v1;
message Empty {}
message Id { string id = 1; }
message Meta { string name = 1; string uid = 2; string namespace = 3; }
message Capability { repeated string add = 1; }
message Security { Capability capabilities = 1; }
message ContainerLinux { Security security_context = 15; }
message SandboxLinux { string cgroup_parent = 1; }
message Sandbox { Meta metadata = 1; string hostname = 2; string log_directory = 3; SandboxLinux linux = 8; }
message RunRequest { Sandbox config = 1; }
message Network { string ip = 1; repeated IpAddress additional_ips = 2; }
message IpAddress { string ip = 1; }
message SandboxStatus { string id = 1; Network network = 5; }
message SandboxStatusResponse { SandboxStatus status = 1; }
message Image { string image = 1; }
message ContainerMeta { string name = 1; }
message Container { ContainerMeta metadata = 1; Image image = 2; repeated string command = 3; string log_path = 11; }
message CreateRequest { string pod_sandbox_id = 1; Container config = 2; Sandbox sandbox_config = 3; }
message ExecRequest { string container_id = 1; repeated string cmd = 2; int64 timeout = 3; }
message ExecResponse { bytes stdout = 1; bytes stderr = 2; int32 exit_code = 3; }
message Condition { string type = 1; bool status = 2; string message = 4; }
message Conditions { repeated Condition conditions = 1; }
message StatusResponse { Conditions status = 1; }
"""

with tempfile.TemporaryDirectory() as folder:
    with open(folder + "/podlane_cri.proto", "w", encoding="utf-8") as f:
        f.write(PROTO)
    if protoc.main(["", "-I" + folder, "--python_out=" + folder, folder + "/podlane_cri.proto"]):
        sys.exit("cri.py: protoc failed")
    sys.path.insert(0, folder)
    import podlane_cri_pb2 as pb


class Cri:
    def __init__(self, socket):
        options = [("grpc.default_authority", "localhost")]
        self.channel = grpc.insecure_channel("unix://" + os.path.abspath(socket), options=options)
        self.logs = os.path.dirname(os.path.abspath(socket)) + "/logs"

    def call(self, method, request, response):
        stub = self.channel.unary_unary(
            "/runtime.v1.RuntimeService/" + method, type(request).SerializeToString, response.FromString)
        return stub(request, timeout=60)

    def sandbox(self, name):
        return pb.Sandbox(
            metadata=pb.Meta(name=name, uid="uid-" + name, namespace="default"), hostname=name,
            log_directory=self.logs, linux=pb.SandboxLinux(cgroup_parent=os.environ["CRI_CGROUP"]))

    def run(self, name):
        made = self.call("RunPodSandbox", pb.RunRequest(config=self.sandbox(name)), pb.Id)
        status = self.call("PodSandboxStatus", pb.Id(id=made.id), pb.SandboxStatusResponse).status
        more = [a.ip for a in status.network.additional_ips]
        return " ".join([name, made.id, status.network.ip] + more)

    def start(self, sandbox, name, image, *command):
        config = pb.Container(metadata=pb.ContainerMeta(name=name), image=pb.Image(image=image),
                              command=command, log_path=name + ".log")
        request = pb.CreateRequest(pod_sandbox_id=sandbox, config=config, sandbox_config=self.sandbox(name))
        made = self.call("CreateContainer", request, pb.Id)
        self.call("StartContainer", pb.Id(id=made.id), pb.Empty)
        return made.id

    def remove(self, sandbox):
        self.call("StopPodSandbox", pb.Id(id=sandbox), pb.Empty)
        self.call("RemovePodSandbox", pb.Id(id=sandbox), pb.Empty)


def main():
    cri, verb, args = Cri(sys.argv[1]), sys.argv[2], sys.argv[3:]
    if verb == "run":
        with ThreadPoolExecutor(4) as pool:
            print("\n".join(pool.map(cri.run, args)))
    elif verb == "start":
        print(cri.start(*args))
    elif verb == "exec":
        said = cri.call("ExecSync", pb.ExecRequest(container_id=args[0], cmd=args[1:], timeout=30), pb.ExecResponse)
        sys.stdout.buffer.write(said.stdout)
        sys.stderr.buffer.write(said.stderr)
        return said.exit_code
    elif verb == "remove":
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(cri.remove, args))
    elif verb == "status":
        for c in cri.call("Status", pb.Empty(), pb.StatusResponse).status.conditions:
            print(c.type, c.status, c.message)
    else:
        sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except grpc.RpcError as error:
        sys.exit("cri.py: " + error.details())
