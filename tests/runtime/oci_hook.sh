#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# oci_hook.sh ADD|DEL CONFIGURATION PLUGIN: an OCI hook (createRuntime, poststop) for hosts without a
# CNI runtime. Reads the container's state on standard input and runs the plugin for its netns. Hooks
# run in the namespaces of the runtime, which is the node.
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
state=$(cat)
CNI_CONTAINERID=$(jq -r .id <<<"$state")
pid=$(jq -r '.pid // 0' <<<"$state")
CNI_NETNS=
[ "$1" != ADD ] || CNI_NETNS=/proc/$pid/ns/net
export CNI_COMMAND=$1 CNI_CONTAINERID CNI_NETNS CNI_IFNAME=eth0 CNI_PATH=${3%/*}
exec "$3" <"$2" >&2
